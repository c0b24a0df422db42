"""An agent at a prompt, a person who decides, and what the operator files for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.harness.clients import Client
from tests.harness.cluster import Cluster
from tests.harness.waiting import wait_until
from tests.support.changes import SLOT, Crew, Desk, Peer, sign
from tests.support.cli import Done, Terminal, run
from tests.support.requests_of import rejection, request_path, wait_filed
from tests.support.world import MERGE

from peergate.model.change import Change


@dataclass(frozen=True, slots=True)
class Seat:
    """Somebody at a prompt."""

    kubeconfig: Path

    def run(self, *arguments: str) -> Done:
        """Run the command line."""
        return run(*arguments, kubeconfig=self.kubeconfig)

    def terminal(self, *arguments: str, data: bool = False) -> Terminal:
        """Run it at a terminal; with ``data`` stdout is the terminal too."""
        return Terminal(*arguments, kubeconfig=self.kubeconfig, data=data)


@dataclass(frozen=True, slots=True)
class Table:
    """Where a change is decided."""

    desk: Desk
    alice: Peer
    person: Client
    """Alice as a user of the cluster."""

    def filed(self, change: Change) -> dict:
        """Return the ChangeRequest of a change, once the operator has filed it."""
        return wait_filed(self.desk, change)

    def sign(self, change: Change, *, slot: str = "alice") -> None:
        """Put Alice's approval on the ChangeRequest."""
        self.filed(change)
        value = sign(change, by=self.alice)
        self._patch(change, {"metadata": {"annotations": {SLOT + slot: value}}})

    def reject(self, change: Change, *, reason: str) -> None:
        """Say no as Alice."""
        self.filed(change)
        body = rejection(self.alice.identity, reason=reason)
        self._patch(change, body, subresource="/status")

    def reason(self, change: Change) -> str:
        """Wait until the ChangeRequest has a reason, and return it."""
        key = "peergate.dev/reason"

        def annotations() -> dict:
            return self.filed(change)["metadata"].get("annotations", {})

        wait_until("the reason is there", lambda: key in annotations())
        return annotations()[key]

    def _patch(self, change: Change, body: dict, *, subresource: str = "") -> None:
        path = request_path(change) + subresource
        reply = self.person.request("PATCH", path, body=body, content_type=MERGE)
        assert reply.code == 200, reply.body


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
    """A person whose signature counts, known to the cluster as oidc:alice."""
    return crew.register("alice", kubernetesUsernames=["oidc:alice"])


@pytest.fixture(scope="session")
def _alice_seat(cluster: Cluster) -> Seat:
    return Seat(cluster.kubeconfig_for_user("oidc:alice", groups=("system:masters",)))


@pytest.fixture
def alice_seat(_alice_seat: Seat, alice: Peer) -> Seat:
    """Alice at her prompt."""
    return _alice_seat


@pytest.fixture
def bot(agent: Client) -> Seat:
    """The agent at its prompt."""
    return Seat(agent.kubeconfig)


@pytest.fixture(scope="session")
def table(cluster: Cluster, desk: Desk, alice: Peer, _alice_seat: Seat) -> Table:
    return Table(desk=desk, alice=alice, person=cluster.client(_alice_seat.kubeconfig))


@pytest.fixture
def meanwhile() -> Iterator[Callable[..., Future[Done]]]:
    """Return a function that runs something beside the test; the test ends when it has."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        yield pool.submit
