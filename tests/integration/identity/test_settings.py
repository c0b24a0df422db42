"""Who is an agent by the settings: groups, user names, namespaces, everybody but the trusted."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from tests.harness.clients import Client
from tests.harness.cluster import Cluster
from tests.harness.namespaces import fresh_namespace
from tests.harness.peergate import Installation
from tests.harness.principals import OPERATOR_LEVEL, create_account, operator_level_role
from tests.harness.waiting import wait_until
from tests.support.changes import BACKGROUND, reported
from tests.support.world import CONFIGURATION, conditions, victim

from peergate.shipped.companions import companion_policies

pytestmark = pytest.mark.cluster

SOON = 30.0
LEASE_SECONDS = 90.0
"""A Lease lasts 30 s, and is looked at every 10; the rest is patience."""
AGENT, FREE = (403, "ApprovalMissing"), (200, "")


@dataclass(frozen=True, slots=True)
class Place:
    cluster: Cluster
    installation: Installation
    namespace: str

    def said(self, client: Client) -> tuple[int, str]:
        """Let somebody delete a new object; return the code and the gate's word."""
        path = victim(self.cluster.admin, self.namespace)
        reply = client.request("DELETE", path, body=BACKGROUND)
        there = self.cluster.admin.request("GET", path).code == 200
        assert there == (reply.code != 200), reply.body
        return reply.code, reported(reply)

    def becomes(self, client: Client, wanted: tuple[int, str], *, within: float = SOON) -> None:
        wait_until(f"it is {wanted}", lambda: self.said(client) == wanted, within=within)

    def user(self, name: str, *groups: str) -> Client:
        """Return a person's client with every right of an operator."""
        kubeconfig = self.cluster.kubeconfig_for_user(name, groups=("operators", *groups))
        return self.cluster.client(kubeconfig)


@pytest.fixture(scope="module")
def cluster_of_its_own() -> Iterator[Cluster]:
    with Cluster() as cluster:
        binding = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "operators"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": OPERATOR_LEVEL,
            },
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "operators"}],
        }
        cluster.admin.apply(operator_level_role(cluster), binding)
        yield cluster


@contextmanager
def installed(cluster: Cluster, agents: Mapping[str, Any]) -> Iterator[Place]:
    """Install Peergate with these settings; take it away again, its configuration too."""
    settings = {"agents": agents, "webhook": {"drainSeconds": 0}}
    cluster.admin.request("DELETE", CONFIGURATION)
    with (
        Installation(cluster, settings=settings) as installation,
        fresh_namespace(cluster, protected=True) as namespace,
    ):
        yield Place(cluster, installation, namespace)
        installation.process.stop()  # in order, so that who comes next need not wait for the Lease
    cluster.admin.request("DELETE", CONFIGURATION)


@pytest.mark.slow
def test_groups_user_names_and_namespaces_of_the_settings(cluster_of_its_own):
    cluster = cluster_of_its_own
    agents = {
        "groups": ["oidc:ai-agents"],
        "usernames": ["bot-*", "exact"],
        "namespaces": ["robots"],
        "trusted": ["system:serviceaccount:robots:shepherd", "bot-trusted"],
    }
    tagged = create_account(cluster, "agents", "tagged", owner="team-platform")
    robot = create_account(cluster, "robots", "any")
    shepherd = create_account(cluster, "robots", "shepherd")
    bystander = create_account(cluster, "workers", "bystander")
    with installed(cluster, agents) as place:
        for client, wanted in (
            (tagged, AGENT),
            (robot, AGENT),
            (place.user("carol", "oidc:ai-agents"), AGENT),
            (place.user("bot-7"), AGENT),
            (place.user("exact"), AGENT),
            (shepherd, FREE),
            (bystander, FREE),
            (place.user("bot-trusted"), FREE),
            (place.user("robot-7"), FREE),
            (place.user("exact-not"), FREE),
            (place.user("dora", "oidc:people"), FREE),
        ):
            place.becomes(client, wanted)
        (expression,) = set(conditions(cluster.admin.request("GET", CONFIGURATION).body).values())
        assert '"agents:tagged"' in expression
        users = {line.get("user") for line in place.installation.process.log_lines()}
        assert "robot-7" not in users
        assert "dora" not in users
        _companion_policies_are_missed_until_they_are_there(place)


