"""The verdict, from a review to its code: one sentence, one row."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from tests.support.gate import (
    AGENT_UID,
    AUDIENCE,
    NOW,
    OTHER_UID,
    PERSON,
    agent_user,
    changed,
    policy,
    review,
    snapshot,
    thing,
)
from tests.support.peers import approver, sign

from peergate.approval.change import change_id
from peergate.approval.target import Target
from peergate.gate.decide import decide, refuse_unavailable
from peergate.gate.filed import FiledRequest
from peergate.gate.snapshot import Backlog
from peergate.model.change import Change, ObjectRef, Requester
from peergate.model.changerequest import Rejection
from peergate.model.decision import Allow, Code, Decision, Deny, Filing, Hold, State
from peergate.model.names import Digest
from peergate.model.review import Gate, Review

WEB = thing("Deployment", spec={"replicas": 3, "image": "web:1"}, labels={"app": "web"})
NEW_WEB = changed(WEB, "spec", "image", to="web:2")
POD = thing("Pod", "p", spec={"nodeName": "n", "terminationGracePeriodSeconds": 30})
NAMESPACE = thing("Namespace", "shop", labels={"peergate.dev/protected": "true"})
SLOT = "approval.peergate.dev/v1."

APPROVERS = {
    "alice": approver("alice", keys=("alice", "alice#2"), groups=["sre"]),
    "bob": approver("bob"),
    "carol": approver("carol", owner="team-bob"),
    "robot": approver(
        "robot",
        **{"class": "agent"},
        owner="team-robots",
        kubernetesUsernames=["system:serviceaccount:agents:robot"],
    ),
    "sibling": approver(
        "sibling",
        **{"class": "agent"},
        owner="team-platform",
        kubernetesUsernames=["system:serviceaccount:agents:sibling"],
    ),
    "selfish": approver("selfish", kubernetesUsernames=["system:serviceaccount:agents:bot"]),
    "gone": approver("gone", disabled=True),
}

UPDATE: dict[str, Any] = {"operation": "UPDATE", "old": WEB, "new": NEW_WEB}
DELETE: dict[str, Any] = {"operation": "DELETE", "old": WEB}


def change_of(subject: Review, projection="k8s-projection/v1") -> Change:
    """Return the change that a review is about, without the gate's help."""
    metadata = subject.old_object["metadata"]
    return Target(
        audience=AUDIENCE,
        operation=subject.operation,
        object=ObjectRef(
            group=subject.resource.group,
            version=subject.resource.version,
            resource=subject.resource.resource,
            subresource=subject.subresource,
            namespace=metadata.get("namespace", ""),
            name=metadata["name"],
            uid=metadata["uid"],
        ),
        requester=Requester(subject.user.username, subject.user.uid),
        requester_owner="team-platform",
        kind=subject.kind,
        old=subject.old_object,
        new=subject.object if subject.operation == "UPDATE" else None,
        options=subject.options if subject.operation == "DELETE" else None,
    ).change(projection)


@dataclass(frozen=True)
class Case:
    """A review with approvals on it, and what comes of it."""

    want: str
    """A code, or the reason of an Allow."""
    request: dict[str, Any] = field(default_factory=lambda: DELETE)
    signed: tuple[dict[str, Any], ...] = ()
    """One entry per approval: who (``by``) and what differs from the truth."""
    rules: tuple[dict[str, Any], ...] | None = None
    """One policy with these rules; ``None``: no policy at all."""
    policies: tuple[dict[str, Any], ...] = ()
    projection: str = "k8s-projection/v1"
    known: dict[str, Any] = field(default_factory=dict)
    later: timedelta = timedelta(0)
    slots: tuple[str, ...] = ()
    carrier: str = "old"
    approvers: dict[str, Any] = field(default_factory=lambda: APPROVERS)


ALICE = {"by": "alice"}
BOB = {"by": "bob"}
ONE_HUMAN = ({"approvals": {"required": 1, "minHumans": 1}},)
ANYBODY = ({"approvals": {"required": 1, "minHumans": 0}},)
TWO = ({"approvals": {"required": 2, "minHumans": 0}},)
THREE = ({"approvals": {"required": 3, "minHumans": 0, "distinctOwners": False}},)
BY_IDENTITY = "k8s-identity/v1"

