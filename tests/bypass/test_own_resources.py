"""An agent with operator-level rights reaches for what the gate decides by: its resources and labels.

Each attack is first carried out by a bystander with equal rights on an equal object, where it works.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from tests.harness.clients import Client, Reply
from tests.harness.cluster import Cluster
from tests.harness.namespaces import fresh_namespace
from tests.harness.principals import create_account
from tests.harness.waiting import wait_until
from tests.support.approvals import make_key
from tests.support.changes import SLOT, Desk, path_of, policy, reported, sign
from tests.support.filed import filed
from tests.support.world import MERGE, victim

OURS = "peergate.dev/v1alpha1"
BARRED = (403, "NotApprovable")


def said(reply: Reply) -> tuple[int, str]:
    return reply.code, reported(reply)


def approver(name: str) -> dict[str, Any]:
    key = make_key("ssh-ed25519", name)
    return {
        "apiVersion": OURS,
        "kind": "Approver",
        "metadata": {"name": name},
        "spec": {
            "identity": f"{name}@example.com",
            "class": "human",
            "owner": "team-mallory",
            "keys": [{"type": key.type, "publicKey": key.public_text}],
        },
    }


def protection(name: str) -> dict[str, Any]:
    return policy(name, "no-such-namespace")


MAKERS: dict[str, tuple[str, Callable[[str], dict[str, Any]], Mapping[str, Any]]] = {
    "an Approver": ("approvers", approver, {"spec": {"disabled": True}}),
    "a ProtectionPolicy": ("protectionpolicies", protection, {"spec": {"mode": "Audit"}}),
}


@pytest.mark.parametrize(("resource", "make", "change"), MAKERS.values(), ids=MAKERS.keys())
def test_who_decides_and_how_is_closed(resource, make, change, peergate, admin, agent, bystander):
    name = f"m-{secrets.token_hex(4)}"
    path = path_of(resource, name, api=OURS)
    collection = path.rpartition("/")[0]
    status = {"status": {"conditions": []}}

    def attacks(client: Client) -> dict[str, Callable[[], Reply]]:
        return {
            "patched": lambda: client.request("PATCH", path, body=change, content_type=MERGE),
            "labelled": lambda: client.request(
                "PATCH", path, body={"metadata": {"labels": {"a": "b"}}}, content_type=MERGE
            ),
            "its status": lambda: client.request("PATCH", f"{path}/status", body=status, content_type=MERGE),
            "replaced": lambda: client.request(
                "PUT", path, body={**admin.request("GET", path).body, "spec": make(name)["spec"]}
            ),
            "deleted": lambda: client.request("DELETE", path),
        }

    refused = agent.request("POST", collection, body=make(name))
    assert said(refused) == BARRED, refused.body
    assert bystander.request("POST", collection, body=make(name)).code == 201
    for how, attack in attacks(bystander).items():
        # Again where the operator's status came between reading and replacing.
        wait_until(f"{how} by somebody who is no agent", lambda: attack().code == 200)  # noqa: B023 - called here
    assert admin.request("POST", collection, body=make(name)).code == 201

    def settled() -> bool:  # the operator writes the status of what is new
        return bool(admin.request("GET", path).body.get("status"))

    wait_until("the operator has seen it", settled)
    before = admin.request("GET", path).body
    for how, attack in attacks(agent).items():
        assert said(attack()) == BARRED, how
    assert said(agent.request("DELETE", collection)) == BARRED
    after = admin.request("GET", path).body
    assert (after["spec"], after["metadata"]["uid"]) == (before["spec"], before["metadata"]["uid"])
    assert "labels" not in after["metadata"]
    assert admin.request("DELETE", path).code == 200


def test_an_agent_that_registers_itself_is_no_approver(admin, agent, desk, crew, namespace):
    mallory = approver(f"m-{secrets.token_hex(4)}")
    assert said(agent.request("POST", f"/apis/{OURS}/approvers", body=mallory)) == BARRED
    applied = agent.request(
        "PATCH",
        f"/apis/{OURS}/approvers/{mallory['metadata']['name']}",
        body=mallory,
        content_type="application/apply-patch+yaml",
        query={"fieldManager": "attack"},
    )
    assert said(applied) == BARRED
    assert admin.request("GET", f"/apis/{OURS}/approvers/{mallory['metadata']['name']}").code == 404


# --- ChangeRequests ---


@pytest.fixture
def change_request(desk: Desk, admin: Client, namespace: str) -> dict[str, Any]:
    """A filed request of the agent's deletion of a ConfigMap."""
    change = desk.deletion(victim(admin, namespace))
    return filed(desk, change)


