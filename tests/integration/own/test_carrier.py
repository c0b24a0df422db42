"""An approval on the ChangeRequest counts like one on the object; the ledger's own writes meet no gate."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.harness.principals import create_account
from tests.harness.waiting import wait_until
from tests.support.changes import (
    BACKGROUND,
    DRY_DELETE,
    SLOT,
    id_of,
    path_of,
    reported,
    sign,
    slots,
)
from tests.support.filed import filed
from tests.support.requests_of import wait_filed
from tests.support.world import MERGE, victim

from peergate.model.wire import format_instant

OPERATOR = "system:serviceaccount:peergate-system:peergate"


def chreq(document: Mapping[str, Any]) -> str:
    metadata = document["metadata"]
    return path_of(
        "changerequests", metadata["name"], namespace=metadata["namespace"], api="peergate.dev/v1alpha1"
    )


def annotate(client, document, annotations):
    body = {"metadata": {"annotations": annotations}}
    reply = client.request("PATCH", chreq(document), body=body, content_type=MERGE)
    assert reply.code == 200, reply.body


def admits(agent, path):
    return agent.request("DELETE", path, body=DRY_DELETE).code == 200


@pytest.mark.parametrize("who", ["the agent itself", "an administrator"])
def test_an_approval_on_the_request_admits_the_deletion(who, desk, alice, agent, admin, namespace):
    path = victim(admin, namespace)
    change = desk.deletion(path)
    request = filed(desk, change)
    assert reported(agent.request("DELETE", path, body=DRY_DELETE)) == "ApprovalMissing"
    writer = agent if who == "the agent itself" else admin
    annotate(writer, request, {SLOT + "alice": sign(change, by=alice)})
    wait_until("the gate has seen the approval", lambda: admits(agent, path))
    assert "annotations" not in desk.get(path)["metadata"], "nothing was written to the object"
    assert agent.request("DELETE", path, body=BACKGROUND).code == 200
    assert not desk.there(path)


def test_an_approval_on_the_request_admits_the_update_once(desk, alice, agent, admin, namespace):
    path = victim(admin, namespace)
    body = {"data": {"colour": "red"}}
    change = desk.update(path, desk.dry_run("PATCH", path, body, content_type=MERGE))
    assert agent.request("PATCH", path, body=body, content_type=MERGE).code == 403
    request = wait_filed(desk, change)
    approval = sign(change, by=alice)
    annotate(agent, request, {SLOT + "alice": approval})

    def updated():
        return agent.request("PATCH", path, body=body, content_type=MERGE).code == 200

    wait_until("the gate has seen the approval", updated)
    assert desk.get(path)["data"] == {"colour": "red"}
    back = {"data": {"colour": "blue"}}
    assert agent.request("PATCH", path, body=back, content_type=MERGE).code == 403
    assert desk.get(path)["data"] == {"colour": "red"}


def test_a_request_of_another_name_carries_nothing(desk, alice, agent, admin, namespace):
    path = victim(admin, namespace)
    change = desk.deletion(path)
    elsewhere = filed(desk, desk.deletion(victim(admin, namespace)))
    annotate(admin, elsewhere, {SLOT + "alice": sign(change, by=alice)})
    marked = filed(desk, change)
    annotate(admin, marked, {"peergate.dev/reason": "seen after the other"})
    assert (reply := agent.request("DELETE", path, body=BACKGROUND)).code == 403
    assert reported(reply) == "ApprovalMissing"
    assert desk.there(path)


def test_a_request_that_records_another_change_carries_nothing(desk, alice, agent, admin, namespace):
    """Its name is the change's; what it records is not, and that is what counts."""
    path, other = victim(admin, namespace), victim(admin, namespace)
    change = desk.deletion(path)
    forged = filed(desk, desk.deletion(other), post=False)
    forged["metadata"]["name"] = id_of(change)
    forged["metadata"]["annotations"] = {SLOT + "alice": sign(change, by=alice)}
    desk.create(chreq(forged), forged)
    witness = filed(desk, desk.deletion(other), post=False)
    witness["metadata"]["annotations"] = {SLOT + "alice": sign(desk.deletion(other), by=alice)}
    desk.create(chreq(witness), witness)
    wait_until("the gate has seen what was filed later", lambda: admits(agent, other))
    assert reported(agent.request("DELETE", path, body=BACKGROUND)) == "ApprovalMissing"
    assert desk.there(path)