CASES: dict[str, Case] = {
    # the built-in rule
    "no approval": Case("ApprovalMissing"),
    "one approval by a human is enough where no policy is": Case("approved", signed=(ALICE,)),
    "an agent's approval is not, where no policy is": Case("QuorumNotMet", signed=({"by": "robot"},)),
    "an update wants one too": Case("ApprovalMissing", UPDATE),
    "an approved update is admitted": Case("approved", UPDATE, signed=(ALICE,)),
    "an approval may ride in the new object": Case("approved", UPDATE, signed=(ALICE,), carrier="new"),
    "a collection's item with an approval is admitted": Case(
        "approved", {**DELETE, "collection": True}, signed=(ALICE,)
    ),
    "a Secret's deletion is bound by identity": Case(
        "approved",
        {"operation": "DELETE", "old": thing("Secret", "s", data={"a": "b"})},
        signed=(ALICE,),
        projection=BY_IDENTITY,
    ),
    "a Secret's deletion by content is not allowed": Case(
        "ProjectionNotAllowed",
        {"operation": "DELETE", "old": thing("Secret", "s", data={"a": "b"})},
        signed=(ALICE,),
    ),
    # what the signature must say
    "expired": Case("Expired", signed=(ALICE,), later=timedelta(minutes=10)),
    "valid to the last second": Case("approved", signed=(ALICE,), later=timedelta(seconds=599)),
    "not yet valid": Case("NotYetValid", signed=({**ALICE, "issued_at": NOW + timedelta(seconds=61)},)),
    "a minute ahead is skew": Case("approved", signed=({**ALICE, "issued_at": NOW + timedelta(seconds=60)},)),
    "too long a life": Case("LifetimeTooLong", signed=({**ALICE, "ttl": timedelta(minutes=15, seconds=1)},)),
    "as long as the policy lets it": Case("approved", signed=({**ALICE, "ttl": timedelta(minutes=15)},)),
    "the smallest life of all rules counts": Case(
        "LifetimeTooLong",
        signed=(ALICE,),
        policies=(policy("a", rules=[{"maxTTL": "1h"}]), policy("b", rules=[{"maxTTL": "5m"}])),
    ),
    "for another cluster": Case("WrongCluster", signed=({**ALICE, "audience": "k8s:other"},)),
    "for another operation": Case(
        "WrongOperation", UPDATE, signed=({**ALICE, "operation": "DELETE", "to": None},)
    ),
    "for another requester": Case(
        "WrongRequester",
        signed=({**ALICE, "requester": Requester("system:serviceaccount:agents:sibling", "uid-sibling")},),
    ),
    "for the requester's account as it was": Case(
        "WrongRequester",
        signed=({**ALICE, "requester": Requester("system:serviceaccount:agents:bot", OTHER_UID)},),
    ),
    "for the object before it changed": Case("ObjectChanged", signed=({**ALICE, "from_": Digest("0" * 64)},)),
    "for another new object": Case("ChangeDiffers", UPDATE, signed=({**ALICE, "to": Digest("0" * 64)},)),
    "for other delete options": Case(
        "OptionsDiffer", signed=({**ALICE, "options": {"propagationPolicy": "Orphan"}},)
    ),
    "for a graceful deletion, used for a forced one": Case(
        "OptionsDiffer",
        {
            "operation": "DELETE",
            "old": POD,
            "options": {"propagationPolicy": "Background", "gracePeriodSeconds": 0},
        },
        signed=({**ALICE, "options": {"propagationPolicy": "Background", "minGracePeriodSeconds": 30}},),
        projection=BY_IDENTITY,
    ),
    "for a forced deletion": Case(
        "approved",
        {
            "operation": "DELETE",
            "old": POD,
            "options": {"propagationPolicy": "Background", "gracePeriodSeconds": 0},
        },
        signed=(ALICE,),
        projection=BY_IDENTITY,
    ),
    "options that no approval covers": Case(
        "NotApprovable",
        {**DELETE, "options": {"orphanDependents": True}},
    ),
    # who signed
    "by somebody unknown": Case("UnknownApprover", signed=({"by": "mallory"},)),
    "in somebody else's name": Case(
        "ApproverMismatch", signed=({"by": "alice", "identity": "bob@example.com"},)
    ),
    "by a disabled approver": Case("KeyRevoked", signed=({"by": "gone"},)),
    "by the requester itself": Case("SelfApproval", signed=({"by": "selfish"},)),
    "by an agent of the same owner": Case("SameOwner", rules=ANYBODY, signed=({"by": "sibling"},)),
    "by an agent of another owner, where agents count": Case(
        "approved", rules=ANYBODY, signed=({"by": "robot"},)
    ),
    "by somebody outside the groups": Case(
        "ApproverNotEligible",
        rules=({"approvals": {"fromGroups": ["sre"]}},),
        signed=(BOB,),
    ),
    "by somebody in one of the groups": Case(
        "approved",
        rules=({"approvals": {"fromGroups": ["dba", "sre"]}},),
        signed=(ALICE,),
    ),
    "by a software key where hardware is asked": Case(
        "ApproverNotEligible",
        rules=({"approvals": {"hardwareKeys": True}},),
        signed=(ALICE,),
    ),
    # how many
    "two of two": Case("approved", rules=TWO, signed=(ALICE, BOB)),
    "one of two": Case("QuorumNotMet", rules=TWO, signed=(ALICE,)),
    "the same approval in two slots counts once": Case(
        "QuorumNotMet", rules=TWO, signed=(ALICE, ALICE), slots=("a", "b")
    ),
    "two approvals of one person count once": Case(
        "QuorumNotMet", rules=TWO, signed=(ALICE, {**ALICE, "nonce": "2"})
    ),
    "two keys of one person count once": Case("QuorumNotMet", rules=TWO, signed=(ALICE, {"by": "alice#2"})),
    "two approvers of one owner count once": Case("QuorumNotMet", rules=TWO, signed=(BOB, {"by": "carol"})),
    "unless owners need not differ": Case(
        "approved",
        rules=({"approvals": {"required": 2, "distinctOwners": False}},),
        signed=(BOB, {"by": "carol"}),
    ),
    "two of three": Case("QuorumNotMet", rules=THREE, signed=(ALICE, BOB)),
    "three of three": Case("approved", rules=THREE, signed=(ALICE, BOB, {"by": "carol"})),
    "agents do not fill the humans' places": Case(
        "QuorumNotMet",
        rules=({"approvals": {"required": 1, "minHumans": 1}},),
        signed=({"by": "robot"},),
    ),
    "a bad approval beside a good one is no harm": Case("approved", signed=(ALICE, {"by": "mallory"})),
    "of several bad ones the furthest is reported": Case(
        "ObjectChanged",
        signed=({"by": "mallory"}, {**ALICE, "from_": Digest("0" * 64)}, {**BOB, "audience": "k8s:x"}),
    ),
    "nine approvals on one object": Case(
        "TooManyApprovals",
        signed=tuple({**ALICE, "nonce": str(number)} for number in range(9)),
        slots=tuple(f"s{number}" for number in range(9)),
    ),
    # several rules
    "every rule of every policy must be satisfied": Case(
        "QuorumNotMet",
        policies=(policy("a", rules=list(ANYBODY)), policy("b", rules=list(TWO))),
        signed=(ALICE,),
    ),
    "an approval that one rule does not count serves the other": Case(
        "QuorumNotMet",
        policies=(
            policy("a", rules=list(ANYBODY)),
            policy("b", rules=[{"approvals": {"fromGroups": ["sre"]}}]),
        ),
        signed=(BOB,),
    ),
    "a rule for deletions leaves updates alone": Case(
        "unprotected", UPDATE, rules=({"operations": ["Delete"]},)
    ),
    "a rule for other kinds leaves this one alone": Case(
        "unprotected",
        rules=({"resources": [{"apiGroups": [""], "resources": ["secrets"]}]},),
    ),
    "an excluded kind is left alone": Case(
        "unprotected",
        rules=({"excludeResources": [{"apiGroups": ["apps"], "resources": ["*"]}]},),
    ),
    "a rule that selects other objects leaves this one alone": Case(
        "unprotected",
        rules=({"selector": {"matchLabels": {"app": "db"}}},),
    ),
    "the labels before the change select": Case(
        "ApprovalMissing",
        {**UPDATE, "new": changed(WEB, "metadata", "labels", to={})},
        rules=({"selector": {"matchLabels": {"app": "web"}}},),
    ),
    "an update that takes the object out of the reach of a rule for deletions meets that rule": Case(
        "ApprovalMissing",
        {**UPDATE, "new": changed(WEB, "metadata", "labels", to={})},
        rules=({"operations": ["Delete"], "selector": {"matchLabels": {"app": "web"}}},),
    ),
    "one that leaves it there does not": Case(
        "unprotected",
        {**UPDATE, "new": changed(WEB, "metadata", "labels", "tier", to="x")},
        rules=({"operations": ["Delete"], "selector": {"matchLabels": {"app": "web"}}},),
    ),
    "a Scale shows no labels, so every selector matches": Case(
        "ApprovalMissing",
        {**UPDATE, "subresource": "scale"},
        rules=({"selector": {"matchLabels": {"app": "db"}}},),
    ),
    # exempt, ignore
    "an exempt field is free": Case("exempt", UPDATE, rules=({"exempt": ["/spec/image"]},)),
    "an exempt field beside nine approvals is not, as nobody else could attach one": Case(
        "TooManyApprovals",
        {
            **UPDATE,
            "new": changed(
                NEW_WEB, "metadata", "annotations", to={f"{SLOT}s{number}": "x" for number in range(9)}
            ),
        },
        rules=({"exempt": ["/spec/image"]},),
    ),
    "an exempt field beside another one is not": Case(
        "ApprovalMissing",
        {**UPDATE, "new": changed(NEW_WEB, "spec", "replicas", to=5)},
        rules=({"exempt": ["/spec/image"]},),
    ),
    "exempt frees no deletion": Case(
        "ApprovalMissing",
        {**UPDATE, "new": changed(WEB, "spec", "replicas", to=0)},
        rules=({"exempt": ["/spec/replicas"]},),
    ),
    "an exempt label is free": Case(
        "exempt",
        {**UPDATE, "new": changed(WEB, "metadata", "labels", "tier", to="x")},
        rules=({"exempt": ["/metadata/labels/tier"]},),
    ),
    "an exempt label is free where it is the only one": Case(
        "exempt",
        {"operation": "UPDATE", "old": thing("ConfigMap"), "new": thing("ConfigMap", labels={"tier": "x"})},
        rules=({"exempt": ["/metadata/labels/tier"]},),
    ),
    "an exempt annotation is free to go where it is the last one": Case(
        "exempt",
        {"operation": "UPDATE", "old": thing("ConfigMap", annotations={"a": "b"}), "new": thing("ConfigMap")},
        rules=({"exempt": ["/metadata/annotations/a"]},),
    ),
    "an exempt annotation of a template is free where it is the first one, as of a restart": Case(
        "exempt",
        {
            "operation": "UPDATE",
            "old": thing("Deployment", spec={"template": {"metadata": {"labels": {"a": "b"}}}}),
            "new": thing(
                "Deployment",
                spec={"template": {"metadata": {"labels": {"a": "b"}, "annotations": {"at": "noon"}}}},
            ),
        },
        rules=({"exempt": ["/spec/template/metadata/annotations/at"]},),
    ),
    "another annotation of a template along with it is not": Case(
        "ApprovalMissing",
        {
            "operation": "UPDATE",
            "old": thing("Deployment", spec={"template": {"metadata": {}}}),
            "new": thing(
                "Deployment", spec={"template": {"metadata": {"annotations": {"at": "noon", "by": "me"}}}}
            ),
        },
        rules=({"exempt": ["/spec/template/metadata/annotations/at"]},),
    ),
    "a member of a template that is no object has no exempt annotation": Case(
        "ApprovalMissing",
        {
            "operation": "UPDATE",
            "old": thing("Widget", spec={"template": {"metadata": "none"}}),
            "new": thing("Widget", spec={"template": {"metadata": "some"}}),
        },
        rules=({"exempt": ["/spec/template/metadata/annotations/at"]},),
    ),
    "a label that some policy selects on is never exempt": Case(
        "ApprovalMissing",
        {**UPDATE, "new": changed(WEB, "metadata", "labels", "app", to="x")},
        policies=(
            policy("a", rules=[{"exempt": ["/metadata/labels/app"]}]),
            policy("b", rules=[{"selector": {"matchLabels": {"app": "db"}}}]),
        ),
    ),
    "nor are all labels at once": Case(
        "ApprovalMissing",
        {**UPDATE, "new": changed(WEB, "metadata", "labels", "tier", to="x")},
        policies=(
            policy("a", rules=[{"exempt": ["/metadata/labels"]}]),
            policy("b", rules=[{"selector": {"matchLabels": {"app": "db"}}}]),
        ),
    ),
    "an exempt field inside a list": Case(
        "exempt",
        {
            "operation": "UPDATE",
            "old": thing("Deployment", spec={"c": [{"image": "a"}, {"image": "b"}]}),
            "new": thing("Deployment", spec={"c": [{"image": "a"}, {"image": "c"}]}),
        },
        rules=({"exempt": ["/spec/c/1/image", "/spec/c/7/image", "/spec/none/at/all", "/spec/c/x"]},),
    ),
    "a rule that exempts leaves the others in force": Case(
        "ApprovalMissing",
        UPDATE,
        policies=(policy("a", rules=[{"exempt": ["/spec/image"]}]), policy("b")),
    ),
    "drift at an ignored field is tolerated": Case(
        "approved",
        {"operation": "DELETE", "old": WEB},
        rules=({"ignore": ["/spec/replicas"]},),
        signed=({**ALICE, "ignore": ["/spec/replicas"], "drift": changed(WEB, "spec", "replicas", to=9)},),
    ),
    "an ignored field that one rule does not list is refused": Case(
        "IgnoreNotAllowed",
        policies=(policy("a", rules=[{"ignore": ["/spec/replicas"]}]), policy("b")),
        signed=({**ALICE, "ignore": ["/spec/replicas"]},),
    ),
    # closed by policy
    "a closed collection": Case(
        "NotApprovable",
        {**DELETE, "collection": True},
        rules=({"collections": False},),
        signed=(ALICE,),
    ),
    "the same deletion by name": Case("approved", rules=({"collections": False},), signed=(ALICE,)),
    "an invalid policy admits nothing": Case(
        "NotApprovable",
        policies=(policy("typo", mode="Enforced"),),
        signed=(ALICE,),
    ),
    "an invalid policy for other namespaces is not met": Case(
        "approved",
        policies=(policy("typo", mode="Enforced", namespaces={"selector": {"matchLabels": {"team": "x"}}}),),
        signed=(ALICE,),
    ),
    "a policy without rules is invalid": Case(
        "NotApprovable", policies=(policy("none", rules=[]),), signed=(ALICE,)
    ),
    # modes
    "mode Warn admits": Case("warn", policies=(policy(mode="Warn"),)),
    "mode Audit admits": Case("audit", policies=(policy(mode="Audit"),)),
    "in mode Audit an approved change is approved": Case(
        "approved", policies=(policy(mode="Audit"),), signed=(ALICE,)
    ),
    "an Audit policy beside an Enforce one changes nothing": Case(
        "ApprovalMissing",
        policies=(policy("a", mode="Audit"), policy("b")),
    ),
    "mode Audit frees nothing that is Forbidden": Case(
        "NotApprovable",
        {"operation": "DELETE", "old": thing("ServiceAccount", "x")},
        policies=(policy(mode="Audit"),),
    ),
    "too many approvals do not refuse where nothing is enforced": Case(
        "audit",
        policies=(policy(mode="Audit"),),
        signed=tuple({**ALICE, "nonce": str(number)} for number in range(9)),
        slots=tuple(f"s{number}" for number in range(9)),
    ),
    # cluster scope
    "a protected namespace is guarded by the baseline": Case(
        "ApprovalMissing", {"operation": "DELETE", "old": NAMESPACE}
    ),
    "and its deletion can be approved": Case(
        "approved",
        {"operation": "DELETE", "old": NAMESPACE},
        signed=(ALICE,),
    ),
    "another namespace is not guarded": Case(
        "unprotected",
        {"operation": "DELETE", "old": thing("Namespace", "sandbox")},
    ),
    "a namespace whose label only the cache shows is guarded": Case(
        "ApprovalMissing",
        {"operation": "DELETE", "old": thing("Namespace", "shop")},
    ),
    "a CustomResourceDefinition is guarded": Case(
        "ApprovalMissing",
        {"operation": "DELETE", "old": thing("CustomResourceDefinition", "x.y")},
    ),
    "a Node is guarded": Case("ApprovalMissing", {"operation": "DELETE", "old": thing("Node", "n")}),
    "another cluster-scoped kind is not": Case(
        "unprotected",
        {"operation": "DELETE", "old": thing("CertificateSigningRequest", "c")},
    ),
    "unless a policy lists it": Case(
        "ApprovalMissing",
        {"operation": "DELETE", "old": thing("CertificateSigningRequest", "c")},
        policies=(policy(clusterResources=[{"apiGroups": ["certificates.k8s.io"], "resources": ["*"]}]),),
    ),
    "a policy's rules add to the baseline": Case(
        "QuorumNotMet",
        {"operation": "DELETE", "old": NAMESPACE},
        policies=(
            policy(clusterResources=[{"apiGroups": [""], "resources": ["namespaces"]}], rules=list(TWO)),
        ),
        signed=(ALICE,),
    ),
    # who and when
    "a person is not judged": Case("not-agent", {**DELETE, "user": PERSON}),
    "an impersonated agent": Case("RequesterUnverified", {**DELETE, "user": agent_user(uid="")}),
    "a failed look-up": Case("LookupFailed", known={"lookup_failed": True}, signed=(ALICE,)),
    "a stale cache": Case("KeyringUnavailable", known={"stale": ("approvers",)}, signed=(ALICE,)),
    "a stale cache does not soften what is Forbidden": Case(
        "NotApprovable",
        {"operation": "DELETE", "old": thing("Approver", "a")},
        known={"stale": ("approvers",)},
    ),
    "a stale cache refuses even what is harmless": Case(
        "KeyringUnavailable",
        {**UPDATE, "new": WEB},
        known={"stale": ("approvers",)},
    ),
    # malformed
    "no old object": Case("ReviewMalformed", {"operation": "UPDATE", "new": WEB}),
    "no new object": Case("ReviewMalformed", {"operation": "UPDATE", "old": WEB}),
    "metadata that is no object": Case("ReviewMalformed", {**DELETE, "old": {**WEB, "metadata": []}}),
    "labels that are numbers": Case(
        "ReviewMalformed", {**DELETE, "old": changed(WEB, "metadata", "labels", to={"a": 1})}
    ),
    "finalizers that are no list": Case(
        "ReviewMalformed",
        {**DELETE, "old": changed(WEB, "metadata", "finalizers", to="x")},
    ),
    "an object without uid": Case(
        "ReviewMalformed", {**DELETE, "old": changed(WEB, "metadata", "uid", to=None)}
    ),
    "an unknown operation": Case("ReviewMalformed", {**DELETE, "operation": "RENAME"}),
    "a number beyond 64 bits": Case(
        "ObjectNotCanonical", {**DELETE, "old": changed(WEB, "spec", "x", to=2**64)}
    ),
    "an object of more than 2 MiB": Case(
        "ObjectTooLarge",
        {**DELETE, "old": changed(WEB, "spec", "x", to="x" * (2 << 20))},
    ),
    # harmless, but for the limits
    "attaching an approval": Case(
        "harmless",
        {**UPDATE, "new": changed(WEB, "metadata", "annotations", to={f"{SLOT}alice": "not looked at"})},
    ),
    "attaching under a key that is no slot": Case(
        "ApprovalMalformed",
        {**UPDATE, "new": changed(WEB, "metadata", "annotations", to={f"{SLOT}Alice": "{}"})},
    ),
    "attaching more than 8 KiB": Case(
        "ApprovalTooLarge",
        {**UPDATE, "new": changed(WEB, "metadata", "annotations", to={f"{SLOT}alice": "x" * 8193})},
    ),
    "attaching a ninth": Case(
        "TooManyApprovals",
        {**UPDATE, "new": changed(WEB, "metadata", "annotations", to={f"{SLOT}{n}": "{}" for n in range(9)})},
    ),
    "a creation is harmless": Case("harmless", {"operation": "CREATE", "new": WEB}),
}