def chreq(document: Mapping[str, Any]) -> str:
    metadata = document["metadata"]
    return path_of("changerequests", metadata["name"], namespace=metadata["namespace"], api=OURS)


FAR = "2036-01-01T00:00:00Z"
TAMPERING: dict[str, tuple[str, str, Mapping[str, Any]]] = {
    "its expiry": ("PATCH", "", {"spec": {"expires": FAR}}),
    "its labels": ("PATCH", "", {"metadata": {"labels": {"a": "b"}}}),
    "its finalizers": ("PATCH", "", {"metadata": {"finalizers": ["example.com/stay"]}}),
    "an annotation of somebody's tool": ("PATCH", "", {"metadata": {"annotations": {"example.com/a": "b"}}}),
    "another annotation of ours": ("PATCH", "", {"metadata": {"annotations": {"peergate.dev/owner": "me"}}}),
    "a reason that is too long": (
        "PATCH",
        "",
        {"metadata": {"annotations": {"peergate.dev/reason": "x" * 513}}},
    ),
    "a reason together with a label": (
        "PATCH",
        "",
        {"metadata": {"annotations": {"peergate.dev/reason": "y"}, "labels": {"a": "b"}}},
    ),
    "its state": ("PATCH", "/status", {"status": {"state": "Approved"}}),
    "its count": ("PATCH", "/status", {"status": {"progress": "1/1", "approvals": ["alice"]}}),
    "its conditions": (
        "PATCH",
        "/status",
        {
            "status": {
                "conditions": [
                    {
                        "type": "Decided",
                        "status": "True",
                        "reason": "Approved",
                        "message": "",
                        "lastTransitionTime": "2026-01-01T00:00:00Z",
                    }
                ]
            }
        },
    ),
    "a rejection by somebody else": (
        "PATCH",
        "/status",
        {
            "status": {
                "rejection": {"by": "alice", "reason": "", "at": "2026-01-01T00:00:00Z", "until": FAR},
            }
        },
    ),
    "the whole": ("DELETE", "", {}),
}


@pytest.mark.parametrize(("method", "subresource", "body"), TAMPERING.values(), ids=TAMPERING.keys())
def test_of_its_own_request_an_agent_does_not_change(method, subresource, body, change_request, agent, desk):
    path = chreq(change_request)
    before = desk.get(path)
    reply = agent.request(
        method, path + subresource, body=body, content_type=MERGE if method == "PATCH" else "application/json"
    )
    # The schema has a word in what is immutable, the resources gate in who rejects: it stays as it was.
    barred = (reply.code, reply.body["reason"]) == BARRED
    assert barred or (body.get("spec") and reply.code == 422), reply.body
    after = desk.get(path)
    assert after["spec"] == before["spec"]
    # The operator may have written what it makes of the request meanwhile: it is pending, and not rejected.
    status = after.get("status") or {}
    assert status.get("state", "Pending") == "Pending"
    assert (status.get("approvals") or [], status.get("rejection")) == ([], None)
    assert after["metadata"].get("annotations") == before["metadata"].get("annotations")
    assert "labels" not in after["metadata"]


def test_an_agent_files_no_request_itself(desk, admin, agent, bystander, namespace):
    body = filed(desk, desk.deletion(victim(admin, namespace)), post=False)
    collection = chreq(body).rpartition("/")[0]
    assert said(agent.request("POST", collection, body=body)) == BARRED
    assert not desk.there(chreq(body))
    assert bystander.request("POST", collection, body=body).code == 201


def test_an_agent_says_why_and_attaches_approvals_to_its_own_request(change_request, agent, desk, alice):
    path = chreq(change_request)
    target = change_request["spec"]["object"]
    victim_path = path_of(target["resource"], target["name"], namespace=target["namespace"])
    approval = sign(desk.deletion(victim_path), by=alice)
    for written in (
        {"peergate.dev/reason": "it is in the way"},
        {"peergate.dev/ticket": "CHG-1"},
        {"peergate.dev/reason": "it is very much in the way"},
        {SLOT + "alice": approval},
    ):
        reply = agent.request("PATCH", path, body={"metadata": {"annotations": written}}, content_type=MERGE)
        assert reply.code == 200, reply.body
        assert desk.get(path)["metadata"]["annotations"].items() >= written.items()
    # An occupied slot is not overwritten, nor emptied, by an agent.
    for value in ("something else", None):
        body = {"metadata": {"annotations": {SLOT + "alice": value}}}
        assert said(agent.request("PATCH", path, body=body, content_type=MERGE)) == BARRED
    assert desk.get(path)["metadata"]["annotations"][SLOT + "alice"] == approval


