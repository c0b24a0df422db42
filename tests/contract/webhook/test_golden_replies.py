"""The bytes of every kind of answer."""

from __future__ import annotations

import pytest
from tests.support.edge import NOW, UID, request_of
from tests.support.gate import snapshot

from peergate.gate.decide import decide
from peergate.model.change import Effect
from peergate.model.decision import (
    Allow,
    Cause,
    Claim,
    Code,
    Deny,
    Details,
    Facts,
    Hold,
    NotCounted,
    State,
)
from peergate.model.names import ChangeId, Digest
from peergate.model.review import Gate, parse_review
from peergate.webhook.decode import decode
from peergate.webhook.reply import reply
from peergate.webhook.selftest import must_deny

HEAD = (
    b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"' + UID.encode() + b'",'
)


def claim(name: str, digit: str) -> Claim:
    return Claim(
        payload=Digest(digit * 64),
        slot=f"v1.{name}",
        approver=f"{name}@example.com",
        key_id="SHA256:x",
        expires="2026-11-23T12:15:00Z",
    )


FACTS = Facts(
    agent_tag="label",
    owner="team-ops",
    effect=Effect.REPLACE,
    rules=("prod/0", "prod/1"),
    change_id=ChangeId("cr-hbzkqvmtwxcdfgjnprst"),
    counted=(claim("bob", "b"), claim("alice", "a")),
    not_counted=(NotCounted("v1.eve", Code.EXPIRED, "approval.peergate.dev/v1.eve"),),
)
PENDING = Deny(
    code=Code.APPROVAL_MISSING,
    state=State.PENDING,
    message="APPROVAL REQUIRED (pending 0/1): line 1\nline 2",
    details=Details(
        name="limits",
        kind="configmaps",
        uid="1a2b3c4d",
        causes=(
            Cause("ApprovalMissing", "state=pending"),
            Cause("Expired", "", "approval.peergate.dev/v1.eve"),
        ),
    ),
    facts=Facts(agent_tag="label", rules=("prod/0",), change_id=ChangeId("cr-hbzkqvmtwxcdfgjnprst")),
)
PENDING_STATUS = (
    b'"allowed":false,"status":{"status":"Failure",'
    b'"message":"APPROVAL REQUIRED (pending 0/1): line 1\\nline 2",'
    b'"reason":"ApprovalRequired","details":{"name":"limits","kind":"configmaps","uid":"1a2b3c4d","causes":'
    b'[{"reason":"ApprovalMissing","message":"state=pending"},'
    b'{"reason":"Expired","field":"approval.peergate.dev/v1.eve"}]'
)
PENDING_AUDIT = (
    b'"code":"ApprovalMissing","request":"cr-hbzkqvmtwxcdfgjnprst","rule":"prod/0","agent-tag":"label"}}}'
)

CASES = {
    "somebody else is admitted": (
        Allow("not-agent"),
        b'"allowed":true,"auditAnnotations":{"decision":"skip"}}}',
    ),
    "an approved change is admitted and says by whom": (
        Allow("approved", facts=FACTS),
        b'"allowed":true,"auditAnnotations":{"decision":"allow","request":"cr-hbzkqvmtwxcdfgjnprst",'
        b'"rule":"prod/0,prod/1","approvers":"alice@example.com,bob@example.com","payloads":"'
        + b"a" * 64
        + b","
        + b"b" * 64
        + b'","agent-tag":"label"}}}',
    ),
    "mode Warn admits with one warning": (
        Allow(
            "warn",
            code=Code.APPROVAL_MISSING,
            warnings=("peergate: would need approval: rule prod/0, 0/1",),
        ),
        (
            b'"allowed":true,"auditAnnotations":{"decision":"allow","code":"ApprovalMissing"},'
            b'"warnings":["peergate: would need approval: rule prod/0, 0/1"]}}'
        ),
    ),
    "warnings are few, short and printable": (
        Allow("warn", warnings=("a\nb\u2028c",) + ("x" * 300,) * 20),
        b'"allowed":true,"auditAnnotations":{"decision":"allow"},"warnings":["a?b?c"'
        + b',"%s"' % (b"x" * 256) * 7
        + b"]}}",
    ),
    "a refusal is a 403 with reason, details and causes": (
        PENDING,
        PENDING_STATUS + b'},"code":403},"auditAnnotations":{"decision":"deny",' + PENDING_AUDIT,
    ),
    "a hold is a 429 with the same text": (
        Hold(PENDING, retry_after_seconds=5),
        PENDING_STATUS
        + b',"retryAfterSeconds":5},"code":429},"auditAnnotations":{"decision":"hold",'
        + PENDING_AUDIT,
    ),
    "an unavailable guard is a 503 that says when to come back": (
        Deny(code=Code.LEDGER_UNAVAILABLE, state=State.UNAVAILABLE, message="GUARD UNAVAILABLE"),
        (
            b'"allowed":false,"status":{"status":"Failure","message":"GUARD UNAVAILABLE",'
            b'"reason":"GuardUnavailable",'
            b'"details":{"retryAfterSeconds":2},"code":503},'
            b'"auditAnnotations":{"decision":"deny","code":"LedgerUnavailable"}}}'
        ),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_decision_is_written(case):
    decision, want = CASES[case]
    review = parse_review(
        {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request_of()},
        gate=Gate.NAMESPACED,
    )
    assert reply(review, decision) == HEAD + want


UIDS = {
    "the first digits of the item's uid": ("1a2b3c4d-0000-4000-8000-00000000000a", "-1a2b3c4d"),
    "nothing but letters and digits of it": ("../../a b", "-ab"),
    "nothing where there is no uid": (None, ""),
    "nothing where the uid is no text": (7, ""),
}


@pytest.mark.parametrize("case", UIDS)
def test_audit_keys_of_an_item_of_a_collection_end_in(case):
    uid, suffix = UIDS[case]
    request = request_of(name="", oldObject={"metadata": {"uid": uid}})
    review = parse_review(
        {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request},
        gate=Gate.NAMESPACED,
    )
    answer = decode(reply(review, Allow("approved", facts=FACTS)))
    assert set(answer["response"]["auditAnnotations"]) == {
        key + suffix for key in ("decision", "request", "rule", "approvers", "payloads", "agent-tag")
    }


def test_the_real_decision_refuses_the_self_test_in_its_own_words():
    review = parse_review(decode(must_deny(UID, namespace="peergate-system")), gate=Gate.OWN)
    for known in (snapshot(), snapshot(stale=("approvers",))):
        status = decode(reply(review, decide(review=review, snapshot=known, now=NOW)))["response"]["status"]
        assert (status["code"], status["reason"]) == (403, "NotApprovable")