def situation_of(case: Case):
    """Return the review with its approvals attached, and the snapshot."""
    request = dict(case.request)
    operation = request.pop("operation")
    subject = review(operation, **request)
    values = []
    for entry in case.signed:
        members = dict(entry)
        drift = members.pop("drift", None)
        truth = change_of(
            dataclasses.replace(subject, old_object=drift or subject.old_object), case.projection
        )
        if members.get("ignore"):
            without = changed(drift or subject.old_object, *members["ignore"][0].split("/")[1:], to=None)
            truth = dataclasses.replace(
                truth,
                from_=change_of(dataclasses.replace(subject, old_object=without), case.projection).from_,
            )
        values.append(sign(truth, **members))
    slots = case.slots or tuple(f"slot-{number}" for number in range(len(values)))
    annotations = {f"{SLOT}{slot}": value for slot, value in zip(slots, values, strict=True)}
    if annotations and case.carrier == "old":
        subject = dataclasses.replace(
            subject,
            old_object=changed(subject.old_object, "metadata", "annotations", to=annotations),
        )
    if annotations and case.carrier == "new":
        subject = dataclasses.replace(
            subject,
            object=changed(subject.object, "metadata", "annotations", to=annotations),
        )
    policies = case.policies or (() if case.rules is None else (policy(rules=list(case.rules)),))
    return subject, snapshot(approvers=case.approvers, policies=policies, **case.known)


