"""Who may write which part of a ChangeRequest: the table of design.md §3, cell by cell."""

from __future__ import annotations

import secrets

import pytest
from tests.harness.principals import create_account
from tests.harness.waiting import wait_until
from tests.support.changes import BACKGROUND, SLOT, path_of, reported, sign
from tests.support.filed import filed
from tests.support.requests_of import rejection, request_path, state_of, wait_filed, wait_state
from tests.support.world import MERGE, victim

REASON = "peergate.dev/reason"


@pytest.fixture(scope="module")
def other_agent(cluster, peergate, _agent, desk):
    """An agent that asked for nothing, of the same owner."""
    name = f"other-{secrets.token_hex(4)}"
    client = create_account(cluster, "agents", name, owner="team-platform")
    peergate.wait_gated(client, namespace="peergate-system")
    yield client
    cluster.admin.request("DELETE", path_of("serviceaccounts", name, namespace="agents"))


@pytest.fixture(scope="module")
def robot(cluster, peergate, crew):
    """An approver that is an agent, of another owner than the requester; and its client."""
    name = f"robot-{secrets.token_hex(4)}"
    client = create_account(cluster, "agents", name, owner="team-robots")
    account = f"system:serviceaccount:agents:{name}"
    members = {"class": "agent", "owner": "team-robots", "kubernetesUsernames": [account]}
    peer = crew.register(name, **members)
    peergate.wait_gated(client, namespace="peergate-system")
    yield peer, client
    cluster.admin.request("DELETE", path_of("serviceaccounts", name, namespace="agents"))


@pytest.fixture
def asked(desk, agent, admin, namespace):
    """The agent's refused deletion: its target's path and the change, filed."""
    path = victim(admin, namespace)
    change = desk.deletion(path)
    agent.request("DELETE", path, body=BACKGROUND)
    wait_filed(desk, change)
    wait_state(desk, request_path(change), "Pending")
    return path, change


def annotate(client, change, **annotations):
    body = {"metadata": {"annotations": annotations}}
    return client.request("PATCH", request_path(change), body=body, content_type=MERGE)


def slot(name):
    return SLOT + name


def barred(reply):
    return (reply.code, reported(reply)) == (403, "NotApprovable")


def test_nobody_who_is_an_agent_creates_deletes_or_rewrites_one(
    desk, agent, other_agent, robot, admin, namespace, asked
):
    path, change = asked
    request = request_path(change)
    before = desk.get(request)
    elsewhere = filed(desk, desk.deletion(victim(admin, namespace)), post=False)
    for client in (agent, other_agent, robot[1]):
        collection = request.rpartition("/")[0]
        assert barred(client.request("POST", collection, body=elsewhere))
        assert barred(client.request("DELETE", request))
        assert barred(client.request("DELETE", collection))
        for body in (
            {"spec": {"summary": "harmless"}},
            {"metadata": {"labels": {"a": "b"}}},
            {"metadata": {"finalizers": ["a.example.com/b"]}},
            {"metadata": {"annotations": {"peergate.dev/approved": "yes"}}},
        ):
            # The rule in the schema is asked first, for the spec.
            reply = client.request("PATCH", request, body=body, content_type=MERGE)
            assert reply.code in {403, 422}, reply.body
        for body in (
            {"state": "Approved"},
            {"progress": "1/1"},
            {"conditions": []},
            {"approvals": ["alice"]},
        ):
            reply = client.request("PATCH", f"{request}/status", body={"status": body}, content_type=MERGE)
            assert barred(reply), reply.body
    after = desk.get(request)
    assert (after["spec"], after["metadata"]["uid"]) == (before["spec"], before["metadata"]["uid"])
    assert state_of(desk, request) == "Pending"
    assert desk.there(path)


def test_not_even_a_person_changes_what_it_says(admin, asked):
    _, change = asked
    body = {"spec": {"summary": "harmless"}}
    assert admin.request("PATCH", request_path(change), body=body, content_type=MERGE).code == 422


def test_what_a_person_writes_into_the_status_admits_nothing_and_is_put_right(desk, agent, admin, asked):
    path, change = asked
    request = request_path(change)
    body = {"status": {"state": "Approved", "progress": "1/1"}}
    assert admin.request("PATCH", f"{request}/status", body=body, content_type=MERGE).code == 200
    assert agent.request("DELETE", path, body=BACKGROUND).code == 403
    assert wait_state(desk, request, "Pending")["progress"] == "0/1"
    assert desk.there(path)


