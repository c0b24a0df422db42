"""A cluster with Peergate and its people, for tests that would disturb those who share one."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.harness.clients import Client, Reply
from tests.harness.cluster import Cluster
from tests.harness.namespaces import fresh_namespace
from tests.harness.peergate import Installation, PeergateProcess
from tests.harness.principals import create_account
from tests.harness.waiting import wait_until
from tests.support.changes import (
    BACKGROUND,
    DRY_DELETE,
    Crew,
    Desk,
    Peer,
    config_map,
    path_of,
    reported,
    sign,
    slots,
)

__all__ = ["CONFIGURATION", "MERGE", "World", "conditions", "victim", "world"]

CONFIGURATION = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/peergate"
MERGE = "application/merge-patch+json"


@dataclass(frozen=True, slots=True)
class World:
    """Who is in it."""

    installation: Installation
    agent: Client
    """ServiceAccount agents/demo-agent: tagged, owner team-platform, operator-level rights."""
    bystander: Client
    """ServiceAccount workers/bystander: the same rights, no tag."""
    desk: Desk
    crew: Crew
    namespace: str
    """A protected namespace without a policy of its own: one approval by a person."""

    @property
    def cluster(self) -> Cluster:
        """Return the cluster."""
        return self.installation.cluster

    @property
    def admin(self) -> Client:
        """Return a person whom RBAC does not hold."""
        return self.cluster.admin

    @property
    def process(self) -> PeergateProcess:
        """Return the first replica."""
        return self.installation.process

    def victim(self) -> str:
        """Return the path of a new ConfigMap in the protected namespace."""
        return victim(self.admin, self.namespace)

    def approved(self, path: str, by: Peer) -> str:
        """Attach an approval of the agent's deletion of this object; return its path."""
        self.desk.attach(path, slots(sign(self.desk.deletion(path), by=by)))
        return path

    def judged(self) -> bool:
        """Tell whether an agent's deletion is refused by a verdict, not by a failed call."""
        path = path_of("configmaps", "probe", namespace=self.namespace)
        reply = self.agent.request("DELETE", path, body=DRY_DELETE)
        return (reply.code, reported(reply)) == (403, "ApprovalMissing")

    def wait_judged(self) -> None:
        """Return once it is."""
        wait_until("the agent is judged", self.judged)

    def configuration(self) -> dict[str, Any]:
        """Return the live webhook configuration."""
        return self.desk.get(CONFIGURATION)

    def delete(self, client: Client, path: str) -> Reply:
        """Delete as kubectl does."""
        return client.request("DELETE", path, body=BACKGROUND)


def conditions(configuration: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the exact condition of each entry that judges agents, ``None`` where it has none."""
    return {
        entry["name"].partition(".")[0]: next(
            (one["expression"] for one in entry.get("matchConditions", ()) if one["name"] == "agents"), None
        )
        for entry in configuration["webhooks"]
        if not entry["name"].startswith("resources.")
    }


def victim(admin: Client, namespace: str) -> str:
    """Return the path of a new ConfigMap."""
    path = path_of("configmaps", f"v-{secrets.token_hex(5)}", namespace=namespace)
    made = admin.request("POST", path.rpartition("/")[0], body=config_map(namespace, path.rpartition("/")[2]))
    assert made.code == 201, made.body
    return path


@contextmanager
def world(*, settings: Mapping[str, Any] | None = None, replicas: int = 1) -> Iterator[World]:
    """Start a cluster with Peergate, an agent that is judged, a bystander and a desk; yield them."""
    with (
        Cluster() as cluster,
        Installation(cluster, settings=settings, replicas=replicas) as installation,
        fresh_namespace(cluster, protected=True) as namespace,
    ):
        agent = create_account(cluster, "agents", "demo-agent", owner="team-platform")
        bystander = create_account(cluster, "workers", "bystander")
        cluster.admin.apply(config_map(namespace, "probe"))
        installation.wait_gated(agent, namespace=namespace)
        desk = Desk(cluster, agent, account="agents/demo-agent", owner="team-platform")
        with Crew(desk) as crew:
            yield World(
                installation=installation,
                agent=agent,
                bystander=bystander,
                desk=desk,
                crew=crew,
                namespace=namespace,
            )
