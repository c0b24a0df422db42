"""A cluster of its own with one replica, which reaches the API server over a link that can be cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import yaml
from tests.harness.clients import Client
from tests.support.changes import Peer
from tests.support.link import Link
from tests.support.world import World, world

TIMEOUT_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Site:
    """The world, the link of its operator, and a person whose signature counts."""

    world: World
    link: Link
    alice: Peer

    def deletes(self, client: Client) -> int:
        """Let somebody delete a new object; it is gone exactly where the answer is 200."""
        path = self.world.victim()
        code = self.world.delete(client, path).code
        assert self.world.desk.there(path) == (code != 200)
        return code


@pytest.fixture(scope="module")
def _site() -> Iterator[Site]:
    settings = {"webhook": {"timeoutSeconds": TIMEOUT_SECONDS, "drainSeconds": 1}}
    with world(settings=settings) as made, Link(int(made.cluster.server.rpartition(":")[2])) as link:
        settings_of = made.installation.settings
        name = f"{settings_of.namespace}.{settings_of.service_account}.kubeconfig"
        kubeconfig = made.cluster.folder / "users" / name
        document = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        document["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{link.port}"
        kubeconfig.write_text(yaml.safe_dump(document), encoding="utf-8")
        made.process.restart()
        made.wait_judged()
        yield Site(made, link, made.crew.register("alice"))


@pytest.fixture
def site(_site: Site) -> Iterator[Site]:
    """Everything in order; and again afterwards, whatever the test broke."""
    yield _site
    _site.link.mend()
    _site.world.cluster.start_api_server()
    _site.world.process.resume()
    if not _site.world.process.running:
        _site.world.process.start()
    _site.world.process.wait_ready()
    _site.world.wait_judged()