def outcome_of(decision) -> str:
    match decision:
        case Allow(reason=reason):
            return reason
        case Deny(code=code):
            return code
        case Hold():
            return "hold"


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_decide(case):
    subject, known = situation_of(case)
    decision = decide(review=subject, snapshot=known, now=NOW + case.later)
    assert outcome_of(decision) == case.want


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_another_request_uid_changes_nothing(case):
    subject, known = situation_of(case)
    again = dataclasses.replace(subject, uid="request-2")
    now = NOW + case.later
    assert decide(review=subject, snapshot=known, now=now) == decide(review=again, snapshot=known, now=now)


DRY = {
    name: case
    for name, case in CASES.items()
    if case.want in {code.value for code in Code} and case.want != "ReviewMalformed"
}


@pytest.mark.parametrize("case", DRY.values(), ids=DRY.keys())
def test_a_dry_run_has_the_same_code(case):
    subject, known = situation_of(case)
    decision = decide(
        review=dataclasses.replace(subject, dry_run=True),
        snapshot=known,
        now=NOW + case.later,
    )
    assert isinstance(decision, Deny)
    assert decision.code == case.want
    final = {State.BARRED, State.UNAVAILABLE}
    assert decision.state is State.DRY_RUN or decision.state in final


def filed(subject: Review, **members: Any) -> dict[tuple[str, str], FiledRequest]:
    """Return a filed ChangeRequest of a review's change, under the name that change has."""
    plain = decide(review=subject, snapshot=snapshot(approvers=APPROVERS), now=NOW)
    digest = plain.facts.change_digest
    request = FiledRequest(
        **{
            "change": digest,
            "uid": "uid-of-request",
            "requester": plain.facts.change.requester,
            "annotations": {},
            "rejection": None,
            "created": NOW,
            "expires": NOW + timedelta(hours=24),
            **members,
        },
    )
    return {("shop", change_id(digest)): request}


