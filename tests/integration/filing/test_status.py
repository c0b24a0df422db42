"""How a ChangeRequest lives and ends, and what is told about it; by the operator, on the real API server."""

from __future__ import annotations

import secrets

import pytest
from tests.harness.waiting import wait_until
from tests.support.changes import BACKGROUND, DRY_DELETE, SLOT, reported, sign
from tests.support.requests_of import (
    named,
    rejection,
    request_path,
    state_of,
    wait_filed,
    wait_state,
)
from tests.support.world import MERGE, victim

EVENTS = "/apis/events.k8s.io/v1/namespaces/{}/events"


@pytest.fixture
def refused(desk, agent, admin, namespace):
    """Return a function that has the agent's deletion of a new object refused and filed."""

    def ask():
        path = victim(admin, namespace)
        change = desk.deletion(path)
        agent.request("DELETE", path, body=BACKGROUND)
        wait_filed(desk, change)
        return path, change

    return ask


def put(client, change, slot, value):
    body = {"metadata": {"annotations": {SLOT + slot: value}}}
    reply = client.request("PATCH", request_path(change), body=body, content_type=MERGE)
    assert reply.code == 200, reply.body


def conditions(status):
    return {one["type"]: (one["status"], one["reason"]) for one in status["conditions"]}


def events(desk, namespace, **about):
    found = desk.get(EVENTS.format(namespace))["items"]
    return [
        event
        for event in found
        if all(event.get("regarding", {}).get(member) == value for member, value in about.items())
    ]


def test_it_is_pending_then_approved_then_used(desk, alice, agent, admin, refused):
    path, change = refused()
    request = request_path(change)
    status = wait_state(desk, request, "Pending")
    assert (status["progress"], status["missing"]) == ("0/1", "1 more signature (human)")
    assert conditions(status) == {"Approved": ("False", "Pending"), "Decided": ("False", "Pending")}
    put(admin, change, "alice", sign(change, by=alice))
    status = wait_state(desk, request, "Approved")
    assert (status["progress"], status["missing"], status["approvals"]) == ("1/1", "", [alice.identity])
    assert conditions(status) == {"Approved": ("True", "Approved"), "Decided": ("True", "Approved")}
    wait_until("it is admitted", lambda: agent.request("DELETE", path, body=BACKGROUND).code == 200)
    status = wait_state(desk, request, "Used")
    assert conditions(status) == {"Approved": ("True", "Used"), "Decided": ("True", "Used")}
    assert status["approvals"] == [alice.identity]


def test_kubectl_waits_for_a_decision(desk, alice, agent, admin, namespace, refused):
    _, change = refused()
    name = request_path(change).rpartition("/")[2]
    wait_state(desk, request_path(change), "Pending")
    put(admin, change, "alice", sign(change, by=alice))
    done = agent.kubectl("-n", namespace, "wait", "--for=condition=Decided", f"chreq/{name}").must()
    assert "condition met" in done.out
    shown = agent.kubectl("-n", namespace, "get", "chreq", name).must().out
    assert shown.splitlines()[0].split()[:7] == [
        "NAME", "OPERATION", "KIND", "TARGET", "REQUESTER", "STATE", "APPROVALS",
    ]  # fmt: skip


def test_junk_and_strangers_leave_it_pending(desk, admin, crew, refused):
    _, change = refused()
    request = request_path(change)
    wait_state(desk, request, "Pending")
    put(admin, change, "junk", "{}")
    other = crew.enlist("disabled", disabled=True)
    put(admin, change, "other", sign(change, by=other))
    witness, again = refused()
    wait_state(desk, request_path(again), "Pending")
    assert desk.there(witness)
    assert desk.get(request)["status"]["progress"] == "0/1"


