"""Whether there is somebody to ask."""

from __future__ import annotations

import pytest
from tests.support.approvals import approver, make_key
from tests.support.doctor import NOW, PROTECTED, known, levels, seen
from tests.support.gate import policy

from peergate.cli.doctor.people import approver_findings, owner_findings, policy_findings

_KEYS = {name: make_key("ssh-ed25519", name) for name in ("alice", "bob", "robot")}


def _approver(name, *, ends=None, **members):
    key = _KEYS[name].record().model_dump(mode="json", by_alias=True, exclude_none=True)
    spec = approver(f"{name}@example.com", {**key, **({"notAfter": ends} if ends else {})}, **members)
    dumped = spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {"metadata": {"name": name}, "spec": dumped}


ALICE = _approver("alice", owner="team-a")
ROBOT = _approver(
    "robot", **{"class": "agent", "owner": "team-b", "kubernetesUsernames": ["system:serviceaccount:ops:bot"]}
)
_TWO = {"approvals": {"required": 2}}
_BAD = {"metadata": {"name": "bad"}, "spec": {"rules": []}}


POLICIES = {
    "one human, and the built-in rule": ([], [ALICE], [("ok", "policies")]),
    "nobody at all": ([], [], [("warn", "unsatisfied")]),
    "an agent is not enough for the built-in rule": ([], [ROBOT], [("warn", "unsatisfied")]),
    "two are asked for and one is there": ([policy(rules=[_TWO])], [ALICE], [("warn", "unsatisfied")]),
    "a policy that can't be read": ([_BAD], [ALICE], [("warn", "policy")]),
    "a policy that only warns": ([policy(mode="Warn", rules=[{}])], [ALICE], [("warn", "mode")]),
    "one that warns beside one that enforces": (
        [policy("a", mode="Audit", rules=[{}]), policy("b", rules=[{}])],
        [ALICE],
        [("ok", "policies")],
    ),
    "what can't be read is not judged": (None, [ALICE], []),
}


@pytest.mark.parametrize(("policies", "approvers", "expected"), POLICIES.values(), ids=POLICIES)
def test_policies(policies, approvers, expected):
    cluster = seen(namespaces={"shop": PROTECTED}, policies=policies, approvers=approvers)
    assert levels(policy_findings(cluster)) == expected


_BROKEN = {"metadata": {"name": "broken"}, "spec": {"identity": "x", "class": "human", "keys": []}}
_PERSON = _approver("bob", kubernetesUsernames=["system:serviceaccount:ops:bot"])

APPROVERS = {
    "a valid key": ([ALICE], [("ok", "approvers")]),
    "one that can't be read": ([_BROKEN], [("warn", "no-key")]),
    "an expired key": ([_approver("alice", ends="2026-01-01T00:00:00Z")], [("warn", "no-key")]),
    "a key that ends in ten days": (
        [_approver("alice", ends="2026-12-03T00:00:00Z")],
        [("warn", "key-ends")],
    ),
    "a key that ends in a year": ([_approver("alice", ends="2027-12-03T00:00:00Z")], [("ok", "approvers")]),
    "a disabled one is so on purpose": ([_approver("alice", disabled=True)], [("ok", "approvers")]),
    "the same key twice": (
        [ALICE, {**ALICE, "metadata": {"name": "again"}, "spec": {**ALICE["spec"], "identity": "again"}}],
        [("warn", "no-key"), ("warn", "no-key")],
    ),
    "a person who is an agent's user": ([_PERSON], [("fail", "disguise")]),
    "an agent is one openly": ([ROBOT], [("ok", "approvers")]),
    "what can't be read is not judged": (None, []),
}


@pytest.mark.parametrize(("approvers", "expected"), APPROVERS.values(), ids=APPROVERS)
def test_approvers(approvers, expected):
    found = approver_findings(seen(approvers=approvers), agents=[known("ops", "bot", owner="team-x")])
    assert levels(found) == expected


def test_the_day_a_key_ends_is_told():
    found = approver_findings(seen(approvers=[_approver("alice", ends="2026-12-03T00:00:00Z")]), agents=[])
    assert found[0].what == "The last key of approver alice ends on 2026-12-03."
    assert NOW.year == 2026


OWNERS = {
    "an owner, and a peer of another": ([known("ops", "bot", owner="team-x")], [ALICE], [("ok", "owners")]),
    "no owner": ([known("ops", "bot")], [ALICE], [("warn", "owner")]),
    "only its own owner may sign": ([known("ops", "bot", owner="team-a")], [ALICE], [("warn", "one-owner")]),
    "a second owner may sign": (
        [known("ops", "bot", owner="team-a")],
        [ALICE, _approver("bob", owner="team-b")],
        [("ok", "owners")],
    ),
    "groups have no owner": ([known("ops", "bot", account=None)], [ALICE], [("ok", "owners")]),
    "without approvers only owners are looked at": (
        [known("ops", "bot", owner="x")],
        None,
        [("ok", "owners")],
    ),
}


@pytest.mark.parametrize(("agents", "approvers", "expected"), OWNERS.values(), ids=OWNERS)
def test_owners(agents, approvers, expected):
    assert levels(owner_findings(seen(approvers=approvers), agents=agents)) == expected
