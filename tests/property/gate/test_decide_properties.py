"""What holds for every review, every policy and every set of approvals."""

from __future__ import annotations

import dataclasses
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.gate import AGENT_UID, NOW, agent_user, changed, policy, review, snapshot, thing
from tests.support.peers import approver, sign
from tests.unit.gate.test_decide import APPROVERS, change_of

from peergate.errors import InputError
from peergate.gate.decide import decide, refuse_unavailable
from peergate.gate.effects import ENTRIES
from peergate.gate.wording import BANNED, LINE_ONE_BYTES, TEXT_BYTES
from peergate.model.decision import Allow, Code, Deny, Hold
from peergate.model.review import Gate, parse_review

RECORDED = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "fixtures" / "admission_reviews.jsonl").read_text().splitlines()
]
WEB = thing("Deployment", spec={"replicas": 3, "image": "web:1"}, labels={"app": "web"})
SUBJECTS = {
    "DELETE": review("DELETE", old=WEB),
    "UPDATE": review("UPDATE", old=WEB, new=changed(WEB, "spec", "image", to="web:2")),
}
SIGNERS = ("alice", "alice#2", "bob", "carol", "robot", "sibling", "selfish", "gone", "mallory")
ENVELOPES = {
    operation: [
        *(sign(change_of(subject), by=by) for by in SIGNERS),
        sign(change_of(subject), audience="k8s:other"),
        "{}",
        "not json",
    ]
    for operation, subject in SUBJECTS.items()
}

rules = st.fixed_dictionaries(
    {},
    optional={
        "operations": st.sampled_from([["Delete"], ["Replace"], ["Delete", "Replace"]]),
        "selector": st.sampled_from([{}, {"matchLabels": {"app": "web"}}, {"matchLabels": {"app": "db"}}]),
        "exempt": st.sampled_from([[], ["/spec/image"], ["/metadata/labels"]]),
        "collections": st.booleans(),
        "maxTTL": st.sampled_from(["5m", "15m", "1h"]),
        "approvals": st.fixed_dictionaries(
            {},
            optional={
                "required": st.integers(1, 3),
                "minHumans": st.integers(0, 2),
                "fromGroups": st.sampled_from([[], ["sre"]]),
                "distinctOwners": st.booleans(),
                "hardwareKeys": st.booleans(),
            },
        ),
    },
)
policies = st.fixed_dictionaries(
    {"rules": st.lists(rules, max_size=2)},
    optional={
        "mode": st.sampled_from(["Enforce", "Enforce", "Warn", "Audit", "Typo"]),
        "namespaces": st.sampled_from([{}, {"selector": {"matchLabels": {"team": "shop"}}}]),
    },
)
operations = st.sampled_from(sorted(SUBJECTS))
chosen = st.lists(st.integers(0, len(SIGNERS) + 2), max_size=5, unique=True)


def documents(specs):
    return [policy(f"p{number}", **spec) for number, spec in enumerate(specs)]


def verdict(operation: str, indices, specs, *, shuffle: random.Random | None = None):
    """Return the decision on a subject that carries these envelopes under these policies."""
    subject = SUBJECTS[operation]
    annotations = [(f"approval.peergate.dev/v1.s{index}", ENVELOPES[operation][index]) for index in indices]
    written = documents(specs)
    people = list(APPROVERS.items())
    if shuffle is not None:
        slots = [key for key, _ in annotations]
        for order in (slots, written, people):
            shuffle.shuffle(order)
        annotations = [(slot, value) for slot, (_, value) in zip(slots, annotations, strict=True)]
    old = changed(subject.old_object or {}, "metadata", "annotations", to=dict(annotations))
    known = snapshot(approvers=dict(people), policies=written)
    return decide(review=dataclasses.replace(subject, old_object=old), snapshot=known, now=NOW)


def admitted(decision) -> bool:
    assert isinstance(decision, Allow | Deny | Hold)
    return isinstance(decision, Allow)


