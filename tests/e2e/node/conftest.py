"""One node for all tests here, with the operator's image on it, and one release, with people who use it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.harness.namespaces import fresh_namespace
from tests.harness.node import backend
from tests.harness.node.backend import Nodes
from tests.harness.node.prepare import Version, operator_image, previous_version
from tests.harness.node.release import Release
from tests.harness.principals import create_account
from tests.support.changes import Crew, Desk, config_map
from tests.support.world import World

# The self-test (test_lifecycle.py) puts one more account into the condition, for two minutes.
VALUES = {"approvals": {"retryWindow": "2s"}, "hooks": {"selfTest": {"enabled": False}}}


@pytest.fixture(scope="session")
def node() -> Iterator[Nodes]:
    """A cluster on whose nodes Pods run: kind's, or one of our own."""
    with backend.start() as running:
        running.load(operator_image())
        yield running


@pytest.fixture(scope="session")
def _release(node: Nodes) -> Release:
    """Peergate, installed by Helm: two replicas, the chart's values but for a shorter retry window."""
    release = Release(node, values=VALUES)
    release.install()
    return release


@pytest.fixture(scope="session")
def _town(_release: Release) -> Iterator[World]:
    with inhabited(_release) as world:
        yield world


@pytest.fixture(scope="module")
def pair() -> Iterator[World]:
    """A release on two nodes of its own, and who uses it."""
    with backend.start(nodes=2) as running:
        running.load(operator_image())
        release = Release(running, values=VALUES)
        release.install()
        with inhabited(release) as world:
            yield world


@pytest.fixture(scope="session")
def _previous(tmp_path_factory: pytest.TempPathFactory) -> Version:
    return previous_version(tmp_path_factory.mktemp("previous"))


@pytest.fixture(scope="module")
def place(_previous: Version) -> Iterator[Nodes]:
    """A node of its own that has the images of this version and of the one before."""
    with backend.start() as running:
        running.load(_previous.image)
        running.load(operator_image())
        yield running


@pytest.fixture(scope="module")
def old_release(place: Nodes, _previous: Version) -> Callable[..., Release]:
    """Return a function that installs the previous version, by any Helm, in place of the one before."""
    installed: list[Release] = []

    def install(*, helm: Path | None = None) -> Release:
        while installed:
            installed.pop().uninstall()
        release = Release(place, values=VALUES, chart=_previous.chart, helm=helm)
        installed.append(release)
        release.install()
        return release

    return install


@contextlib.contextmanager
def inhabited(release: Release) -> Iterator[World]:
    """Let an agent that is judged, a bystander, a desk and a crew use it."""
    cluster = release.cluster
    with fresh_namespace(cluster, protected=True) as namespace:
        agent = create_account(cluster, "agents", "demo-agent", owner="team-platform")
        bystander = create_account(cluster, "workers", "bystander")
        cluster.admin.apply(config_map(namespace, "probe"))
        release.wait_gated(agent, namespace=namespace)
        desk = Desk(cluster, agent, account="agents/demo-agent", owner="team-platform")
        with Crew(desk) as crew:
            yield World(
                installation=release,
                agent=agent,
                bystander=bystander,
                desk=desk,
                crew=crew,
                namespace=namespace,
            )


@pytest.fixture
def release(_release: Release) -> Iterator[Release]:
    """The release, in order; and again afterwards, whatever the test did to it."""
    yield _release
    _release.start()
    _release.wait_ready()


@pytest.fixture
def town(_town: World, release: Release) -> World:
    """Who uses the release: an agent that is judged, a bystander, a desk, a crew of approvers."""
    _town.wait_judged()
    return _town
