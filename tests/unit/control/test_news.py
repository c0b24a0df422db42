"""Who may approve changed, a policy stopped working: what is told, and that it is told once."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest

from peergate.cluster.caches import ApproverRecord, PolicyRecord, StatusSeen
from peergate.control.news import approver_news, approver_removed, policy_news
from peergate.gate.policies import compile_policy
from peergate.model.approver import ApproverSpec

NOW = datetime(2026, 11, 26, tzinfo=UTC)
SPEC = ApproverSpec.model_validate(
    {
        "identity": "alice@example.com",
        "class": "human",
        "owner": "team-payments",
        "keys": [{"type": "ssh", "publicKey": "ssh-ed25519 AAAA"}],
    }
)


def seen(generation: int, **condition: object) -> StatusSeen:
    status = {"conditions": [{"type": "Ready", **condition}]} if condition else {}
    return StatusSeen(generation=generation, encoded=orjson.dumps(status))


def wanted(*, holds: bool, reason: str = "Valid", message: str = "", keys: int = 1) -> dict[str, object]:
    ready = {"type": "Ready", "status": str(holds), "reason": reason, "message": message}
    return {"conditions": [ready], "fingerprints": [f"SHA256:{number}" for number in range(keys)]}


def approver(status: StatusSeen, *, spec: ApproverSpec | None = SPEC) -> ApproverRecord:
    return ApproverRecord(spec=spec, problem="", status=status)


APPROVERS = {
    "who is new was registered": (
        approver(seen(1)),
        wanted(holds=True),
        "Approver alice was registered: alice@example.com, human, owner team-payments; keys SHA256:0. Valid.",
    ),
    "who has another generation changed": (
        approver(seen(2, observedGeneration=1)),
        wanted(holds=False, reason="NoUsableKey", message="Key 1 is too short.", keys=0),
        (
            "Approver alice changed: alice@example.com, human, owner team-payments; no key that can be used."
            " NoUsableKey. Key 1 is too short."
        ),
    ),
    "who can't be read changed too": (
        approver(seen(3, observedGeneration=1), spec=None),
        wanted(holds=False, reason="Invalid", message="spec.owner is missing.", keys=0),
        "Approver alice changed: it can't be read; no key that can be used. Invalid. spec.owner is missing.",
    ),
    "many keys are counted": (
        approver(seen(2, observedGeneration=1)),
        wanted(holds=True, keys=10),
        "Approver alice changed: alice@example.com, human, owner team-payments; keys "
        + ", ".join(f"SHA256:{number}" for number in range(8))
        + " and 2 more. Valid.",
    ),
}


@pytest.mark.parametrize(("record", "status", "first"), APPROVERS.values(), ids=APPROVERS.keys())
def test_who_may_approve_is_told(record, status, first):
    news = approver_news("alice", record, status)
    assert news is not None
    assert news.note.splitlines()[0] == first
    assert (news.reason, news.target["kind"], news.target["name"]) == ("ApproverChanged", "Approver", "alice")
    assert "audit log" in news.note


def test_an_approver_whose_key_ran_out_by_itself_did_not_change():
    record = approver(seen(2, observedGeneration=2, status="True"))
    assert approver_news("alice", record, wanted(holds=False, reason="NoUsableKey")) is None


def test_every_generation_is_an_event_of_its_own():
    names = {
        happening.name
        for happening in (
            approver_news("alice", approver(seen(1)), wanted(holds=True)),
            approver_news("alice", approver(seen(2, observedGeneration=1)), wanted(holds=True)),
            approver_news("bob", approver(seen(1)), wanted(holds=True)),
            approver_removed("alice"),
        )
        if happening is not None
    }
    assert len(names) == 4


SHORT = "Rule all wants 2 approvals by humans; 1 can give one."
POLICIES = {
    "one that works is no news": (seen(1), wanted(holds=True), False),
    "a new one that does not work is": (seen(1), wanted(holds=False, message=SHORT), True),
    "one that stopped working is": (
        seen(1, status="True", message=""),
        wanted(holds=False, message=SHORT),
        True,
    ),
    "one that does not work for another reason is": (
        seen(2, status="False", message="another"),
        wanted(holds=False, message=SHORT),
        True,
    ),
    "one that still does not work is none": (
        seen(2, status="False", message=SHORT),
        wanted(holds=False, message=SHORT),
        False,
    ),
}


@pytest.mark.parametrize(("status", "should", "told"), POLICIES.values(), ids=POLICIES.keys())
def test_of_a_policy(status, should, told):
    record = PolicyRecord(
        compiled=compile_policy({"metadata": {"name": "default"}, "spec": {}}), status=status
    )
    news = policy_news("default", record, should)
    assert (news is not None) is told
    if news is not None:
        assert news.note == f"ProtectionPolicy default is not ready: Valid. {SHORT}"
        assert news.target["kind"] == "ProtectionPolicy"