@given(operations, chosen, st.integers(0, len(SIGNERS) + 2), st.lists(policies, max_size=3))
def test_adding_an_approval_never_turns_an_allow_into_a_denial(operation, indices, another, specs):
    fewer = [index for index in indices if index != another]
    if admitted(verdict(operation, fewer, specs)):
        assert admitted(verdict(operation, [*fewer, another], specs))


@given(operations, chosen, st.data(), st.lists(policies, max_size=3))
def test_removing_an_approval_never_turns_a_denial_into_an_allow(operation, indices, data, specs):
    if not admitted(verdict(operation, indices, specs)):
        kept = data.draw(st.lists(st.sampled_from(indices), unique=True)) if indices else []
        assert not admitted(verdict(operation, kept, specs))


@given(operations, chosen, st.lists(policies, min_size=1, max_size=3), policies)
def test_adding_a_policy_never_loosens_where_an_enforced_one_selects(operation, indices, specs, another):
    enforced = [{**specs[0], "mode": "Enforce", "namespaces": {}}, *specs[1:]]
    if not admitted(verdict(operation, indices, enforced)):
        assert not admitted(verdict(operation, indices, [*enforced, another]))


@given(operations, chosen, st.lists(policies, max_size=3), st.randoms(use_true_random=False))
def test_order_never_matters(operation, indices, specs, shuffle):
    def essence(decision):
        match decision:
            case Allow(reason=reason, code=code):
                return reason, code, {claim.payload for claim in decision.facts.counted}
            case Deny(code=code, state=state):
                return code, state, {claim.payload for claim in decision.facts.counted}
            case Hold():
                raise AssertionError

    # The policies keep their names whatever the order they are handed over in.
    one, other = verdict(operation, indices, specs), verdict(operation, indices, specs, shuffle=shuffle)
    assert essence(one) == essence(other)


@given(operations, chosen, st.lists(policies, max_size=3))
def test_equal_input_gives_an_equal_answer(operation, indices, specs):
    assert verdict(operation, indices, specs) == verdict(operation, indices, specs)


@given(operations, chosen, st.lists(policies, max_size=2), st.text(max_size=400))
def test_every_text_obeys_the_rules(operation, indices, specs, name):
    subject = SUBJECTS[operation]
    annotations = {f"approval.peergate.dev/v1.s{index}": ENVELOPES[operation][index] for index in indices}
    old = changed(subject.old_object or {}, "metadata", "annotations", to=annotations)
    old = changed(old, "metadata", "name", to=name or "x")
    known = snapshot(approvers=APPROVERS, policies=documents(specs))
    decision = decide(review=dataclasses.replace(subject, old_object=old), snapshot=known, now=NOW)
    if isinstance(decision, Deny):
        text = decision.message
        assert len(text.encode()) <= TEXT_BYTES
        assert len(text.split("\n")[0].encode()) <= LINE_ONE_BYTES
        assert all(char == "\n" or (" " <= char <= "~" and char not in '"\\') for char in text)
        # A name that itself holds a banned word is the user's, and exempt.
        assert any(word in name.lower() for word in BANNED) or not [w for w in BANNED if w in text.lower()]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
