"""A desk, one approver, and an agent whose requests are judged."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.harness.clients import Client
from tests.harness.cluster import Cluster
from tests.support.changes import Crew, Desk, Peer


@pytest.fixture(scope="session")
def desk(cluster: Cluster, _agent: Client) -> Desk:
    """Where changes of the agent are computed."""
    return Desk(cluster, _agent, account="agents/demo-agent", owner="team-platform")


@pytest.fixture(scope="session")
def crew(desk: Desk) -> Iterator[Crew]:
    with Crew(desk) as crew:
        yield crew


@pytest.fixture(scope="session")
def alice(crew: Crew) -> Peer:
    """A person whose signature counts."""
    return crew.register("alice")