def test_an_approval_on_the_change_request_counts_like_one_on_the_object():
    subject = review("UPDATE", old=WEB, new=NEW_WEB)
    requests = filed(subject, annotations={f"{SLOT}alice": sign(change_of(subject))})
    decision = decide(review=subject, snapshot=snapshot(approvers=APPROVERS, requests=requests), now=NOW)
    assert outcome_of(decision) == "approved"


def test_a_change_request_that_records_another_change_is_no_carrier():
    subject = review("UPDATE", old=WEB, new=NEW_WEB)
    requests = filed(subject, annotations={f"{SLOT}alice": sign(change_of(subject))}, change=Digest("0" * 64))
    decision = decide(review=subject, snapshot=snapshot(approvers=APPROVERS, requests=requests), now=NOW)
    assert outcome_of(decision) == "ApprovalMissing"
    assert decision.filing == Filing(namespace="shop", filed_at=NOW, expires=NOW + timedelta(hours=24))


def test_a_rejection_outweighs_every_approval_until_it_lapses():
    subject = review("UPDATE", old=WEB, new=NEW_WEB)
    rejection = Rejection(by="bob", reason="no", at=NOW, until=NOW + timedelta(hours=1))
    requests = filed(subject, annotations={f"{SLOT}alice": sign(change_of(subject))}, rejection=rejection)
    known = snapshot(approvers=APPROVERS, requests=requests)
    assert outcome_of(decide(review=subject, snapshot=known, now=NOW)) == "ChangeRejected"
    rejected = dataclasses.replace(subject, dry_run=True)
    assert decide(review=rejected, snapshot=known, now=NOW).state is State.REJECTED
    over = Rejection(by="bob", reason="no", at=NOW, until=NOW)
    ((key, request),) = requests.items()
    lapsed = dataclasses.replace(known, requests={key: dataclasses.replace(request, rejection=over)})
    assert outcome_of(decide(review=subject, snapshot=lapsed, now=NOW)) == "approved"


