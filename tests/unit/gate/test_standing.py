"""Where a filed change stands: as the gate would count."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from tests.support.gate import NOW, policy, snapshot
from tests.support.peers import approver, sign
from tests.support.records import DELETION, UPDATE

from peergate.gate.standing import Standing, rules_by_name, standing_of
from peergate.model.change import Change, ObjectRef

SLOT = "approval.peergate.dev/v1."
APPROVERS = {
    "alice": approver("alice"),
    "bob": approver("bob"),
    "robot": approver(
        "robot",
        **{"class": "agent"},
        owner="team-platform",
        kubernetesUsernames=["system:serviceaccount:a:r"],
    ),
}
TWO = (policy(rules=[{"approvals": {"required": 2, "minHumans": 2}}]),)
POD = dataclasses.replace(
    DELETION,
    object=ObjectRef("", "v1", "pods", "", "shop", "web-0", "u1"),
    projection="k8s-identity/v1",
    options={"minGracePeriodSeconds": 30},
)
EVICTION = dataclasses.replace(POD, object=dataclasses.replace(POD.object, subresource="eviction"))


@dataclass(frozen=True)
class Case:
    """A recorded change, its rules, who signed, and where it stands."""

    want: tuple[bool, str, str, tuple[str, ...]]
    change: Change = DELETION
    signed: tuple[str, ...] = ()
    rules: tuple[str, ...] = ("built-in",)
    policies: tuple[dict[str, Any], ...] = ()
    later: timedelta = timedelta(0)
    extra: dict[str, str] = field(default_factory=dict)


ALICE = "alice@example.com"
BOB = "bob@example.com"
CASES = {
    "nobody has signed": Case((False, "0/1", "1 more signature (human)", ())),
    "one has": Case((True, "1/1", "", (ALICE,)), signed=("alice",)),
    "an update": Case((True, "1/1", "", (ALICE,)), change=UPDATE, signed=("alice",)),
    "a Pod": Case((True, "1/1", "", (ALICE,)), change=POD, signed=("alice",)),
    "an eviction": Case((True, "1/1", "", (ALICE,)), change=EVICTION, signed=("alice",)),
    "one of two": Case(
        (False, "1/2", "1 more signature (human)", (ALICE,)),
        signed=("alice",),
        rules=("prod/0",),
        policies=TWO,
    ),
    "two of two": Case(
        (True, "2/2", "", (ALICE, BOB)), signed=("alice", "bob"), rules=("prod/0",), policies=TWO
    ),
    "of two rules the one that lacks something is shown": Case(
        (False, "1/2", "1 more signature (human)", (ALICE,)),
        signed=("alice",),
        rules=("baseline", "prod/0"),
        policies=TWO,
    ),
    "none of three": Case(
        (False, "0/3", "3 more signatures (human)", ()),
        rules=("prod/0",),
        policies=(policy(rules=[{"approvals": {"required": 3, "minHumans": 3}}]),),
    ),
    "an approval that is over does not count": Case(
        (False, "0/1", "1 more signature (human)", ()), signed=("alice",), later=timedelta(minutes=10)
    ),
    "nor one by an agent of the requester's owner": Case(
        (False, "0/1", "1 more signature (human)", ()), signed=("robot",)
    ),
    "nor junk": Case((False, "0/1", "1 more signature (human)", ()), extra={SLOT + "x": "{}"}),
    "nor one of another change": Case(
        (False, "0/1", "1 more signature (human)", ()),
        extra={SLOT + "x": sign(dataclasses.replace(DELETION, options={"propagationPolicy": "Orphan"}))},
    ),
    "nor one of nine": Case(
        (False, "0/1", "1 more signature (human)", ()),
        signed=("alice",),
        extra={f"{SLOT}s{number}": "{}" for number in range(8)},
    ),
    "nor one that leaves something unbound, which only the gate can judge": Case(
        (False, "0/1", "1 more signature (human)", ()),
        extra={SLOT + "x": sign(DELETION, ignore=("/spec/replicas",))},
    ),
    "a rule that is gone satisfies nobody": Case(
        (False, "", "a rule that asked for approvals has changed: repeat the request", (ALICE,)),
        signed=("alice",),
        rules=("built-in", "gone/0"),
    ),
    "nor does one that is not enforced any more": Case(
        (False, "", "a rule that asked for approvals has changed: repeat the request", ()),
        rules=("prod/0",),
        policies=(policy(mode="Warn"),),
    ),
    "a policy that can't be read is satisfied by nobody": Case(
        (False, "1/1", "1 more signature", (ALICE,)),
        signed=("alice",),
        rules=("prod/0",),
        policies=(policy(rules=[{"hold": "soon"}]),),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_standing(case):
    annotations = {SLOT + name: sign(case.change, by=name) for name in case.signed} | case.extra
    known = snapshot(approvers=APPROVERS, policies=case.policies)
    found = standing_of(
        case.change,
        owner="team-platform",
        rules=case.rules,
        annotations=annotations,
        known=rules_by_name(known.policies),
        snapshot=known,
        now=NOW + case.later,
    )
    satisfied, progress, missing, approvals = case.want
    assert found == Standing(satisfied=satisfied, progress=progress, missing=missing, approvals=approvals)
