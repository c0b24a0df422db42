"""What becomes of a change with these approvals on it: a sentence a row, judged by the cluster's state."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from tests.harness.waiting import wait_until
from tests.support.changes import BACKGROUND, SLOT, config_map, path_of, reported, sign, slots

from peergate.model.change import Change, ObjectRef, Requester
from peergate.model.decision import STATE_OF, STATUS_REASON_OF, Code
from peergate.model.names import Digest

Lie = Callable[[Change], dict[str, Any]]

BUILT_IN: list[dict[str, Any]] | None = None
ANYBODY = [{"approvals": {"required": 1, "minHumans": 0}}]
TWO = [{"approvals": {"required": 2, "minHumans": 0}}]
TWO_HUMANS = [{"approvals": {"required": 2, "minHumans": 2, "distinctOwners": False}}]
SRE = [{"approvals": {"required": 1, "minHumans": 0, "fromGroups": ["sre"]}}]
SHORT = [{"maxTTL": "1m"}, {"maxTTL": "1h"}]
HARDWARE = [{"approvals": {"hardwareKeys": True}}]


@dataclass(frozen=True)
class Signed:
    """One approval: by whom, and what differs from the truth."""

    by: str = "alice"
    lie: Lie | None = None
    how: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """A ConfigMap, approvals on it, a request, and the code that refuses it; empty: admitted."""

    want: str
    signed: tuple[Signed, ...] = ()
    rules: list[dict[str, Any]] | None = None
    update: bool = False
    options: dict[str, Any] = dataclasses.field(default_factory=lambda: dict(BACKGROUND))
    twice: bool = False
    """The first approval stands in two slots."""


def on(**members: str) -> Lie:
    """Name another object than the one at hand."""

    def lie(change: Change) -> dict[str, Any]:
        return {"object": ObjectRef(**{**dataclasses.asdict(change.object), **members})}

    return lie


def requester(**members: str) -> Lie:
    return lambda change: {"requester": Requester(**{**dataclasses.asdict(change.requester), **members})}


def says(**members: Any) -> Lie:
    return lambda _: dict(members)


ELSEWHERE = Digest("0" * 64)
OTHER_UID = "11111111-2222-4333-8444-555555555555"
ALICE, BOB, CAROL, DORA, ROBOT = (Signed(name) for name in ("alice", "bob", "carol", "dora", "robot"))


def alice(lie: Lie | None = None, **how: Any) -> tuple[Signed, ...]:
    return (Signed("alice", lie, how),)


CASES: dict[str, Case] = {
    "no approval does not admit": Case("ApprovalMissing"),
    "no approval does not admit an update": Case("ApprovalMissing", update=True),
    "a valid approval admits": Case("", (ALICE,)),
    "a valid approval admits an update": Case("", (ALICE,), update=True),
    # time
    "one that has expired does not": Case(
        "Expired", alice(issued=timedelta(minutes=-11), ttl=timedelta(minutes=10))
    ),
    "one issued five minutes ahead does not": Case("NotYetValid", alice(issued=timedelta(minutes=5))),
    "one issued half a minute ahead does: clocks differ": Case("", alice(issued=timedelta(seconds=30))),
    "one that lives longer than 15 minutes does not": Case(
        "LifetimeTooLong", alice(ttl=timedelta(minutes=15, seconds=1))
    ),
    "one that lives 15 minutes does": Case("", alice(ttl=timedelta(minutes=15))),
    "the shortest life of all rules counts": Case(
        "LifetimeTooLong", alice(ttl=timedelta(minutes=2)), rules=SHORT
    ),
    # what it is about
    "one for another cluster does not": Case("WrongCluster", alice(says(audience=f"k8s:{OTHER_UID}"))),
    "one for another namespace does not": Case("WrongObject", alice(on(namespace="elsewhere"))),
    "one for another name does not": Case("WrongObject", alice(on(name="another"))),
    "one for another resource does not": Case("WrongObject", alice(on(resource="secrets"))),
    "one for a subresource does not": Case("WrongObject", alice(on(subresource="status"))),
    "one for another API version does not": Case("WrongVersion", alice(on(version="v2"))),
    "one for another uid does not": Case("ObjectReplaced", alice(on(uid=OTHER_UID))),
    "one for a deletion does not admit an update": Case(
        "WrongOperation", alice(says(operation="DELETE", to=None)), update=True
    ),
    "one for an update does not admit a deletion": Case(
        "WrongOperation", alice(says(operation="UPDATE", to=ELSEWHERE, options={}))
    ),
    "one for another requester does not": Case(
        "WrongRequester", alice(requester(username="system:serviceaccount:agents:another"))
    ),
    "one for the requester's former account does not": Case(
        "WrongRequester", alice(requester(uid=OTHER_UID))
    ),
    "one for the object as it was does not": Case("ObjectChanged", alice(says(from_=ELSEWHERE))),
    "one for the object as it was does not admit an update": Case(
        "ObjectChanged", alice(says(from_=ELSEWHERE)), update=True
    ),
    "one for another new object does not": Case("ChangeDiffers", alice(says(to=ELSEWHERE)), update=True),
    "one that binds the name alone does not, for a kind whose content counts": Case(
        "ProjectionNotAllowed", alice(says(projection="k8s-identity/v1"))
    ),
    "one that leaves a field open does not, where no rule allows it": Case(
        "IgnoreNotAllowed", alice(ignore=("/data/colour",))
    ),
    # options
    "one for Orphan does not admit Background": Case(
        "OptionsDiffer", alice(says(options={"propagationPolicy": "Orphan"}))
    ),
    "one for Background does not admit Foreground": Case(
        "OptionsDiffer",
        alice(says(options={"propagationPolicy": "Background"})),
        options={"propagationPolicy": "Foreground"},
    ),
    "one for Background does not admit Orphan": Case(
        "OptionsDiffer",
        alice(says(options={"propagationPolicy": "Background"})),
        options={"propagationPolicy": "Orphan"},
    ),
    "one for Background does not admit a request that leaves it open": Case(
        "OptionsDiffer", alice(says(options={"propagationPolicy": "Background"})), options={}
    ),
    "one without a word on it does not admit Background": Case("OptionsDiffer", alice(says(options={}))),
    "one for Foreground admits Foreground": Case("", (ALICE,), options={"propagationPolicy": "Foreground"}),
    "none admits orphanDependents": Case(
        "NotApprovable",
        alice(says(options={})),
        options={"orphanDependents": True},
    ),
    "a grace period means nothing but for Pods": Case(
        "", (ALICE,), options={**BACKGROUND, "gracePeriodSeconds": 7}
    ),
    # who
    "one by nobody registered does not": Case("UnknownApprover", (Signed("mallory"),)),
    "one in another's name does not": Case("ApproverMismatch", alice(identity="bob@example.com")),
    "one by an agent does not, where no policy says so": Case("QuorumNotMet", (ROBOT,)),
    "one by an agent does, where a policy says so": Case("", (ROBOT,), rules=ANYBODY),
    "one by an agent of the same owner does not": Case("SameOwner", (Signed("sibling"),), rules=ANYBODY),
    "one by somebody outside the rule's groups does not": Case("ApproverNotEligible", (BOB,), rules=SRE),
    "one by somebody in the rule's groups does": Case("", (ALICE,), rules=SRE),
    "one by a software key does not, where hardware is asked": Case(
        "ApproverNotEligible", (ALICE,), rules=HARDWARE
    ),
    # how many
    "one of two does not": Case("QuorumNotMet", (ALICE,), rules=TWO),
    "two of two do": Case("", (ALICE, BOB), rules=TWO),
    "two of two do for an update": Case("", (ALICE, BOB), rules=TWO, update=True),
    "three where two are asked do": Case("", (ALICE, BOB, DORA), rules=TWO),
    "a person and an agent do, where people are not asked": Case("", (ALICE, ROBOT), rules=TWO),
    "the same approval in two slots counts once": Case("QuorumNotMet", (ALICE,), rules=TWO, twice=True),
    "two approvals of one person count once": Case("QuorumNotMet", (ALICE, ALICE), rules=TWO),
    "two keys of one person count once": Case(
        "QuorumNotMet", (ALICE, Signed("alice", how={"key": "alice-2"})), rules=TWO
    ),
    "two people of one owner count once": Case("QuorumNotMet", (BOB, CAROL), rules=TWO),
    "unless owners need not differ": Case("", (BOB, CAROL), rules=TWO_HUMANS),
    "agents do not fill the places of people": Case("QuorumNotMet", (ALICE, ROBOT), rules=TWO_HUMANS),
    "a bad one beside a good one does no harm": Case("", (Signed("mallory"), ALICE)),
    "a bad one does not fill up a quorum": Case("QuorumNotMet", (Signed("mallory"), ALICE), rules=TWO),
}


def envelopes(case: Case, change: Change, *, people, crew) -> list[str]:
    values = []
    for one in case.signed:
        how = dict(one.how)
        if "key" in how:
            how["key"] = crew.key(how["key"])
        values.append(sign(change, by=people[one.by], **how, **(one.lie(change) if one.lie else {})))
    return values[:1] * 2 if case.twice else values


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_outcome(case, desk, agent, ground, people, crew):
    namespace, name = ground(case.rules), f"o-{secrets.token_hex(4)}"
    path = path_of("configmaps", name, namespace=namespace)
    desk.create(path, config_map(namespace, name))
    wanted = config_map(namespace, name, data={"colour": "red"})
    if case.update:
        change = desk.update(path, desk.dry_run("PUT", path, wanted))
    else:
        options = {key: value for key, value in case.options.items() if key != "orphanDependents"}
        change = desk.deletion(path, options=options)
    values = envelopes(case, change, people=people, crew=crew)
    before = desk.attach(path, slots(*values))
    if case.update:
        reply = agent.request("PUT", path, body=wanted)
    else:
        reply = agent.request("DELETE", path, body=case.options)
    if case.want:
        assert (reply.code, reported(reply)) == (403, case.want)
        assert reply.body["reason"] == STATUS_REASON_OF[STATE_OF[Code(case.want)]]
        assert desk.get(path) == before
        return
    assert reply.code == 200, reply.body
    if case.update:
        assert desk.get(path)["data"] == {"colour": "red"}
    else:
        # A deletion in the foreground is ended by the garbage collector.
        wait_until("the object is gone", lambda: not desk.there(path))


def test_every_approval_that_did_not_count_is_named(desk, agent, ground, people):
    namespace, name = ground(TWO), f"o-{secrets.token_hex(4)}"
    path = path_of("configmaps", name, namespace=namespace)
    desk.create(path, config_map(namespace, name))
    change = desk.deletion(path)
    good = sign(change, by=people["alice"])
    late = sign(change, by=people["bob"], issued=timedelta(hours=-1))
    unknown = sign(change, by=people["mallory"])
    desk.attach(path, {"alice": good, "bob": late, "mallory": unknown})
    reply = agent.request("DELETE", path, body=BACKGROUND)
    causes = [(cause["reason"], cause.get("field", "")) for cause in reply.body["details"]["causes"]]
    assert causes[:3] == [
        ("QuorumNotMet", ""),
        ("Expired", f"{SLOT}bob"),
        ("UnknownApprover", f"{SLOT}mallory"),
    ]
    text = reply.body["message"]
    assert "APPROVAL REQUIRED (quorum 1/2): delete ConfigMap" in text
    assert "state=quorum code=QuorumNotMet approvals=1/2" in text


def test_the_audit_log_tells_who_admitted_and_why_not(desk, agent, ground, people, cluster):
    namespace, name = ground(None), f"o-{secrets.token_hex(4)}"
    path = path_of("configmaps", name, namespace=namespace)
    desk.create(path, config_map(namespace, name))
    assert agent.request("DELETE", path).code == 403
    desk.attach(path, slots(sign(desk.deletion(path, options={}), by=people["alice"])))
    assert agent.request("DELETE", path).code == 200

    def of(code: int) -> dict[str, str]:
        event = cluster.wait_for_audit(
            lambda event: (event.verb, event.name, event.code) == ("delete", name, code)
        )
        gate = "namespaced.gate.peergate.dev/"
        return {
            key.removeprefix(gate): value for key, value in event.annotations.items() if key.startswith(gate)
        }

    refused, admitted = of(403), of(200)
    assert refused["decision"] == "deny"
    assert refused["code"] == "ApprovalMissing"
    assert refused["rule"] == "built-in"
    assert admitted["decision"] == "allow"
    assert admitted["approvers"] == people["alice"].name
    assert len(admitted["payloads"]) == 64
    assert admitted["request"] == refused["request"]
