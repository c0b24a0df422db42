"""The cluster fails around the gate: what it knows stays right, and what it cannot know admits nothing."""

from __future__ import annotations

import secrets
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.harness.waiting import wait_until
from tests.support.changes import DRY_DELETE, path_of, reported, sign, slots
from tests.support.world import MERGE

pytestmark = pytest.mark.cluster

SOON = 30.0
CACHES = ("namespaces", "serviceaccounts", "protectionpolicies", "approvers", "changerequests")
ROLE = path_of("roles", "peergate-operator", namespace="peergate-system", api="rbac.authorization.k8s.io/v1")


def admits(world, path):
    return world.agent.request("DELETE", path, body=DRY_DELETE).code == 200


def said(world, path):
    reply = world.agent.request("DELETE", path, body=DRY_DELETE)
    return reply.code, reported(reply)


def ready(world):
    url = f"http://127.0.0.1:{world.process.health_port}/readyz"
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.status == 200


def refused_for_good(world, path, code):
    wait_until(f"the approval meets {code}", lambda: said(world, path) == (403, code), within=SOON)
    reply = world.delete(world.agent, path)
    assert (reply.code, reported(reply)) == (403, code)
    assert world.desk.there(path)


# --- the API server ---


def test_an_api_server_that_starts_anew_meets_a_gate_that_still_knows(site):
    world = site.world
    approved = world.approved(world.victim(), site.alice)
    pid = world.process.pid
    world.cluster.restart_api_server()
    # A verdict at once: what the caches hold is less than a minute old.
    wait_until(
        "requests are judged", lambda: said(world, world.victim()) == (403, "ApprovalMissing"), within=SOON
    )
    assert ready(world)
    assert world.process.pid == pid
    assert world.delete(world.agent, approved).code == 200
    assert not world.desk.there(approved)
    # And the caches go on: who comes now is known soon.
    newcomer = world.crew.register(f"after-{secrets.token_hex(3)}")
    later = world.approved(world.victim(), newcomer)
    assert world.delete(world.agent, later).code == 200


def test_who_was_removed_during_an_outage_is_not_trusted_after_it(site):
    world = site.world
    eve = world.crew.register(f"eve-{secrets.token_hex(3)}")
    path = world.approved(world.victim(), eve)
    assert admits(world, path)
    site.link.cut()
    world.crew.remove(eve)
    world.cluster.restart_api_server()
    site.link.mend()
    refused_for_good(world, path, "UnknownApprover")


def test_who_was_removed_while_the_watch_was_broken_is_not_trusted_after_it(site):
    world = site.world
    eve = world.crew.register(f"eve-{secrets.token_hex(3)}")
    path = world.approved(world.victim(), eve)
    for _ in range(3):
        site.link.cut()
        site.link.mend()
    assert admits(world, path)
    site.link.cut()
    world.crew.remove(eve)
    site.link.mend()
    refused_for_good(world, path, "UnknownApprover")


def test_a_cut_line_of_some_seconds_refuses_nobody_wrongly(site):
    world = site.world
    path = world.approved(world.victim(), site.alice)
    site.link.cut()
    for _ in range(5):
        assert site.deletes(world.agent) == 403
        assert admits(world, path)
        assert site.deletes(world.bystander) == 200
    site.link.mend()
    assert world.delete(world.agent, path).code == 200


@pytest.mark.slow
def test_a_gate_that_hears_nothing_for_a_minute_admits_nothing_and_stays_ready(site):
    """From then on the agent gets 503; nobody else notices; and all is as before when the line is whole."""
    world = site.world
    eve = world.crew.register(f"eve-{secrets.token_hex(3)}")
    path, removed = world.approved(world.victim(), site.alice), world.approved(world.victim(), eve)
    site.link.freeze()
    world.crew.remove(eve)
    wait_until("the gate knows that it is blind", lambda: said(world, path)[0] == 503, within=120.0)
    for approved in (path, removed):
        reply = world.delete(world.agent, approved)
        assert (reply.code, reported(reply)) == (503, "KeyringUnavailable"), reply.body
        assert "GUARD UNAVAILABLE" in reply.body["message"]
        assert reply.headers.get("Retry-After")
        assert world.desk.there(approved)
    assert ready(world)
    assert site.deletes(world.bystander) == 200
    assert site.deletes(world.admin) == 200
    ages = [world.process.metric("peergate_snapshot_age_seconds", resource=name) for name in CACHES]
    assert max(ages) > 60
    site.link.mend()
    refused_for_good(world, removed, "UnknownApprover")
    wait_until("the other approval counts again", lambda: admits(world, path), within=SOON)
    assert world.delete(world.agent, path).code == 200