def test_a_rejection_ends_it_sticks_and_reaches_the_agent(
    desk, cluster, crew, agent, admin, namespace, refused
):
    """Its reason goes to the agent word for word, but for what the rules of texts forbid."""
    username = f"rejecter-{secrets.token_hex(4)}"
    peer = crew.register("rejecter", kubernetesUsernames=[username])
    person = cluster.client(cluster.kubeconfig_for_user(username, groups=("system:masters",)))
    path, change = refused()
    status = f"{request_path(change)}/status"
    body = rejection(peer.identity, reason='snapshot first:\n\x1b[31m "timeout" is no reason')
    assert person.request("PATCH", status, body=body, content_type=MERGE).code == 200
    found = wait_state(desk, request_path(change), "Rejected")
    assert conditions(found) == {"Approved": ("False", "Rejected"), "Decided": ("True", "Rejected")}
    wait_until(
        "the gate knows",
        lambda: reported(agent.request("DELETE", path, body=DRY_DELETE)) == "ChangeRejected",
    )
    reply = agent.request("DELETE", path, body=BACKGROUND)
    assert "'snapshot first: ?[31m ?t-imeout? is no reason'" in reply.body["message"]
    assert named(reply) == f"{namespace}/{request_path(change).rpartition('/')[2]}"
    uid = desk.get(request_path(change))["metadata"]["uid"]
    for _ in range(5):
        agent.request("DELETE", path, body=BACKGROUND)
    other, another = refused()
    assert desk.there(other)
    assert desk.get(request_path(change))["metadata"]["uid"] == uid, "retries file nothing"
    assert another != change, "a different change is a request of its own"


@pytest.mark.slow
def test_it_is_stale_once_the_target_is_another(desk, admin, refused):
    changed, gone, recreated = refused(), refused(), refused()
    body = {"data": {"colour": "green"}}
    assert admin.request("PATCH", changed[0], body=body, content_type=MERGE).code == 200
    assert admin.request("DELETE", gone[0]).code == 200
    copy = desk.get(recreated[0])
    assert admin.request("DELETE", recreated[0]).code == 200
    metadata = {"name": copy["metadata"]["name"], "namespace": copy["metadata"]["namespace"]}
    desk.create(recreated[0], {**copy, "metadata": metadata})
    for (_, change), words in (
        (changed, "the target has changed since"),
        (gone, "the target is gone"),
        (recreated, "the target was recreated since"),
    ):
        status = wait_state(desk, request_path(change), "Stale")
        assert status["missing"] == words
        assert conditions(status) == {"Approved": ("False", "Stale"), "Decided": ("True", "Stale")}


def test_a_stale_request_is_opened_again_by_the_next_refusal(desk, agent, admin, refused):
    """The object is as it was again: the very same change, so the very same name."""
    path, change = refused()
    before = desk.get(request_path(change))["metadata"]["uid"]
    body = {"data": {"colour": "green"}}
    assert admin.request("PATCH", path, body=body, content_type=MERGE).code == 200
    wait_state(desk, request_path(change), "Stale")
    back = {"data": {"colour": "blue"}}
    assert admin.request("PATCH", path, body=back, content_type=MERGE).code == 200
    assert desk.deletion(path) == change

    def opened_again():
        agent.request("DELETE", path, body=BACKGROUND)
        reply = admin.request("GET", request_path(change))
        return reply.code == 200 and reply.body["metadata"]["uid"] != before

    wait_until("it is filed anew", opened_again)
    wait_state(desk, request_path(change), "Pending")


def test_a_refusal_is_an_event_on_the_target_that_is_counted(desk, agent, namespace, refused):
    path, change = refused()
    uid = change.object.uid
    reply = agent.request("DELETE", path, body=BACKGROUND)
    wait_until("there is an Event", lambda: events(desk, namespace, uid=uid))
    for _ in range(10):
        agent.request("DELETE", path, body=BACKGROUND)
    (event,) = events(desk, namespace, uid=uid)
    assert (event["reason"], event["type"]) == ("ApprovalRequired", "Warning")
    assert event["note"] == reply.body["message"].partition("denied the request: ")[2]
    assert event["reportingController"] == "peergate.dev"
    assert event["related"]["name"] == request_path(change).rpartition("/")[2]
    described = agent.kubectl("-n", namespace, "describe", "configmap", change.object.name).must().out
    assert "ApprovalRequired" in described


def test_a_dry_run_is_no_event(desk, agent, admin, namespace, refused):
    path = victim(admin, namespace)
    change = desk.deletion(path)
    assert reported(agent.request("DELETE", path, body=DRY_DELETE)) == "ApprovalMissing"
    _, witness = refused()
    wait_until("a later one is there", lambda: events(desk, namespace, uid=witness.object.uid))
    assert not events(desk, namespace, uid=change.object.uid)


def test_approval_and_admission_are_told(desk, alice, agent, admin, namespace, refused):
    path, change = refused()
    put(admin, change, "alice", sign(change, by=alice))
    wait_until("it is admitted", lambda: agent.request("DELETE", path, body=BACKGROUND).code == 200)

    def reasons():
        return {event["reason"] for event in events(desk, namespace)}

    wait_until("the admission is told", lambda: "ChangeAdmitted" in reasons())
    assert state_of(desk, request_path(change)) in {"Approved", "Used"}