likely = st.sampled_from(
    [
        "metadata",
        "labels",
        "annotations",
        "finalizers",
        "ownerReferences",
        "spec",
        "template",
        "containers",
        "serviceAccountName",
        "volumes",
        "projected",
        "sources",
        "subjects",
        "status",
        "name",
        "uid",
        "replicas",
        "data",
        "type",
        "signerName",
        "jobTemplate",
        "group",
        "versions",
        "schema",
        "served",
        "conversion",
        "aggregationRule",
        "persistentVolumeReclaimPolicy",
        "persistentVolumeClaimRetentionPolicy",
        "whenDeleted",
        "claimRef",
        "taints",
        "effect",
        "suspend",
        "parallelism",
        "ttlSecondsAfterFinished",
        "shutdownTime",
        "revisionHistoryLimit",
        "minReplicas",
        "maxReplicaCount",
        "hostPath",
        "securityContext",
        "privileged",
        "deleteOptions",
        "preconditions",
        "gracePeriodSeconds",
        "command",
        "ports",
        "path",
    ],
)
objects = st.recursive(
    json_values,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(likely, inner, max_size=4),
    max_leaves=20,
)
resources = st.sampled_from(
    sorted(
        {pair for entry in ENTRIES for pair in entry.resources}
        | {("peergate.dev", "changerequests"), ("peergate.dev", "approvers"), ("example.com", "widgets")}
    )
)
documents_of_any_shape = st.dictionaries(likely, objects, max_size=4) | st.fixed_dictionaries(
    {"spec": st.dictionaries(likely, json_values, min_size=1, max_size=6)}
)


@given(
    st.sampled_from(["CREATE", "UPDATE", "DELETE", "CONNECT", "?"]),
    resources,
    st.sampled_from(
        ["", "status", "scale", "eviction", "token", "ephemeralcontainers", "finalize", "exec", "proxy", "x"]
    ),
    st.none() | documents_of_any_shape,
    st.none() | documents_of_any_shape,
    st.none() | st.dictionaries(st.text(max_size=8), json_values, max_size=3),
    st.sampled_from(list(Gate)),
    st.booleans(),
    st.none() | documents_of_any_shape,
)
@settings(max_examples=600)
def test_decide_never_raises(operation, resource, subresource, old, new, options, gate, well_named, pod):
    if well_named:
        for document in (old, new, pod):
            if document is not None:
                metadata = document.get("metadata")
                document["metadata"] = {
                    **(metadata if isinstance(metadata, dict) else {}),
                    "name": "n",
                    "namespace": "shop",
                    "uid": "u",
                }
    group, plural = resource
    request: dict[str, Any] = {
        "uid": "1",
        "kind": {"group": group, "version": "v1", "kind": "X"},
        "resource": {"group": group, "version": "v1", "resource": plural},
        "subResource": subresource,
        "namespace": "shop",
        "operation": operation,
        "userInfo": {"username": agent_user().username, "uid": AGENT_UID},
        "object": new,
        "oldObject": old,
        "options": options,
    }
    document = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    subject = parse_review(document, gate=gate)
    opening = policy(allowCreate=[{"apiGroups": ["*"], "resources": ["*"]}], allowConnect=["pods/exec"])
    known = snapshot(approvers=APPROVERS, pod=pod, policies=[opening])
    decision = decide(review=subject, snapshot=known, now=NOW)
    assert isinstance(decision, Allow | Deny | Hold)
    assert isinstance(
        refuse_unavailable(review=subject, snapshot=known, code=Code.INTERNAL_ERROR), Allow | Deny
    )


@given(json_values)
def test_parsing_answers_or_says_what_is_wrong(value):
    request = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": value}
    for document in (value, request):
        with pytest.raises(InputError):
            parse_review(document, gate=Gate.NAMESPACED)


@pytest.mark.parametrize("document", RECORDED, ids=lambda document: document["request"]["uid"])
@pytest.mark.parametrize("gate", list(Gate))
@pytest.mark.parametrize("who", ["as recorded", "an agent"])
def test_every_recorded_review_gets_a_decision_and_the_same_one_twice(document, gate, who):
    subject = parse_review(document, gate=gate)
    if who == "an agent":
        subject = dataclasses.replace(subject, user=agent_user())
    known = snapshot(approvers={"alice": approver("alice")})
    first = decide(review=subject, snapshot=known, now=NOW)
    assert isinstance(first, Allow | Deny | Hold)
    assert (
        decide(
            review=parse_review(document, gate=gate) if who == "as recorded" else subject,
            snapshot=known,
            now=NOW,
        )
        == first
    )
