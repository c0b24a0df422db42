"""A ChangeRequest as the gate sees it."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.support.gate import AUDIENCE, changed

from peergate.approval.change import change_digest
from peergate.gate.filed import read_filed_request, recorded_change
from peergate.model.change import Change, ObjectRef, Requester
from peergate.model.changerequest import ChangeRequestSpec
from peergate.model.names import Digest

CHANGE = Change(
    audience=AUDIENCE,
    operation="UPDATE",
    object=ObjectRef("apps", "v1", "deployments", "", "shop", "web", "u1"),
    requester=Requester("system:serviceaccount:agents:bot", "u2"),
    projection="k8s-projection/v1",
    from_=Digest("a" * 64),
    to=Digest("b" * 64),
    options={},
)
SPEC: dict[str, Any] = {
    "audience": AUDIENCE,
    "operation": "UPDATE",
    "object": dataclasses.asdict(CHANGE.object),
    "requester": {"username": CHANGE.requester.username, "uid": "u2", "owner": "team"},
    "projection": "k8s-projection/v1",
    "from": "a" * 64,
    "to": "b" * 64,
    "effect": "Replace",
    "filedAt": "2026-11-23T12:00:00Z",
    "expires": "2026-11-24T12:00:00Z",
}
DOCUMENT: dict[str, Any] = {
    "metadata": {
        "name": "cr-x",
        "creationTimestamp": "2026-11-23T12:00:01Z",
        "annotations": {"approval.peergate.dev/v1.alice": "{}", "note": "x"},
    },
    "spec": SPEC,
}


def test_what_counts_is_computed_from_what_it_records():
    filed = read_filed_request(DOCUMENT)
    assert filed is not None
    assert filed.change == change_digest(CHANGE)
    assert filed.annotations == {"approval.peergate.dev/v1.alice": "{}"}
    assert filed.rejection is None
    assert filed.created == datetime(2026, 11, 23, 12, 0, 1, tzinfo=UTC)
    assert filed.expires == datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def test_a_deletion_records_no_new_object():
    spec = ChangeRequestSpec.model_validate({**SPEC, "operation": "DELETE", "to": None})
    assert recorded_change(spec).to is None


def test_a_rejection_is_read():
    rejection = {"by": "bob", "reason": "no", "at": "2026-11-23T12:00:00Z", "until": "2026-11-24T12:00:00Z"}
    filed = read_filed_request({**DOCUMENT, "status": {"rejection": rejection}})
    assert filed is not None
    assert filed.rejection is not None
    assert filed.rejection.by == "bob"


def test_a_rejection_in_force_keeps_it_from_being_opened_again():
    rejection = {"by": "bob", "reason": "no", "at": "2026-11-23T12:00:00Z", "until": "2026-11-23T13:00:00Z"}
    filed = read_filed_request({**DOCUMENT, "status": {"state": "Rejected", "rejection": rejection}})
    assert filed is not None
    in_force, lapsed = (datetime(2026, 11, 23, hour, tzinfo=UTC) for hour in (12, 13))
    assert (filed.is_rejected(now=in_force), filed.is_open(now=in_force)) == (True, True)
    assert (filed.is_rejected(now=lapsed), filed.is_open(now=lapsed)) == (False, False)


REJECTED = {
    **DOCUMENT,
    "status": {
        "rejection": {"by": "bob", "at": "2026-11-23T12:00:00Z", "until": "2026-11-24T12:00:00Z"},
    },
}
LATER = {
    "in its spec": changed(REJECTED, "spec", "extra", to=1),
    "about the requester": changed(REJECTED, "spec", "requester", "extra", to=1),
    "about the object": changed(REJECTED, "spec", "object", "extra", to={"more": [1]}),
    "in its status": changed(REJECTED, "status", "extra", to=1),
    "in its rejection": changed(REJECTED, "status", "rejection", "extra", to=1),
}


@pytest.mark.parametrize("document", LATER.values(), ids=LATER.keys())
def test_what_a_later_version_says_besides_loses_neither_approvals_nor_rejection(document):
    filed = read_filed_request(REJECTED)
    assert filed is not None
    assert filed.rejection is not None
    assert read_filed_request(document) == filed


UNREADABLE = {
    "no spec": {"metadata": DOCUMENT["metadata"]},
    "a digest that is none": changed(DOCUMENT, "spec", "from", to="x"),
    "no creation time": changed(DOCUMENT, "metadata", "creationTimestamp", to=None),
    "an unreadable rejection": {**DOCUMENT, "status": {"rejection": {"by": "bob"}}},
    "annotations that are no object": changed(DOCUMENT, "metadata", "annotations", to="x"),
    "a status that is no object": {**DOCUMENT, "status": "x"},
}


@pytest.mark.parametrize("document", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_cannot_be_read_is_no_request(document):
    assert read_filed_request(document) is None
