"""Reviews of a real API server with something changed in them: no change of theirs opens a door."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.gate import NOW, snapshot
from tests.support.mutations import RECORDED, as_agent, gate_of, harmless, mutated, same_address
from tests.support.peers import sign
from tests.unit.gate.test_decide import APPROVERS, change_of

from peergate.errors import InputError
from peergate.gate.decide import decide
from peergate.model.decision import Allow, Decision, Deny, Hold
from peergate.model.review import parse_review

KNOWN = snapshot(approvers=APPROVERS)
SLOT = "approval.peergate.dev/v1.alice"
LEAVES_OPEN = {("serviceaccounts", "token"), ("pods", "eviction")}
"""A changed name can make another request of these; who may is tested by name."""


def decided(document: dict[str, Any]) -> Decision | None:
    """Return the decision; ``None`` where the edge answers for the gate, which is a refusal."""
    try:
        review = parse_review(document, gate=gate_of(document))
    except InputError:
        return None
    decision = decide(review=review, snapshot=KNOWN, now=NOW)
    assert isinstance(decision, Allow | Deny | Hold)
    return decision


def admitted(document: dict[str, Any]) -> bool:
    return isinstance(decided(document), Allow)


def judged(document: dict[str, Any]) -> bool:
    """Tell whether the property is about this review: a CREATE of an object may become an ordinary one."""
    request = document["request"]
    address = (request["resource"]["resource"], request.get("subResource") or "")
    return (request["operation"] != "CREATE" or bool(address[1])) and address not in LEAVES_OPEN


REFUSED = [
    document for recorded in RECORDED if judged(document := as_agent(recorded)) and not admitted(document)
]


def roots_of(document: dict[str, Any]) -> list[str]:
    """Return what may be changed: everything but who asks, for what, and where.

    Which namespace is protected is read from its old labels, and no request changes those.
    """
    free = ["object", "options", "dryRun", "name", "uid", "requestKind", "requestResource"]
    return free if document["request"]["resource"]["resource"] == "namespaces" else [*free, "oldObject"]


def test_there_is_enough_to_change():
    operations = {document["request"]["operation"] for document in REFUSED}
    assert operations == {"CONNECT", "DELETE", "UPDATE"}
    assert len(REFUSED) > 40


def stays_refused(data: Any) -> None:
    document = data.draw(st.sampled_from(REFUSED))
    other = data.draw(mutated(document, roots_of(document)))
    assert same_address(document, other)
    if admitted(other):
        assert harmless(other["request"]), json.dumps(other["request"])


@given(st.data())
@settings(max_examples=400)
def test_a_refused_review_stays_refused_whatever_is_changed(data):
    stays_refused(data)


@pytest.mark.slow
@given(st.data())
@settings(max_examples=5_000)
def test_a_refused_review_stays_refused_thoroughly(data):
    stays_refused(data)


# --- what an approval covers is that change and no other ---


def approved(document: dict[str, Any]) -> dict[str, Any]:
    """Return the review with a valid approval of exactly this change on the object."""
    review = copy.deepcopy(document)
    envelope = sign(change_of(parse_review(review, gate=gate_of(review))))
    for member in ("oldObject", "object"):
        if review["request"].get(member) is not None:
            metadata = review["request"][member]["metadata"]
            metadata["annotations"] = {**(metadata.get("annotations") or {}), SLOT: envelope}
    return review


def signable(document: dict[str, Any]) -> bool:
    request = document["request"]
    return request["operation"] in {"DELETE", "UPDATE"} and admitted(approved(document))


APPROVED = [approved(document) for document in REFUSED if signable(document)]
UNBOUND_OPTIONS = ("kind", "apiVersion", "preconditions", "dryRun", "gracePeriodSeconds", "fieldManager")
"""What of the options an approval leaves open (approval-format.md §6.2), or is never there."""


def test_there_is_enough_that_was_approved():
    assert {document["request"]["operation"] for document in APPROVED} == {"DELETE", "UPDATE"}
    assert len(APPROVED) > 15


def bound(document: dict[str, Any]) -> Any:
    """Return what an approval of this change says yes to, in other words than the gate's."""
    request = document["request"]
    sides = []
    # A deletion has no new object; one that is there all the same means nothing.
    for member in ("oldObject", "object") if request["operation"] == "UPDATE" else ("oldObject",):
        live = request.get(member)
        metadata = (live or {}).get("metadata") or {}
        annotations = metadata.get("annotations") or {}
        kept = {
            key: value for key, value in annotations.items() if not key.startswith("approval.peergate.dev/")
        }
        sides.append(
            None
            if live is None
            else {
                **{
                    name: metadata.get(name) or None
                    for name in ("name", "namespace", "uid", "labels", "ownerReferences")
                },
                "finalizers": [
                    one
                    for one in metadata.get("finalizers") or []
                    if request["operation"] == "UPDATE" or one not in {"foregroundDeletion", "orphan"}
                ],
                "annotations": kept,
                "rest": {
                    name: value
                    for name, value in live.items()
                    if name not in {"metadata", "status", "apiVersion", "kind"}
                },
            }
        )
    options = {
        name: value for name, value in (request.get("options") or {}).items() if name not in UNBOUND_OPTIONS
    }
    return json.dumps([sides, options if request["operation"] == "DELETE" else None], sort_keys=True)


def covers_nothing_else(data: Any) -> None:
    document = data.draw(st.sampled_from(APPROVED))
    other = data.draw(mutated(document, roots_of(document)))
    by_identity = document["request"]["resource"]["resource"] in {"pods", "secrets", "jobs", "leases"}
    if not admitted(other) or harmless(other["request"]):
        return
    if document["request"]["operation"] == "DELETE" and by_identity:
        live, before = (one["request"]["oldObject"]["metadata"] for one in (other, document))
        assert [live.get(name) for name in ("name", "namespace", "uid")] == [
            before.get(name) for name in ("name", "namespace", "uid")
        ]
        return
    assert bound(other) == bound(document), json.dumps(other["request"])


@given(st.data())
@settings(max_examples=300)
def test_an_approved_review_covers_no_other_change(data):
    covers_nothing_else(data)


@pytest.mark.slow
@given(st.data())
@settings(max_examples=3_000)
def test_an_approved_review_covers_no_other_change_thoroughly(data):
    covers_nothing_else(data)


@given(st.data())
@settings(max_examples=300)
def test_a_spoilt_approval_counts_for_nothing_or_for_the_same(data):
    document = copy.deepcopy(data.draw(st.sampled_from(APPROVED)))
    before = decided(document)
    assert isinstance(before, Allow)
    metadata = document["request"]["oldObject"]["metadata"]
    envelope = metadata["annotations"][SLOT]
    at = data.draw(st.integers(0, len(envelope) - 1))
    letter = data.draw(st.characters(codec="utf-8"))
    spoilt = envelope[:at] + letter + envelope[at + data.draw(st.integers(0, 2)) :]
    for member in ("oldObject", "object"):
        if document["request"].get(member) is not None:
            document["request"][member]["metadata"]["annotations"][SLOT] = spoilt
    after = decided(document)
    if isinstance(after, Allow):
        assert [claim.payload for claim in after.facts.counted] == [
            claim.payload for claim in before.facts.counted
        ]
