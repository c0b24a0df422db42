"""What an agent may put into the eight slots of a ChangeRequest: slot-filling must not keep a peer out."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta
from typing import Any

import pytest
from tests.support.gate import NOW, agent_user, changed, review, snapshot
from tests.support.peers import approver, sign
from tests.support.records import DELETION, UPDATE, recorded

from peergate.gate.decide import decide
from peergate.model.decision import Allow, Deny

SLOT = "approval.peergate.dev/v1."
ROBOT = agent_user("system:serviceaccount:agents:robot", "uid-robot")
APPROVERS = {
    "alice": approver("alice"),
    "bob": approver("bob"),
    "robot": approver(
        "robot",
        **{"class": "agent"},
        owner="team-robots",
        kubernetesUsernames=["system:serviceaccount:agents:robot"],
    ),
}
ALICE = sign(DELETION)
LATER = sign(DELETION, issued_at=NOW + timedelta(minutes=5), nonce="later")
OVER = sign(DELETION, issued_at=NOW - timedelta(hours=9), nonce="over")
SPOILT = json.dumps({**json.loads(ALICE), "signatures": [{"sig": "AAAA"}]})
OTHER_CHANGE = sign(dataclasses.replace(DELETION, requester=UPDATE.requester, from_=UPDATE.to))

CASES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "an approval of the change goes into a free slot": ({}, {"alice": ALICE}, ""),
    "so does one that has expired: that is the gate's to judge": ({}, {"alice": OVER}, ""),
    "junk does not": ({}, {"alice": "{}"}, "no approval of this change"),
    "nor a number": ({}, {"alice": 1}, "readable metadata"),
    "nor a spoilt copy": ({}, {"alice": SPOILT}, "no approval of this change"),
    "nor an approval of another change": ({}, {"alice": OTHER_CHANGE}, "no approval of this change"),
    "nor one by somebody who is not registered": (
        {},
        {"x": sign(DELETION, by="mallory")},
        "no approval of this change",
    ),
    "nor one that its signer gives another's name": (
        {},
        {"x": sign(DELETION, by="bob", identity="alice@example.com")},
        "no approval of this change",
    ),
    "a second approver's goes beside it": (
        {"alice": ALICE},
        {"alice": ALICE, "bob": sign(DELETION, by="bob")},
        "",
    ),
    "a second one of the same approver does not": (
        {"alice": ALICE},
        {"alice": ALICE, "more": LATER},
        "a second approval of one approver",
    ),
    "a newer one takes the place of an older one": ({"alice": ALICE}, {"alice": LATER}, ""),
    "an older one does not take the place of a newer one": (
        {"alice": LATER},
        {"alice": ALICE},
        "would overwrite an approval",
    ),
    "nor the same one in another envelope": (
        {"alice": ALICE},
        {"alice": ALICE.replace("{", "{ ", 1)},
        "would overwrite an approval",
    ),
    "nobody overwrites another's": (
        {"alice": ALICE},
        {"alice": sign(DELETION, by="bob")},
        "would overwrite an approval",
    ),
    "junk that a person left makes way": ({"alice": "{}"}, {"alice": ALICE}, ""),
    "an approval is not taken away": ({"alice": ALICE}, {}, "no approval of this change"),
    "junk is not taken away either": ({"alice": "{}"}, {}, "no approval of this change"),
    "a ninth slot is refused": (
        {f"s{number}": "{}" for number in range(8)},
        {**{f"s{number}": "{}" for number in range(8)}, "alice": ALICE},
        "too many",
    ),
    "but eight slots of junk keep nobody out": (
        {f"s{number}": "{}" for number in range(8)},
        {**{f"s{number}": "{}" for number in range(8)}, "s0": ALICE},
        "",
    ),
}  # fmt: skip


def attach(before: dict[str, Any], after: dict[str, Any], *, user: Any = None, **spec: Any) -> Any:
    old = recorded(DELETION, annotations={SLOT + slot: value for slot, value in before.items()}, **spec)
    new = changed(old, "metadata", "annotations", to={SLOT + slot: value for slot, value in after.items()})
    return decide(
        review=review("UPDATE", old=old, new=new, user=user or agent_user()),
        snapshot=snapshot(
            approvers=APPROVERS,
            accounts={**snapshot().accounts, ("agents", "robot"): _robot()},
        ),
        now=NOW,
    )


def _robot() -> Any:
    account = next(iter(snapshot().accounts.values()))
    return dataclasses.replace(account, uid="uid-robot", owner="team-robots")


@pytest.mark.parametrize(("before", "after", "why"), CASES.values(), ids=CASES.keys())
def test_an_agent_fills_slots_with_approvals_only(before, after, why):
    decision = attach(before, after)
    if not why:
        assert isinstance(decision, Allow), decision.message
    elif why == "too many":
        assert decision.code == "TooManyApprovals"
    else:
        assert isinstance(decision, Deny)
        assert why in decision.message


def test_an_approver_that_is_an_agent_brings_its_own_once():
    first = sign(DELETION, by="robot")
    assert isinstance(attach({}, {"robot": first}, user=ROBOT), Allow)
    eight = {f"s{number}": sign(DELETION, by="robot", nonce=str(number)) for number in range(8)}
    assert isinstance(attach({}, eight, user=ROBOT), Deny)
    one_more = {"robot": first, "again": sign(DELETION, by="robot", nonce="again")}
    assert "a second approval" in attach({"robot": first}, one_more, user=ROBOT).message


def test_several_at_once_of_one_approver_are_refused_too():
    both = {"one": ALICE, "two": LATER}
    assert isinstance(attach({}, both), Deny)


def test_a_request_that_cannot_be_read_takes_none():
    assert "can't be read" in attach({}, {"alice": ALICE}, filedAt="yesterday").message.replace("?", "'")


def test_a_request_of_a_later_version_takes_what_any_other_takes():
    assert isinstance(attach({}, {"alice": ALICE}, extra=1), Allow)
    assert isinstance(attach({}, {"alice": "junk"}, extra=1), Deny)