@pytest.mark.slow
def test_a_paused_etcd_leaves_no_trace(site):
    """Nothing can change meanwhile, and watches are served from the API server's memory."""
    world = site.world
    path = world.approved(world.victim(), site.alice)
    oldest = 0.0
    with world.cluster.pause_etcd():
        until = time.monotonic() + 75

        def over():
            nonlocal oldest
            oldest = max(oldest, world.process.metric("peergate_snapshot_age_seconds", resource="approvers"))
            assert ready(world)
            return time.monotonic() > until

        wait_until("75 seconds have passed", over, within=90)
    print(f"oldest snapshot while etcd stood still: {oldest:.0f} s")
    wait_until("the API server is back", lambda: world.admin.request("GET", "/readyz").code == 200)
    wait_until("the agent is judged", world.judged)
    wait_until("the approval counts", lambda: admits(world, path))
    assert world.delete(world.agent, path).code == 200
    assert site.deletes(world.bystander) == 200


# --- the ledger ---


@contextmanager
def without_ledger(world, *verbs: str) -> Iterator[None]:
    """Take away what the operator may do with ApprovalUses, for the length of the block."""
    before = world.desk.get(ROLE)["rules"]
    rules = []
    for rule in before:
        if rule["resources"] == ["approvaluses"]:
            kept = [verb for verb in rule["verbs"] if verb not in verbs]
            rules += [{**rule, "verbs": kept}] if kept else []
        else:
            rules.append(rule)
    assert rules != before
    _set_rules(world, rules)
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": "system:serviceaccount:peergate-system:peergate",
            "resourceAttributes": {
                "group": "peergate.dev",
                "resource": "approvaluses",
                "namespace": "peergate-system",
                "verb": verbs[0],
            },
        },
    }

    def may():
        answer = world.admin.request(
            "POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body=review
        )
        return answer.body["status"]["allowed"]

    wait_until("the right is gone", lambda: not may())
    try:
        yield
    finally:
        _set_rules(world, before)
        wait_until("the right is back", may)


def _set_rules(world, rules):
    assert world.admin.request("PATCH", ROLE, body={"rules": rules}, content_type=MERGE).code == 200


@pytest.mark.parametrize("verbs", [("create",), ("get", "list", "watch", "create", "delete")])
def test_without_its_ledger_no_update_is_admitted_and_deletions_are(verbs, site):
    world = site.world
    path = world.victim()
    body = {"data": {"colour": "red"}}
    dry = world.desk.dry_run("PATCH", path, body, content_type=MERGE)
    before = world.desk.attach(path, slots(sign(world.desk.update(path, dry), by=site.alice)))
    deletion = world.approved(world.victim(), site.alice)
    with without_ledger(world, *verbs):
        for _ in range(2):
            reply = world.agent.request("PATCH", path, body=body, content_type=MERGE)
            assert (reply.code, reported(reply)) == (503, "LedgerUnavailable"), reply.body
            assert "GUARD UNAVAILABLE" in reply.body["message"]
            assert world.desk.get(path) == before
        # A deletion spends nothing: a uid dies once.
        assert world.delete(world.agent, deletion).code == 200
        assert not world.desk.there(deletion)
        assert site.deletes(world.bystander) == 200
        assert site.deletes(world.agent) == 403
    reply = world.agent.request("PATCH", path, body=body, content_type=MERGE)
    assert reply.code == 200, reply.body
    assert world.desk.get(path)["data"] == {"colour": "red"}


def test_a_ledger_that_can_be_written_and_not_read_admits_each_approval_once(site):
    world = site.world
    path = world.victim()
    body = {"data": {"colour": "red"}}
    dry = world.desk.dry_run("PATCH", path, body, content_type=MERGE)
    before = world.desk.attach(path, slots(sign(world.desk.update(path, dry), by=site.alice)))
    with without_ledger(world, "get"):
        assert world.agent.request("PATCH", path, body=body, content_type=MERGE).code == 200
        assert world.desk.get(path)["data"] == {"colour": "red"}
        back = world.admin.request("PATCH", path, body={"data": before["data"]}, content_type=MERGE)
        assert back.code == 200, back.body
        # Whose use that record is can't be told now; not even the retry window opens it.
        reply = world.agent.request("PATCH", path, body=body, content_type=MERGE)
        assert (reply.code, reported(reply)) == (503, "LedgerUnavailable"), reply.body
        assert world.desk.get(path)["data"] == before["data"]
