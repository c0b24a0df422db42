"""Fixtures that every test may use: a cluster a worker, Peergate in front of it, its users, a namespace."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from tests.harness.clients import Client
from tests.harness.cluster import Cluster
from tests.harness.namespaces import fresh_namespace
from tests.harness.peergate import Installation
from tests.harness.principals import create_account

# Wall time says nothing on a shared machine; a failure is printed with what repeats it.
settings.register_profile(
    "quick", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.register_profile("thorough", parent=settings.get_profile("quick"), max_examples=1000)
settings.load_profile("quick")

_CLUSTER_FIXTURES = frozenset({"cluster", "peergate"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a cluster: ``-m "not cluster"`` runs the rest."""
    for item in items:
        if _CLUSTER_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker("cluster")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """One cluster for this worker, started when the first test asks for it."""
    with Cluster() as running:
        yield running


@pytest.fixture(scope="session")
def peergate(cluster: Cluster) -> Iterator[Installation]:
    """Peergate, installed and running in the worker's cluster."""
    with Installation(cluster) as running:
        yield running


@pytest.fixture
def admin(cluster: Cluster) -> Client:
    """A user whom RBAC does not hold, and who is no agent."""
    return cluster.admin


@pytest.fixture(scope="session")
def _agent(peergate: Installation) -> Client:
    """The worker's agent, once the gate judges it."""
    client = create_account(peergate.cluster, "agents", "demo-agent", owner="team-platform")
    with fresh_namespace(peergate.cluster, protected=True) as namespace:
        peergate.wait_gated(client, namespace=namespace)
    return client


@pytest.fixture
def agent(_agent: Client) -> Client:
    """ServiceAccount agents/demo-agent: tagged, owner team-platform, operator-level rights."""
    return _agent


@pytest.fixture(scope="session")
def _bystander(cluster: Cluster) -> Client:
    return create_account(cluster, "workers", "bystander")


@pytest.fixture
def bystander(_bystander: Client) -> Client:
    """ServiceAccount workers/bystander: the same rights, no tag."""
    return _bystander


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A fresh protected namespace, deleted after the test."""
    with fresh_namespace(cluster, protected=True) as name:
        yield name


@pytest.fixture
def unprotected_namespace(cluster: Cluster) -> Iterator[str]:
    """A fresh namespace without protection, deleted after the test."""
    with fresh_namespace(cluster, protected=False) as name:
        yield name