HOLD = (policy(rules=[{"hold": "30s"}]),)


def held(age: timedelta, **request: Any):
    subject = review("DELETE", old=WEB, **request)
    known = snapshot(approvers=APPROVERS, policies=HOLD, requests=filed(subject, created=NOW - age))
    return decide(review=subject, snapshot=known, now=NOW)


def test_a_refusal_is_held_from_the_filing_on_for_as_long_as_the_rule_says():
    decision = held(timedelta(seconds=29))
    assert isinstance(decision, Hold)
    assert decision.refusal.state is State.PENDING
    assert outcome_of(held(timedelta(seconds=30))) == "ApprovalMissing"


def test_a_dry_run_is_not_held():
    assert outcome_of(held(timedelta(seconds=1), dry_run=True)) == "ApprovalMissing"


def first_held(since: timedelta | None, **members: Any) -> Decision:
    subject = review("DELETE", old=WEB)
    known = snapshot(approvers=APPROVERS, policies=HOLD)
    key = ("shop", decide(review=subject, snapshot=known, now=NOW).refusal.facts.change_id)
    backlog = Backlog(**{"since": {} if since is None else {key: NOW - since}, **members})
    return decide(review=subject, snapshot=dataclasses.replace(known, backlog=backlog), now=NOW)


def test_the_first_refusal_is_held_before_it_is_filed():
    assert isinstance(first_held(None), Hold)
    assert isinstance(first_held(timedelta(seconds=29)), Hold)


