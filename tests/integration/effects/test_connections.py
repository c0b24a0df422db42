"""An agent's connections on a real API server: closed, opened by policies, never into somebody else's Pod.

There is no kubelet: a connection that the gate admits fails later, and so its own count says which were.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from tests.harness.clients import Client, Reply
from tests.harness.waiting import wait_until
from tests.support.changes import guarded, path_of, reported

BARRED = (403, "NotApprovable")
EXEC = "exec?command=rm&command=-rf&command=/data&stdout=true"


def pod(name: str, **spec: Any) -> dict[str, Any]:
    container = {"name": "c", "image": "example.invalid/none:1"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [container], **spec},
    }


def fill(desk: Any, namespace: str) -> None:
    """Put in a Pod that mounts no token, one that does, and one that runs as an agent of the same owner."""
    kin = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {
            "name": "kin",
            "namespace": namespace,
            "labels": {"peergate.dev/agent": "true"},
            "annotations": {"peergate.dev/owner": "team-platform"},
        },
    }
    desk.cluster.admin.apply(kin)
    for name, spec in (
        ("bare", {"automountServiceAccountToken": False}),
        ("anothers", {}),
        ("kin", {"serviceAccountName": "kin"}),
    ):
        desk.create(path_of("pods", name, namespace=namespace), pod(name, **spec))


def connect(client: Client, namespace: str, name: str, how: str = EXEC, *, resource: str = "pods") -> Reply:
    method = "POST" if how.startswith(("exec", "attach")) else "GET"
    path = f"{path_of(resource, name, namespace=namespace)}/"
    return client.request(method, path + how)


def admitted(peergate: Any) -> int:
    return int(peergate.process.reviews(operation="CONNECT", decision="allow"))


WAYS = (EXEC, "attach?stdout=true", "portforward?ports=5432", "proxy/admin/drop")


@pytest.mark.parametrize("how", WAYS, ids=lambda how: how.partition("?")[0].partition("/")[0])
def test_in_a_protected_namespace_it_is_closed(how, desk, agent, bystander, namespace):
    fill(desk, namespace)
    assert "NotApprovable" not in str(connect(bystander, namespace, "bare", how).body)
    for name in ("bare", "anothers", "kin"):
        refused = connect(agent, namespace, name, how)
        assert (refused.code, reported(refused)) == BARRED, refused.body


def test_the_command_line_is_shown_in_refusal_audit_and_log(desk, agent, namespace, cluster, peergate):
    fill(desk, namespace)
    refused = connect(agent, namespace, "bare")
    assert " command='rm -rf /data'\n" in refused.body["message"]
    cluster.wait_for_audit(
        lambda event: (
            event.namespace == namespace
            and event.annotations.get("namespaced.gate.peergate.dev/command") == "rm -rf /data"
        )
    )
    lines = peergate.process.log_lines()
    assert any((line.get("namespace"), line.get("command")) == (namespace, "rm -rf /data") for line in lines)


def test_a_policy_opens_one_way_and_never_another_accounts_pod(desk, agent, peergate):
    with guarded(desk, {"allowConnect": ["pods/exec", "services/proxy"]}) as (namespace, _):
        fill(desk, namespace)
        for name in ("bare", "kin"):
            before = admitted(peergate)
            through = connect(agent, namespace, name)
            assert reported(through) == "", through.body
            peergate_admits(peergate, before)
        refused = connect(agent, namespace, "anothers")
        assert (refused.code, reported(refused)) == BARRED
        assert "whose account is not its own kind" in refused.body["message"]
        other = connect(agent, namespace, "bare", "portforward?ports=1")
        assert (other.code, reported(other)) == BARRED
        gone = connect(agent, namespace, "nobody")
        assert (gone.code, reported(gone)) == BARRED
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web"},
            "spec": {"ports": [{"port": 80}], "selector": {"app": "web"}},
        }
        desk.create(path_of("services", "web", namespace=namespace), service)
        before = admitted(peergate)
        connect(agent, namespace, "web", "proxy/x", resource="services")
        peergate_admits(peergate, before)


def peergate_admits(peergate: Any, before: int) -> None:
    wait_until("the gate has counted it", lambda: admitted(peergate) > before)


def test_in_an_open_namespace_only_whose_pod_it_is_counts(desk, agent, unprotected_namespace, peergate):
    fill(desk, unprotected_namespace)
    refused = connect(agent, unprotected_namespace, "anothers")
    assert (refused.code, reported(refused)) == BARRED
    for name in ("bare", "kin"):
        before = admitted(peergate)
        assert reported(connect(agent, unprotected_namespace, name)) == ""
        peergate_admits(peergate, before)


@pytest.fixture
def node(admin) -> Iterator[str]:
    name = f"n-{secrets.token_hex(4)}"
    body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
    assert admin.request("POST", "/api/v1/nodes", body=body).code == 201
    yield name
    admin.request("DELETE", f"/api/v1/nodes/{name}")


def test_a_node_is_never_reached_through_its_proxy(agent, node):
    for method in ("GET", "POST", "DELETE"):
        refused = agent.request(method, f"/api/v1/nodes/{node}/proxy/run/shop/db/c?cmd=id")
        assert (refused.code, reported(refused)) == BARRED