def _companion_policies_are_missed_until_they_are_there(place: Place) -> None:
    def reported_as(value: float) -> bool:
        return place.installation.process.metric("peergate_webhook_config_ok", check="companion") == value

    present = place.installation.process.metric("peergate_webhook_config_ok", check="present")
    assert (present, reported_as(0.0)) == (1.0, True)
    policies = list(companion_policies(place.installation.settings))
    try:
        place.cluster.admin.apply(*policies)
        wait_until("they are seen", lambda: reported_as(1.0), within=90.0)
    finally:
        place.cluster.admin.kubectl("delete", "-f", "-", input=policies).must()


def test_in_strict_mode_every_account_is_an_agent_but_the_trusted(cluster_of_its_own):
    cluster = cluster_of_its_own
    trusted = create_account(cluster, "workers", "trusted")
    worker = create_account(cluster, "workers", "bystander")
    controller = create_account(cluster, "kube-system", "controller")
    agents = {"strict": True, "trusted": ["system:serviceaccount:workers:trusted"]}
    with installed(cluster, agents) as place:
        place.becomes(worker, AGENT)
        # A new account is an agent from its first request: no list must hold it first.
        assert place.said(create_account(cluster, "workers", "newcomer")) == AGENT
        assert place.said(trusted) == FREE
        assert place.said(controller) == FREE
        assert place.said(place.user("dora")) == FREE
        assert place.said(cluster.admin) == FREE
        live = cluster.admin.request("GET", CONFIGURATION).body
        assert set(conditions(live).values()) == {None}
        wait_until(
            "the gate is known to be wide",
            lambda: place.installation.process.metric("peergate_gate_exact") == 0,
        )
        # What an outage stops then: all of them.
        place.installation.process.stop()
        assert place.said(worker)[0] == 500
        assert place.said(trusted) == FREE
        assert place.said(controller) == FREE


@pytest.mark.parametrize(
    "crash", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["ended in order", "killed"]
)
def test_an_account_tagged_while_the_gate_is_down_is_an_agent_once_it_is_up(crash, cluster_of_its_own):
    """A tag counts when the operator has listed it (design.md §4); until then the account is free.

    Who lists is elected: after a crash the next leader waits until the Lease of the last one has run out.
    """
    cluster = cluster_of_its_own
    known = create_account(cluster, "agents", "tagged", owner="team-platform")
    name = f"late-{secrets.token_hex(4)}"
    with installed(cluster, {}) as place:
        place.becomes(known, AGENT)
        process = place.installation.process
        if crash:
            process.kill()
        else:
            process.stop()
        assert place.said(known)[0] == 500
        fresh = create_account(cluster, "agents", name, owner="team-platform")
        assert place.said(fresh) == FREE
        process.start()
        process.wait_ready()
        began = time.monotonic()
        place.becomes(fresh, AGENT, within=LEASE_SECONDS if crash else SOON)
        print(f"listed {time.monotonic() - began:.1f} s after the gate was ready")
        wait_until("nobody is unlisted", lambda: process.metric("peergate_agents", state="unlisted") == 0)
        (expression,) = set(conditions(cluster.admin.request("GET", CONFIGURATION).body).values())
        assert f'"agents:{name}"' in expression


def test_an_account_untagged_while_the_gate_is_down_is_free_once_it_is_up(cluster_of_its_own):
    cluster = cluster_of_its_own
    client = create_account(cluster, "agents", "tagged-once", owner="team-platform")
    path = "/api/v1/namespaces/agents/serviceaccounts/tagged-once"
    with installed(cluster, {}) as place:
        place.becomes(client, AGENT)
        place.installation.process.stop()
        body = {"metadata": {"labels": {"peergate.dev/agent": None}}}
        assert (
            cluster.admin.request("PATCH", path, body=body, content_type="application/merge-patch+json").code
            == 200
        )
        assert place.said(client)[0] == 500
        place.installation.process.start()
        place.installation.process.wait_ready()
        place.becomes(client, FREE)
        (expression,) = set(conditions(cluster.admin.request("GET", CONFIGURATION).body).values())
        assert '"agents:tagged-once"' in expression, "it stays listed for two minutes from then"