def test_another_agents_request_is_not_its_own(change_request, cluster, desk, alice, agents_neighbour):
    path = chreq(change_request)
    before = desk.get(path)["metadata"].get("annotations")
    for written in ({"peergate.dev/reason": "mine"}, {SLOT + "alice": "x"}):
        body = {"metadata": {"annotations": written}}
        assert said(agents_neighbour.request("PATCH", path, body=body, content_type=MERGE)) == BARRED
    assert desk.get(path)["metadata"].get("annotations") == before


# --- labels of namespaces ---


PROTECTED, AGENTS = "peergate.dev/protected", "peergate.dev/agents"
RELABELLING: dict[str, tuple[str, str, Mapping[str, str | None]]] = {
    "unprotecting": ("PATCH", "", {PROTECTED: None}),
    "unprotecting by another value": ("PATCH", "", {PROTECTED: "false"}),
    "unprotecting by PUT": ("PUT", "", {PROTECTED: None}),
    "unprotecting through status": ("PATCH", "/status", {PROTECTED: None}),
    "unprotecting through status by PUT": ("PUT", "/status", {PROTECTED: None}),
    "unprotecting through finalize": ("PUT", "/finalize", {PROTECTED: None}),
    "declaring its accounts agents": ("PATCH", "", {AGENTS: "true"}),
    "declaring them through status": ("PATCH", "/status", {AGENTS: "true"}),
    "declaring them through finalize": ("PUT", "/finalize", {AGENTS: "true"}),
}


@pytest.mark.parametrize(("method", "subresource", "labels"), RELABELLING.values(), ids=RELABELLING.keys())
@pytest.mark.parametrize("protected", [True, False], ids=["a protected one", "an open one"])
def test_an_agent_does_not_relabel_namespaces(
    protected, method, subresource, labels, cluster: Cluster, admin, agent, bystander
):
    if not protected:
        # What is there to take away in an open namespace is its being open.
        labels = {name: "true" if value is None else value for name, value in labels.items()}

    def attack(client: Client, namespace: str) -> Reply:
        path = f"/api/v1/namespaces/{namespace}"
        if method == "PATCH":
            body: Any = {"metadata": {"labels": labels}}
        else:
            body = admin.request("GET", path).body
            wanted = {**body["metadata"].get("labels", {}), **labels}
            body["metadata"]["labels"] = {name: value for name, value in wanted.items() if value is not None}
        content_type = MERGE if method == "PATCH" else "application/json"
        return client.request(method, path + subresource, body=body, content_type=content_type)

    def seen(namespace: str) -> Any:
        return admin.request("GET", f"/api/v1/namespaces/{namespace}").body["metadata"]["labels"]

    with (
        fresh_namespace(cluster, protected=protected) as first,
        fresh_namespace(cluster, protected=protected) as second,
    ):
        before = seen(first)
        worked = attack(bystander, first)
        assert worked.code == 200, worked.body
        assert seen(first) != before
        before = seen(second)
        refused = attack(agent, second)
        assert said(refused) == BARRED, refused.body
        assert "which namespaces are protected or hold agents" in refused.body["message"]
        assert seen(second) == before


def test_an_agent_may_annotate_an_open_namespace(agent, admin, unprotected_namespace):
    path = f"/api/v1/namespaces/{unprotected_namespace}"
    body = {"metadata": {"annotations": {"example.com/a": "b"}, "labels": {"team": "a"}}}
    assert agent.request("PATCH", path, body=body, content_type=MERGE).code == 200


@pytest.fixture(scope="module")
def agents_neighbour(cluster: Cluster, peergate) -> Iterator[Client]:
    """Another agent, of the same owner."""
    client = create_account(cluster, "agents", "neighbour", owner="team-platform")
    with fresh_namespace(cluster, protected=True) as namespace:
        peergate.wait_gated(client, namespace=namespace)
    yield client
    cluster.admin.request("DELETE", path_of("serviceaccounts", "neighbour", namespace="agents"))
