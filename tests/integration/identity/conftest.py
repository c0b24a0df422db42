"""Accounts that come and go, people who sign, and what they try it on."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from tests.harness.clients import Client, Reply
from tests.harness.cluster import Cluster
from tests.harness.namespaces import fresh_namespace
from tests.harness.principals import OPERATOR_LEVEL, create_account
from tests.support.changes import BACKGROUND, Crew, Desk, Peer
from tests.support.world import MERGE, victim


@dataclass(frozen=True, slots=True)
class Account:
    """A ServiceAccount with operator-level rights; ``client`` has a token of it as it was made."""

    cluster: Cluster
    namespace: str
    name: str
    client: Client

    @property
    def path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/serviceaccounts/{self.name}"

    @property
    def username(self) -> str:
        return f"system:serviceaccount:{self.namespace}:{self.name}"

    def label(self, value: str | None) -> None:
        """Set the tag, or take it away."""
        body = {
            "metadata": {
                "labels": {"peergate.dev/agent": value},
                "annotations": {"peergate.dev/owner": "team-platform"},
            }
        }
        done = self.cluster.admin.request("PATCH", self.path, body=body, content_type=MERGE)
        assert done.code == 200, done.body

    def delete(self) -> None:
        """Delete it; its token works about ten seconds more."""
        assert self.cluster.admin.request("DELETE", self.path).code == 200

    def successor(self, *, owner: str | None) -> Client:
        """Delete it, make another of its name, and return the new one's client."""
        self.delete()
        kubeconfig = self.cluster.folder / "users" / f"{secrets.token_hex(4)}.kubeconfig"
        return create_account(self.cluster, self.namespace, self.name, owner=owner, kubeconfig=kubeconfig)


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


@pytest.fixture(scope="session")
def guarded_namespace(cluster: Cluster) -> Iterator[str]:
    """A protected namespace that tests share: what is in it has names of its own."""
    with fresh_namespace(cluster, protected=True) as name:
        yield name


@pytest.fixture
def account(cluster: Cluster) -> Iterator[Callable[..., Account]]:
    """Return a function that makes a ServiceAccount; with an ``owner`` it is tagged. Gone afterwards."""
    with ExitStack() as stack:

        def make(*, owner: str | None = None, namespace: str = "agents") -> Account:
            name = f"a-{secrets.token_hex(5)}"
            client = create_account(cluster, namespace, name, owner=owner)
            made = Account(cluster, namespace, name, client)
            binding = f"{OPERATOR_LEVEL}-{namespace}-{name}"
            for path in (
                made.path,
                f"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/{binding}",
            ):
                stack.callback(cluster.admin.request, "DELETE", path)
            return made

        yield make


@pytest.fixture
def delete(cluster: Cluster, guarded_namespace: str) -> Callable[..., Reply]:
    """Return a function by which somebody deletes a new object; it is gone exactly where that is admitted."""

    def attempt(client: Client, **headers: str) -> Reply:
        path = victim(cluster.admin, guarded_namespace)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        reply = client.request("DELETE", path, body=BACKGROUND, headers=named)
        there = cluster.admin.request("GET", path).code == 200
        assert there == (reply.code != 200), reply.body
        return reply

    return attempt