def test_the_ledgers_own_writes_are_never_reviewed(peergate, cluster, desk, alice, agent, admin, namespace):
    """Else an approved update would wait for itself: the record is written while the update is reviewed."""
    path = victim(admin, namespace)
    body = {"data": {"colour": secrets.token_hex(3)}}
    dry = desk.dry_run("PATCH", path, body, content_type=MERGE)
    desk.attach(path, slots(sign(desk.update(path, dry), by=alice)))
    before = {gate: peergate.process.reviews(gate=gate) for gate in ("own", "resources", "namespaced")}
    assert agent.request("PATCH", path, body=body, content_type=MERGE).code == 200
    wait_until(
        "the update is counted", lambda: peergate.process.reviews(gate="namespaced") > before["namespaced"]
    )
    assert peergate.process.reviews(gate="namespaced") == before["namespaced"] + 1
    for gate in ("own", "resources"):
        assert peergate.process.reviews(gate=gate) == before[gate], gate
    written = cluster.wait_for_audit(
        lambda event: (
            event.resource == "approvaluses" and event.verb == "create" and event.username == OPERATOR
        )
    )
    assert written.code == 201
    assert not [key for key in written.annotations if "gate.peergate.dev" in key]
    assert OPERATOR not in {line.get("user") for line in peergate.process.log_lines()}


def test_the_same_record_by_an_agent_is_reviewed_and_refused(peergate, agent, desk):
    before = peergate.process.reviews(gate="own")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"x-{secrets.token_hex(3)}"}}
    assert agent.request("POST", "/api/v1/namespaces/peergate-system/configmaps", body=body).code == 403
    wait_until("it is counted", lambda: peergate.process.reviews(gate="own") == before + 1)


# --- approvers that are agents ---


@pytest.fixture
def robot(cluster, crew, peergate, namespace):
    """Return a function from an owner to an agent of that owner which is an approver, and its client."""
    made = []

    def of(owner):
        name = f"robot-{secrets.token_hex(4)}"
        client = create_account(cluster, "agents", name, owner=owner)
        made.append(name)
        account = f"system:serviceaccount:agents:{name}"
        members = {"class": "agent", "owner": owner, "kubernetesUsernames": [account]}
        peer = crew.register(name, **members)
        peergate.wait_gated(client, namespace=namespace)
        return peer, client

    yield of
    for name in made:
        cluster.admin.request("DELETE", path_of("serviceaccounts", name, namespace="agents"))


def rejection(by):
    now = datetime.now(UTC)
    instants = {"at": format_instant(now), "until": format_instant(now + timedelta(hours=1))}
    return {"status": {"rejection": {"by": by, "reason": "take a snapshot first", **instants}}}


def test_an_approver_that_is_an_agent_attaches_its_approval_to_anothers_request(
    desk, robot, agent, admin, namespace
):
    peer, client = robot("team-robots")
    change = desk.deletion(victim(admin, namespace))
    request = filed(desk, change)
    annotate(client, request, {SLOT + "robot": sign(change, by=peer)})
    # Beside it, nothing: not a reason, not the state, not the end.
    path = chreq(request)
    for reply in (
        client.request(
            "PATCH",
            path,
            body={"metadata": {"annotations": {"peergate.dev/reason": "x"}}},
            content_type=MERGE,
        ),
        client.request("PATCH", f"{path}/status", body={"status": {"state": "Approved"}}, content_type=MERGE),
        client.request("DELETE", path),
    ):
        assert (reply.code, reported(reply)) == (403, "NotApprovable"), reply.body


def test_an_approver_that_is_an_agent_rejects_for_others_but_not_for_its_own_owner(
    desk, robot, alice, agent, admin, namespace
):
    stranger, strangers_client = robot("team-robots")
    sibling, siblings_client = robot("team-platform")
    path = victim(admin, namespace)
    change = desk.deletion(path)
    status = f"{chreq(filed(desk, change))}/status"
    for client, by in (
        (siblings_client, sibling.identity),  # of the requester's owner
        (strangers_client, alice.identity),  # as somebody else
        (agent, stranger.identity),  # the requester itself
        (admin, stranger.identity),  # a person whose account is no approver's
    ):
        reply = client.request("PATCH", status, body=rejection(by), content_type=MERGE)
        assert (reply.code, reported(reply) or reply.body["reason"]) == (403, "NotApprovable"), reply.body
    desk.attach(path, slots(sign(change, by=alice)))
    assert admits(agent, path)
    body = rejection(stranger.identity)
    assert strangers_client.request("PATCH", status, body=body, content_type=MERGE).code == 200
    wait_until(
        "the rejection outweighs the approval",
        lambda: reported(agent.request("DELETE", path, body=DRY_DELETE)) == "ChangeRejected",
    )
    reply = agent.request("DELETE", path, body=BACKGROUND)
    assert (reply.code, reported(reply)) == (403, "ChangeRejected")
    assert desk.there(path)
    # It is set once: nobody takes it back. The schema says so, before any gate is asked.
    kept = desk.get(status.removesuffix("/status"))["status"]["rejection"]
    for client in (strangers_client, agent, admin):
        taken = client.request("PATCH", status, body={"status": {"rejection": None}}, content_type=MERGE)
        assert taken.code in {403, 422}, taken.body
    assert desk.get(status.removesuffix("/status"))["status"]["rejection"] == kept
