"""Events that tell people who may approve, and which policy does not work."""

from __future__ import annotations

from typing import Any

from tests.harness.waiting import wait_until
from tests.support.changes import policy

EVENTS = "/apis/events.k8s.io/v1/namespaces/default/events"
POLICIES = "/apis/peergate.dev/v1alpha1/protectionpolicies"


def notes(admin: Any, reason: str, name: str) -> list[str]:
    events = admin.request("GET", EVENTS).body["items"]
    return [
        event["note"]
        for event in events
        if event["reportingController"] == "peergate.dev"
        and (event["reason"], event["regarding"]["name"]) == (reason, name)
    ]


def wait_told(admin: Any, reason: str, name: str, text: str) -> None:
    wait_until(f"{text!r} is told", lambda: any(text in note for note in notes(admin, reason, name)))


def test_who_may_approve_is_told_with_every_change(admin, crew):
    peer = crew.enlist("newcomer")
    wait_told(admin, "ApproverChanged", peer.name, f"{peer.name} was registered: {peer.identity}, human")
    assert any(peer.key.public.id in note for note in notes(admin, "ApproverChanged", peer.name))
    crew.change(peer, {"disabled": True})
    wait_told(admin, "ApproverChanged", peer.name, "changed")
    crew.remove(peer)
    wait_told(admin, "ApproverChanged", peer.name, "was removed")
    assert len(notes(admin, "ApproverChanged", peer.name)) == 3


def test_a_policy_that_nobody_can_satisfy_is_told(admin, namespace):
    name = f"too-many-{namespace}"
    rule = {
        "operations": ["Delete"],
        "resources": [{"apiGroups": ["*"], "resources": ["*"]}],
        "approvals": {"required": 1, "fromGroups": [f"nobody-{namespace}"]},
    }
    made = admin.request("POST", POLICIES, body=policy(name, namespace, rules=[rule]))
    assert made.code == 201, made.body
    try:
        wait_told(admin, "PolicyNotReady", name, f"ProtectionPolicy {name} is not ready: Unsatisfiable.")
    finally:
        admin.request("DELETE", f"{POLICIES}/{name}")