def test_a_hold_ends_where_filing_goes_wrong_too():
    assert outcome_of(first_held(timedelta(seconds=30))) == "ApprovalMissing"


def test_what_is_not_going_to_be_filed_is_not_held():
    assert outcome_of(first_held(None, full=True)) == "ApprovalMissing"


def test_an_approval_that_is_spent_does_not_count():
    subject, known = situation_of(CASES["an approved update is admitted"])
    first = decide(review=subject, snapshot=known, now=NOW)
    (claim,) = first.facts.counted
    spent = dataclasses.replace(known, spent={claim.payload: NOW - timedelta(minutes=1)})
    again = decide(review=subject, snapshot=spent, now=NOW)
    assert (outcome_of(again), again.state) == ("AlreadyUsed", State.USED)
    assert "was spent 2026-11-23T11:59Z" in again.message


def test_a_spent_approval_beside_fresh_ones_leaves_a_quorum():
    subject, known = situation_of(Case("approved", UPDATE, signed=(ALICE, BOB)))
    claims = decide(review=subject, snapshot=known, now=NOW).facts.counted
    assert len(claims) == 2
    spent = dataclasses.replace(known, spent={claims[0].payload: NOW})
    assert outcome_of(decide(review=subject, snapshot=spent, now=NOW)) == "approved"