def test_the_requester_attaches_what_was_signed_and_nothing_else(
    desk, agent, other_agent, alice, crew, asked
):
    path, change = asked
    approval = sign(change, by=alice)
    assert barred(annotate(agent, change, **{slot("junk"): "{}"}))
    assert barred(
        annotate(
            agent,
            change,
            **{
                slot("forged"): sign(change, by=crew.enlist("mallory", disabled=True), key=crew.key("nobody"))
            },
        )
    )
    assert barred(annotate(other_agent, change, **{slot("alice"): approval}))
    assert annotate(agent, change, **{slot("alice"): approval}).code == 200
    assert barred(annotate(agent, change, **{slot("alice"): "{}"}))
    assert barred(annotate(agent, change, **{slot("alice"): None}))
    assert barred(annotate(agent, change, **{slot("more"): sign(change, by=alice)}))
    wait_until("it is admitted", lambda: agent.request("DELETE", path, body=BACKGROUND).code == 200)


def test_slots_full_of_junk_keep_no_approver_out(desk, agent, robot, alice, admin, asked):
    """Neither the requester nor an approver that is an agent can fill them; what a person left makes way."""
    path, change = asked
    peer, robots_client = robot
    eight = {slot(f"s{number}"): sign(change, by=peer) for number in range(8)}
    assert barred(annotate(robots_client, change, **eight))
    assert barred(annotate(agent, change, **{slot(f"s{number}"): "{}" for number in range(8)}))
    assert annotate(robots_client, change, **{slot("robot"): sign(change, by=peer)}).code == 200
    assert barred(annotate(robots_client, change, **{slot("again"): sign(change, by=peer)}))
    junk = {slot(f"s{number}"): "{}" for number in range(7)}
    assert annotate(admin, change, **junk).code == 200
    approval = sign(change, by=alice)
    assert annotate(agent, change, **{slot("alice"): approval}).code == 403, "a ninth"
    assert annotate(agent, change, **{slot("s3"): approval}).code == 200
    wait_until("it is admitted", lambda: agent.request("DELETE", path, body=BACKGROUND).code == 200)


def test_only_a_person_puts_other_bytes_in_place_of_an_approval(desk, agent, robot, alice, admin, asked):
    _, change = asked
    peer, robots_client = robot
    assert annotate(admin, change, **{slot("alice"): sign(change, by=alice)}).code == 200
    for client in (agent, robots_client):
        assert barred(annotate(client, change, **{slot("alice"): sign(change, by=peer)}))
    assert annotate(admin, change, **{slot("alice"): sign(change, by=peer)}).code == 200
    assert annotate(admin, change, **{slot("alice"): None}).code == 200


def test_the_reason_is_the_requesters_alone(desk, agent, other_agent, robot, asked):
    _, change = asked
    assert annotate(agent, change, **{REASON: "disk is full", "peergate.dev/ticket": "OPS-1"}).code == 200
    assert annotate(agent, change, **{REASON: "x" * 512}).code == 200
    assert barred(annotate(agent, change, **{REASON: "x" * 513}))
    for client in (other_agent, robot[1]):
        assert barred(annotate(client, change, **{REASON: "all agreed, sign"}))
    assert desk.get(request_path(change))["metadata"]["annotations"][REASON] == "x" * 512


def test_a_rejection_is_an_approvers_in_its_own_name_once(
    desk, cluster, agent, other_agent, robot, crew, admin, asked
):
    _, change = asked
    peer, robots_client = robot
    username = f"person-{secrets.token_hex(4)}"
    person = crew.register("person", kubernetesUsernames=[username])
    persons_client = cluster.client(cluster.kubeconfig_for_user(username, groups=("system:masters",)))
    status = f"{request_path(change)}/status"
    for client, by in (
        (agent, person.identity),
        (other_agent, peer.identity),
        (robots_client, person.identity),
        (admin, person.identity),
        (persons_client, peer.identity),
    ):
        reply = client.request("PATCH", status, body=rejection(by), content_type=MERGE)
        assert reply.code == 403, reply.body
    own = rejection(person.identity)
    assert persons_client.request("PATCH", status, body=own, content_type=MERGE).code == 200
    for client, body in (
        (persons_client, {"status": {"rejection": None}}),
        (robots_client, rejection(peer.identity)),
        (admin, {"status": {"rejection": {"reason": "never mind"}}}),
    ):
        reply = client.request("PATCH", status, body=body, content_type=MERGE)
        assert reply.code in {403, 422}, reply.body
    assert desk.get(request_path(change))["status"]["rejection"] == own["status"]["rejection"]
    wait_state(desk, request_path(change), "Rejected")
