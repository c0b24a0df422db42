"""Who counts as an agent when accounts change, vanish or are borrowed."""

from __future__ import annotations

import secrets

from tests.harness.principals import create_account
from tests.harness.waiting import wait_until
from tests.support.changes import BACKGROUND, Desk, path_of, reported, sign, slots
from tests.support.world import CONFIGURATION, MERGE, conditions, victim

SOON = 30.0
"""Seconds; on a quiet machine it takes about one."""
REFUSED = (403, "ApprovalMissing")
UNVERIFIED = (403, "RequesterUnverified")


def said(reply):
    return reply.code, reported(reply)


def listing(cluster):
    """Return the one list that all judging entries have."""
    (expression,) = set(conditions(cluster.admin.request("GET", CONFIGURATION).body).values())
    return expression


def lists(cluster, account):
    return f'"{account.namespace}:{account.name}"' in listing(cluster)


def logged_as(peergate, account):
    """Return why reviews of this user were decided as they were."""
    return [
        line.get("state") for line in peergate.process.log_lines() if line.get("user") == account.username
    ]


def wait_refused(delete, client, *, like=REFUSED):
    answers = []

    def is_refused():
        answers.append(said(delete(client)))
        return answers[-1] == like

    try:
        wait_until("it is judged as an agent", is_refused, within=SOON)
    except TimeoutError as error:
        error.add_note(f"answered last: {answers[-1]}")
        raise


# --- tagging ---


def test_a_tag_counts_within_seconds_and_before_it_nothing_is_sent(cluster, peergate, account, delete):
    worker = account()
    for _ in range(3):
        assert delete(worker.client).code == 200
    assert not lists(cluster, worker)
    assert logged_as(peergate, worker) == []
    worker.label("true")
    wait_refused(delete, worker.client)
    assert lists(cluster, worker)


def test_only_the_exact_value_tags(cluster, account, delete):
    workers = [account() for _ in range(4)]
    for worker, value in zip(workers, ("false", "True", "yes", ""), strict=True):
        worker.label(value)
    marker = account()
    marker.label("true")  # tagged later, so what is listed then has seen the others
    wait_refused(delete, marker.client)
    for worker in workers:
        assert delete(worker.client).code == 200
        assert not lists(cluster, worker)


def test_an_untagged_account_is_free_and_stays_listed_for_a_while(cluster, peergate, account, delete):
    worker = account(owner="team-platform")
    wait_refused(delete, worker.client)
    worker.label(None)
    wait_until("it is free", lambda: delete(worker.client).code == 200, within=SOON)
    assert lists(cluster, worker)
    wait_until(
        "its reviews are answered as those of somebody else",
        lambda: "not-agent" in logged_as(peergate, worker),
    )


def test_a_tag_in_kube_system_has_no_effect(cluster, peergate, account, delete):
    before = peergate.process.metric("peergate_agents", state="no-effect")
    controller = account(owner="team-platform", namespace="kube-system")
    marker = account(owner="team-platform")
    wait_refused(delete, marker.client)
    assert delete(controller.client).code == 200
    assert not lists(cluster, controller)
    wait_until(
        "the tag without effect is counted",
        lambda: peergate.process.metric("peergate_agents", state="no-effect") == before + 1,
        within=SOON,
    )
    assert logged_as(peergate, controller) == []


def test_every_account_of_an_agents_namespace_is_an_agent(cluster, account, delete):
    namespace = f"robots-{secrets.token_hex(4)}"
    worker = account(namespace=namespace)
    path = f"/api/v1/namespaces/{namespace}"
    assert delete(worker.client).code == 200

    def label(value):
        body = {"metadata": {"labels": {"peergate.dev/agents": value}}}
        assert cluster.admin.request("PATCH", path, body=body, content_type=MERGE).code == 200

    label("true")
    wait_refused(delete, worker.client)
    assert f'"{namespace}"' in listing(cluster)
    assert not lists(cluster, worker)  # the namespace stands for it

    newcomer = account(namespace=namespace)
    assert said(delete(newcomer.client)) == REFUSED, "an account made later is one from its first request"
    nobody = f"system:serviceaccount:{namespace}:nobody"
    outsider = {"Impersonate_User": nobody, "Impersonate_Group": "system:masters"}
    assert said(delete(cluster.admin, **outsider)) == UNVERIFIED
    assert said(delete(cluster.admin, **outsider, Impersonate_Uid="claimed")) == REFUSED, "unknown: an agent"

    label(None)
    wait_until("they are free", lambda: delete(worker.client).code == 200, within=SOON)
    assert f'"{namespace}"' in listing(cluster), "and stay listed for a while"
    assert cluster.admin.request("DELETE", path).code == 200


