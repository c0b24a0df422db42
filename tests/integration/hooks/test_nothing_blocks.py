"""Who takes Peergate away is held up by nothing: no finalizer of ours, no approval, not by a dead gate."""

from __future__ import annotations

import pytest
from tests.harness.namespaces import fresh_namespace
from tests.harness.peergate import Installation
from tests.harness.principals import create_account
from tests.harness.waiting import wait_until
from tests.support.changes import DRY_DELETE, Crew, Desk, config_map, path_of

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

CONFIGURATION = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/peergate"
KINDS = ("approvers", "protectionpolicies", "changerequests", "approvaluses")


@pytest.fixture
def left_behind(place):
    """An installation that was used; its operator is gone and its gate is not."""
    admin = place.admin
    with Installation(place) as installation, fresh_namespace(place, protected=True) as namespace:
        agent = create_account(place, "agents", "demo-agent", owner="team-platform")
        desk = Desk(place, agent, account="agents/demo-agent", owner="team-platform")
        installation.wait_gated(agent, namespace=namespace)
        with Crew(desk) as crew:
            crew.register("alice")
            admin.apply(config_map(namespace, "one"))
            path = path_of("configmaps", "one", namespace=namespace)
            refused = agent.request("DELETE", path)
            assert "request=test-" in refused.body["message"], refused.body
            admin.apply(
                {
                    "apiVersion": "peergate.dev/v1alpha1",
                    "kind": "ProtectionPolicy",
                    "metadata": {"name": "all"},
                    "spec": {"rules": [{"resources": [{"apiGroups": ["*"], "resources": ["*"]}]}]},
                }
            )
            wait_until("it is filed", lambda: namespace in filed_in(place))
            installation.process.kill()
            yield agent, namespace, path


def objects(place, plural):
    return place.admin.request("GET", f"/apis/peergate.dev/v1alpha1/{plural}").body.get("items", [])


def filed_in(place):
    return [item["metadata"]["namespace"] for item in objects(place, "changerequests")]


def test_a_person_takes_everything_away_while_the_gate_is_closed(place, left_behind):
    """The worst order: the operator first, then what it guards, the gate last."""
    agent, namespace, path = left_behind
    admin = place.admin
    refused = agent.request("DELETE", path, body=DRY_DELETE)
    assert refused.code == 500
    assert "failed calling webhook" in refused.body["message"]
    for plural in KINDS:
        for item in objects(place, plural):
            assert not item["metadata"].get("finalizers"), plural
    # What was protected, with what is filed in it; the namespace controller empties it.
    admin.kubectl("delete", "namespace", namespace, "--timeout=60s").must()
    # The definitions, with approvers and policies.
    definitions = [f"{plural}.peergate.dev" for plural in KINDS]
    admin.kubectl("delete", "crd", *definitions, "--timeout=60s").must()
    for kind in ("clusterrole", "clusterrolebinding"):
        admin.kubectl("delete", kind, "-l", "app.kubernetes.io/name=peergate", "--timeout=60s").must()
    admin.kubectl("delete", "namespace", "peergate-system", "--timeout=60s").must()
    admin.kubectl("delete", "validatingwebhookconfiguration", "peergate", "--timeout=10s").must()
    # Nothing waits any more: the agent is what its rights make it.
    admin.kubectl("create", "namespace", "peergate-system").must()
    with fresh_namespace(place, protected=True) as another:
        admin.apply(config_map(another, "two"))
        victim = path_of("configmaps", "two", namespace=another)
        wait_until(
            "the API server has seen that the gate is gone",
            lambda: agent.request("DELETE", victim, body=DRY_DELETE).code == 200,
        )
        assert agent.request("DELETE", victim).code == 200
