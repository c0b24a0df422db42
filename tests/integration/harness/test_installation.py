"""Peergate in front of the cluster, as other tests use it."""

from __future__ import annotations

import pytest
from tests.harness.cluster import Cluster
from tests.harness.namespaces import fresh_namespace
from tests.harness.peergate import Installation
from tests.harness.principals import create_account
from tests.harness.waiting import wait_until


def reviewed_users(installation: Installation, *, namespace: str) -> set[str]:
    lines = installation.process.log_lines()
    return {line["user"] for line in lines if "user" in line and line.get("namespace") == namespace}


def test_the_agent_is_refused_and_the_bystander_is_not(peergate, agent, bystander, namespace) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}}
    assert bystander.request("POST", path, body=body).code == 201
    refused = agent.request("DELETE", f"{path}/one")
    assert (refused.code, refused.body["reason"]) == (403, "ApprovalRequired")
    assert bystander.request("DELETE", f"{path}/one").code == 200
    # Counted and logged after the answer.
    wait_until("the review is logged", lambda: reviewed_users(peergate, namespace=namespace))
    assert reviewed_users(peergate, namespace=namespace) == {"system:serviceaccount:agents:demo-agent"}
    assert peergate.process.reviews(gate="namespaced") >= 1


def test_outside_protected_namespaces_the_agent_is_free(agent, unprotected_namespace) -> None:
    path = f"/api/v1/namespaces/{unprotected_namespace}/configmaps"
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}}
    assert agent.request("POST", path, body=body).code == 201
    assert agent.request("DELETE", f"{path}/one").code == 200


@pytest.mark.slow
def test_two_replicas_stand_in_for_each_other() -> None:
    with Cluster() as cluster, Installation(cluster, replicas=2) as installation:
        agent = create_account(cluster, "agents", "demo-agent", owner="team-platform")
        with fresh_namespace(cluster, protected=True) as namespace:
            installation.wait_gated(agent, namespace=namespace)
            first, second = installation.replicas
            path = f"/api/v1/namespaces/{namespace}/configmaps/kube-root-ca.crt"
            for replica in (first, second):
                replica.kill()
                refused = agent.request("DELETE", path)
                assert (refused.code, refused.body["reason"]) == (403, "ApprovalRequired")
                replica.start()
                replica.wait_ready()
            first.kill()
            second.kill()
            assert agent.request("DELETE", path).code == 500
            assert cluster.admin.request("DELETE", path).code == 200