# --- borrowed and unknown names ---


def test_who_impersonates_an_agent_is_refused(cluster, account, delete):
    worker = account(owner="team-platform")
    wait_refused(delete, worker.client)
    reply = delete(cluster.admin, Impersonate_User=worker.username)
    assert said(reply) == UNVERIFIED
    assert "whose uid is not the live account's" in reply.body["message"]
    other_uid = {"Impersonate_User": worker.username, "Impersonate_Uid": "not-its-uid"}
    assert said(delete(cluster.admin, **other_uid)) == UNVERIFIED


def test_a_complete_impersonation_is_judged_as_the_agent_itself(cluster, account, delete):
    worker = account(owner="team-platform")
    wait_refused(delete, worker.client)
    uid = cluster.admin.request("GET", worker.path).body["metadata"]["uid"]
    assert said(delete(cluster.admin, Impersonate_User=worker.username, Impersonate_Uid=uid)) == REFUSED


def test_an_impersonated_agent_does_not_use_the_agents_approval(desk, agent, alice, admin, namespace):
    path = victim(admin, namespace)
    before = desk.attach(path, slots(sign(desk.deletion(path), by=alice)))
    headers = {"Impersonate-User": "system:serviceaccount:agents:demo-agent"}
    assert said(admin.request("DELETE", path, body=BACKGROUND, headers=headers)) == UNVERIFIED
    assert desk.get(path) == before
    assert agent.request("DELETE", path, body=BACKGROUND).code == 200


def test_an_impersonated_bystander_is_as_free_as_the_bystander(cluster, bystander, delete):
    assert delete(bystander).code == 200
    assert delete(cluster.admin, Impersonate_User="system:serviceaccount:workers:bystander").code == 200


def test_an_account_that_nobody_knows_is_not_sent_where_only_tagged_ones_are(cluster, peergate, delete):
    nobody = f"system:serviceaccount:workers:n-{secrets.token_hex(4)}"
    assert delete(cluster.admin, Impersonate_User=nobody, Impersonate_Group="system:masters").code == 200
    assert [line for line in peergate.process.log_lines() if line.get("user") == nobody] == []


# --- deleted and recreated accounts ---


def test_an_old_token_is_refused_until_it_ends_whatever_became_of_its_name(account, delete):
    """The API server takes a token ten seconds longer than its account lives (I2)."""
    old = {what: account(owner="team-platform") for what in ("deleted", "tagged again", "untagged now")}
    for worker in old.values():
        wait_refused(delete, worker.client)
    old["deleted"].delete()
    tagged = old["tagged again"].successor(owner="team-platform")
    untagged = old["untagged now"].successor(owner=None)
    answers = {what: set() for what in old}

    def ended():
        for what, worker in old.items():
            answers[what].add(said(delete(worker.client)))
        return all((401, "") in seen for seen in answers.values())

    wait_until("the old tokens end", ended)
    for what, seen in answers.items():
        # As long as the gate has not seen the change, the old account is still an agent to it.
        assert seen - {(401, "")} <= {REFUSED, UNVERIFIED}, what
        assert what == "deleted" or UNVERIFIED in seen, what
    assert said(delete(tagged)) == REFUSED
    assert delete(untagged).code == 200


def test_an_approval_for_the_old_account_does_not_serve_its_successor(
    cluster, crew, alice, account, delete, guarded_namespace
):
    worker = account(owner="team-solo")
    wait_refused(delete, worker.client)
    desk = Desk(cluster, worker.client, account=f"agents/{worker.name}", owner="team-solo")
    path = victim(cluster.admin, guarded_namespace)
    before = desk.attach(path, slots(sign(desk.deletion(path), by=alice)))
    successor = worker.successor(owner="team-solo")
    reply = successor.request("DELETE", path, body=BACKGROUND)
    assert said(reply) == (403, "WrongRequester")
    assert desk.get(path) == before
    renewed = Desk(cluster, successor, account=f"agents/{worker.name}", owner="team-solo")
    renewed.attach(path, slots(sign(renewed.deletion(path), by=alice)))
    assert successor.request("DELETE", path, body=BACKGROUND).code == 200
    assert not desk.there(path)


def test_an_account_that_was_just_made_and_tagged_is_an_agent_within_seconds(
    cluster, guarded_namespace, account, delete
):
    marker = account(owner="team-platform")
    wait_refused(delete, marker.client)
    name = f"n-{secrets.token_hex(4)}"
    client = create_account(cluster, "agents", name, owner="team-platform")
    wait_refused(delete, client)
    assert cluster.admin.request("DELETE", path_of("serviceaccounts", name, namespace="agents")).code == 200