def test_an_admitted_change_names_what_admitted_it():
    subject, known = situation_of(CASES["an approved update is admitted"])
    facts = decide(review=subject, snapshot=known, now=NOW).facts
    assert [claim.approver for claim in facts.counted] == ["alice"]
    assert facts.rules == ("built-in",)
    assert (facts.agent_tag, facts.owner) == ("label", "team-platform")
    assert facts.change == change_of(review("UPDATE", old=WEB, new=NEW_WEB))
    assert facts.change_id == change_id(facts.change_digest)


@pytest.mark.parametrize("slots", [("a", "b"), ("b", "a")])
def test_a_spoilt_copy_of_an_approval_does_not_hide_it(slots):
    subject = review("DELETE", old=WEB)
    envelope = sign(change_of(subject))
    spoilt = json.dumps({**json.loads(envelope), "signatures": [{"sig": "AAAA"}]})
    annotations = {f"{SLOT}{slots[0]}": envelope, f"{SLOT}{slots[1]}": spoilt}
    subject = review("DELETE", old=changed(WEB, "metadata", "annotations", to=annotations))
    assert outcome_of(decide(review=subject, snapshot=snapshot(approvers=APPROVERS), now=NOW)) == "approved"


def test_mode_warn_sends_one_warning():
    subject, known = situation_of(CASES["mode Warn admits"])
    decision = decide(review=subject, snapshot=known, now=NOW)
    assert decision.warnings == ("peergate: would need approval: rule prod/0, 0/1",)
    assert decision.code is Code.APPROVAL_MISSING


def test_a_policy_in_mode_warn_beside_a_satisfied_one_still_warns():
    case = Case(
        "approved",
        policies=(policy("a"), policy("b", mode="Warn", rules=list(TWO))),
        signed=(ALICE,),
    )
    subject, known = situation_of(case)
    decision = decide(review=subject, snapshot=known, now=NOW)
    assert decision.warnings == ("peergate: would need approval: rule b/0, 1/2",)


def test_an_object_nested_too_deep_is_refused():
    deep: Any = {}
    for _ in range(5000):
        deep = {"a": deep}
    subject = review("UPDATE", old=WEB, new=changed(WEB, "spec", "x", to=0))
    subject = dataclasses.replace(subject, object={**subject.object, "spec": deep})
    decision = decide(review=subject, snapshot=snapshot(), now=NOW)
    assert outcome_of(decision) == "ObjectNotCanonical"


UNAVAILABLE: dict[str, tuple[Callable[[], Any], str]] = {
    "an agent is told to wait": (
        lambda: refuse_unavailable(
            review=review("DELETE", old=WEB), snapshot=snapshot(), code=Code.DEADLINE_EXCEEDED
        ),
        "DeadlineExceeded",
    ),
    "an impersonated agent too": (
        lambda: refuse_unavailable(
            review=review("DELETE", old=WEB, user=agent_user(uid="")),
            snapshot=snapshot(),
            code=Code.INTERNAL_ERROR,
        ),
        "InternalError",
    ),
    "a name whose live account could not be asked for too": (
        lambda: refuse_unavailable(
            review=review("DELETE", old=WEB, user=agent_user("system:serviceaccount:shop:builder", "new")),
            snapshot=snapshot(),
            code=Code.DEADLINE_EXCEEDED,
        ),
        "DeadlineExceeded",
    ),
    "a person goes on": (
        lambda: refuse_unavailable(
            review=review("DELETE", old=WEB, user=PERSON),
            snapshot=snapshot(),
            code=Code.INTERNAL_ERROR,
        ),
        "not-agent",
    ),
    "the check of our own resources fails open": (
        lambda: refuse_unavailable(
            review=review("CREATE", new=thing("Approver", "a"), gate=Gate.RESOURCES),
            snapshot=None,
            code=Code.INTERNAL_ERROR,
        ),
        "not-agent",
    ),
    "before the first snapshot everybody waits": (
        lambda: refuse_unavailable(
            review=review("DELETE", old=WEB), snapshot=None, code=Code.KEYRING_UNAVAILABLE
        ),
        "KeyringUnavailable",
    ),
}


@pytest.mark.parametrize(("answer", "want"), UNAVAILABLE.values(), ids=UNAVAILABLE.keys())
def test_refuse_unavailable(answer, want):
    assert outcome_of(answer()) == want


def test_the_agent_of_these_tests_is_the_agent_of_the_snapshot():
    assert snapshot().accounts["agents", "bot"].uid == AGENT_UID
