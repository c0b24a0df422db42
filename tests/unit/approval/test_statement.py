"""Statements: the closed model, member by member (V13)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from tests.support.approvals import (
    ALICE,
    DROP,
    NOW,
    VECTOR_PAYLOAD,
    delete_target,
    pod_target,
    ref,
    statement,
    update_target,
)

from peergate.approval.statement import (
    StatementMalformed,
    StatementUnsupported,
    parse_statement,
    write_statement,
)
from peergate.model.change import Requester
from peergate.model.names import Digest

UPDATE = update_target().change("k8s-projection/v1")
DELETE = delete_target().change("k8s-projection/v1")
POD = pod_target().change("k8s-projection/v1")
CHANGES = {"update": UPDATE, "delete": DELETE, "pod": POD}
A = "a" * 64


def test_the_vector():
    assert len(VECTOR_PAYLOAD) == 1030
    assert (
        sha256(VECTOR_PAYLOAD).hexdigest()
        == "41ba75356ee1322fd8b9286d5d72ef8504874f5ae177f23b1dcc8e040a02cf8a"
    )
    parsed = parse_statement(VECTOR_PAYLOAD)
    assert parsed.change == UPDATE
    assert parsed.predicate.approver == ALICE
    assert parsed.predicate.issued_at == datetime(2026, 11, 23, 11, 50, tzinfo=UTC)
    assert parsed.predicate.options == {}


def written(change: Any = UPDATE, **members: Any) -> bytes:
    return write_statement(
        change,
        **{
            "approver": ALICE,
            "issued_at": datetime(2026, 11, 23, 11, 50, tzinfo=UTC),
            "expires": datetime(2026, 11, 23, 12, 5, tzinfo=UTC),
            "nonce": bytes.fromhex("abcdef1234567890abcdef1234567890"),
            "reason": "CHG-10423: image 1.4 to 1.5, diff reviewed",
            **members,
        },
    )


def test_the_vector_is_what_we_write():
    assert written() == VECTOR_PAYLOAD


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_is_written_approves_the_change(change: Any):
    payload = written(change, policy=("prod", Digest(A)), display=Digest(A), reason="für später")
    parsed = parse_statement(payload)
    assert parsed.change == change
    assert parsed.predicate.policy is not None
    assert parsed.predicate.policy.name == "prod"
    assert parsed.predicate.display is not None
    assert "für später".encode() in payload


NOT_WRITTEN = {
    "an empty reason": {"reason": ""},
    "a reason with a lone surrogate": {"reason": "\ud800"},
    "more than 3,900 bytes": {"reason": "\U0001f600" * 512, "ignore": ["/spec/" + "x" * 120] * 8},
    "a nonce that is too short": {"nonce": b"x" * 15},
    "an end before the start": {"expires": NOW - timedelta(days=1)},
}


@pytest.mark.parametrize("members", NOT_WRITTEN.values(), ids=NOT_WRITTEN)
def test_nothing_malformed_is_written(members: dict[str, Any]):
    with pytest.raises(StatementMalformed):
        written(**members)


TAKEN = {
    "a DELETE of the identity": ("delete", {"predicate.projection": "k8s-identity/v1"}),
    "no options": ("delete", {"predicate.options": {}}),
    "a grace period for a Pod": ("pod", {"predicate.options.minGracePeriodSeconds": 2**31 - 1}),
    "eight pointers": ("update", {"predicate.ignore": [f"/spec/{i}" for i in range(8)]}),
    "an ill-formed pointer, which V19 refuses": ("update", {"predicate.ignore": ["x"]}),
    "a reason of 512 code points": ("update", {"predicate.reason": "\U0001f600" * 512}),
    "a nonce of 32 bytes": ("update", {"predicate.nonce": "A" * 43}),
    "a person without uid": ("update", {"predicate.requester": {"username": "jo", "uid": ""}}),
    "a name with all that may be in it": (
        "update",
        {"predicate.object.name": "a!$&.0~", "subject.0.name": "apps/v1/deployments/prod/a!$&.0~"},
    ),
}
MALFORMED = {
    "an unknown member": {"more": 1},
    "an unknown member of the subject": {"subject.0.uri": "x"},
    "an unknown member of the object": {"predicate.object.kind": "Deployment"},
    "an unknown option": {"predicate.options.dryRun": "All"},
    "an unknown digest": {"predicate.from.sha512": A},
    "no subject": {"subject": []},
    "two subjects": {"subject": [{"name": "x", "digest": {"sha256": A}}] * 2},
    "a subject of another digest": {"subject.0.digest.sha256": A},
    "a subject of another name": {"subject.0.name": "apps/v1/deployments/prod/other"},
    "a type that is no text": {"_type": 1},
    "no type": {"_type": DROP},
    "no predicate type": {"predicateType": DROP},
    "a predicate that is no object": {"predicate": []},
    "a projection that is no text": {"predicate.projection": None},
    "an audience without prefix": {"predicate.audience": "6f2c0d8e"},
    "an audience without uid": {"predicate.audience": "k8s:"},
    "another operation": {"predicate.operation": "CREATE"},
    "an operation of another case": {"predicate.operation": "update"},
    "no version": {"predicate.object.version": ""},
    "no resource": {"predicate.object.resource": ""},
    "a resource with a slash": {"predicate.object.resource": "pods/exec"},
    "a group that is no subdomain": {"predicate.object.group": "apps_"},
    "a namespace that is no label": {"predicate.object.namespace": "a.b"},
    "a label of 64 characters": {"predicate.object.namespace": "a" * 64},
    "a subresource of capitals": {"predicate.object.subresource": "Status"},
    "a name with a slash": {"predicate.object.name": "a/b"},
    "a name with a percent sign": {"predicate.object.name": "a%b"},
    "a name with a space": {"predicate.object.name": "a b"},
    "a name with a line end (fullmatch)": {"predicate.object.name": "payments-api\n"},
    "no name": {"predicate.object.name": ""},
    "a name of 254 bytes": {"predicate.object.name": "a" * 254},
    "no uid of the object": {"predicate.object.uid": ""},
    "a uid with a slash": {"predicate.object.uid": "a/b"},
    "a uid of 129 characters": {"predicate.object.uid": "a" * 129},
    "no user name": {"predicate.requester.username": ""},
    "a user name of 513 bytes": {"predicate.requester.username": "a" * 513},
    "a user name beyond ASCII": {"predicate.requester.username": "jö"},
    "a requester's uid of 129 bytes": {"predicate.requester.uid": "a" * 129},
    "a service account without uid (A46)": {"predicate.requester.uid": ""},
    "no approver": {"predicate.approver": ""},
    "an approver with a space": {"predicate.approver": "alice example"},
    "an approver of 254 bytes": {"predicate.approver": "a" * 254},
    "a digest in capitals": {"predicate.to.sha256": "A" * 64},
    "a digest of 63 digits": {"predicate.to.sha256": "a" * 63},
    "a digest with a line end": {"predicate.to.sha256": "a" * 64 + "\n"},
    "no digest to": {"predicate.to": DROP},
    "a null digest to": {"predicate.to": None},
    "nine pointers": {"predicate.ignore": [f"/spec/{i}" for i in range(9)]},
    "a pointer that is no text": {"predicate.ignore": [1]},
    "pointers that are text": {"predicate.ignore": "/spec/replicas"},
    "no ignore": {"predicate.ignore": DROP},
    "no options member": {"predicate.options": DROP},
    "an option for an update": {"predicate.options": {"propagationPolicy": "Orphan"}},
    "the identity projection for an update": {"predicate.projection": "k8s-identity/v1"},
    "an instant without Z": {"predicate.issuedAt": "2026-11-23T11:55:00"},
    "an instant with an offset": {"predicate.issuedAt": "2026-11-23T11:55:00+00:00"},
    "an instant with a fraction": {"predicate.issuedAt": "2026-11-23T11:55:00.5Z"},
    "an instant that does not exist": {"predicate.issuedAt": "2026-02-30T11:55:00Z"},
    "the hour 24, which newer Pythons read as midnight": {"predicate.expires": "2026-11-23T24:00:00Z"},
    "a leap second": {"predicate.issuedAt": "2026-11-23T11:55:60Z"},
    "an instant in other digits": {"predicate.issuedAt": "\u0662\u0660\u0662\u0666-11-23T11:55:00Z"},
    "an instant that is a number": {"predicate.issuedAt": 1795435200},
    "an end that is the start": {"predicate.expires": "2026-11-23T11:55:00Z"},
    "a nonce of 15 bytes": {"predicate.nonce": "A" * 20},
    "a nonce of 33 bytes": {"predicate.nonce": "A" * 44},
    "a nonce with padding": {"predicate.nonce": "A" * 22 + "=="},
    "a nonce with spare bits": {"predicate.nonce": "A" * 21 + "B"},
    "a nonce of the standard alphabet": {"predicate.nonce": "+" * 22},
    "a nonce of an impossible length": {"predicate.nonce": "A" * 25},
    "no reason": {"predicate.reason": ""},
    "a reason of 513 code points": {"predicate.reason": "a" * 513},
    "a reason that is null": {"predicate.reason": None},
    "a null policy": {"predicate.policy": None},
    "a policy without digest": {"predicate.policy": {"name": "prod"}},
    "a null display": {"predicate.display": None},
    "a display that is text": {"predicate.display": A},
    **{
        f"a reason with U+{ord(character):04X}": {"predicate.reason": f"a{character}b"}
        for character in "\x00\x1b\x1f\x7f\x9f\u061c\u200e\u200f\u2028\u202e\u2066\u2069\ufeff"
    },
}
MALFORMED_DELETE = {
    "a digest to": {"predicate.to": {"sha256": A}},
    "an unknown policy": {"predicate.options.propagationPolicy": "Slowly"},
    "a null policy": {"predicate.options.propagationPolicy": None},
    "a grace period of something else than a Pod": {"predicate.options.minGracePeriodSeconds": 0},
}
MALFORMED_POD = {
    "a grace period that is null": {"predicate.options.minGracePeriodSeconds": None},
    "a grace period that is a float": {"predicate.options.minGracePeriodSeconds": 1.0},
    "a grace period that is true": {"predicate.options.minGracePeriodSeconds": True},
    "a negative grace period": {"predicate.options.minGracePeriodSeconds": -1},
    "a grace period beyond 32 bits": {"predicate.options.minGracePeriodSeconds": 2**31},
}
UNSUPPORTED = {
    "an older in-toto": {"_type": "https://in-toto.io/Statement/v0.1"},
    "provenance (A4)": {"predicateType": "https://slsa.dev/provenance/v1"},
    "a later version of ours, with whatever it holds": {
        "predicateType": "https://peergate.dev/peer-approval/v2",
        "predicate": {},
    },
    "a later projection": {"predicate.projection": "k8s-projection/v2"},
}
NO_STATEMENT = {
    "no JSON": b"approved",
    "no object": b"[]",
    "a duplicate member (A6)": VECTOR_PAYLOAD.replace(b'"reason"', b'"approver":"x","reason"'),
    "a duplicate member, spelt otherwise": VECTOR_PAYLOAD.replace(
        b'"reason"', rb'"\u0061pprover":"x","reason"'
    ),
    "NaN": VECTOR_PAYLOAD.replace(b'"ignore":[]', b'"ignore":[NaN]'),
    "a byte order mark": b"\xef\xbb\xbf" + VECTOR_PAYLOAD,
    "nine levels": VECTOR_PAYLOAD.replace(b'"ignore":[]', b'"ignore":[[[[[[[[]]]]]]]]'),
}


def parse(change: str, changes: dict[str, Any]) -> Any:
    return parse_statement(json.dumps(statement(CHANGES[change], changes=changes)).encode())


@pytest.mark.parametrize(("change", "changes"), TAKEN.values(), ids=TAKEN)
def test_taken(change: str, changes: dict[str, Any]):
    parse(change, changes)


@pytest.mark.parametrize("changes", MALFORMED.values(), ids=MALFORMED)
def test_malformed(changes: dict[str, Any]):
    with pytest.raises(StatementMalformed):
        parse("update", changes)


@pytest.mark.parametrize("changes", MALFORMED_DELETE.values(), ids=MALFORMED_DELETE)
def test_malformed_for_a_deletion(changes: dict[str, Any]):
    with pytest.raises(StatementMalformed):
        parse("delete", changes)


@pytest.mark.parametrize("changes", MALFORMED_POD.values(), ids=MALFORMED_POD)
def test_malformed_for_a_pod(changes: dict[str, Any]):
    with pytest.raises(StatementMalformed):
        parse("pod", changes)


@pytest.mark.parametrize("changes", UNSUPPORTED.values(), ids=UNSUPPORTED)
def test_unsupported(changes: dict[str, Any]):
    with pytest.raises(StatementUnsupported):
        parse("update", changes)


@pytest.mark.parametrize("payload", NO_STATEMENT.values(), ids=NO_STATEMENT)
def test_no_statement(payload: bytes):
    with pytest.raises(StatementMalformed):
        parse_statement(payload)


SUBJECTS = {
    "a core kind at cluster scope": (
        {"group": "", "resource": "namespaces", "namespace": "", "name": "prod"},
        "core/v1/namespaces/-/prod",
    ),
    "a subresource": ({"subresource": "scale"}, "apps/v1/deployments:scale/prod/payments-api"),
    "a group with dots": ({"group": "example.com"}, "example.com/v1/deployments/prod/payments-api"),
}


@pytest.mark.parametrize(("members", "name"), SUBJECTS.values(), ids=SUBJECTS)
def test_subject_names(members: dict[str, str], name: str):
    target = update_target(object=ref(**members))
    payload = written(target.change("k8s-projection/v1"))
    assert json.loads(payload)["subject"][0]["name"] == name


def test_the_message_names_the_member():
    with pytest.raises(StatementMalformed, match=r"^predicate\.approver: "):
        parse("update", {"predicate.approver": "a b"})
    with pytest.raises(StatementMalformed, match=r"^statement: .*subject"):
        parse("update", {"subject.0.name": "x"})


def test_a_person_may_have_no_uid():
    target = update_target(requester=Requester(username="jo", uid=""))
    assert parse_statement(written(target.change("k8s-projection/v1"))).predicate.requested_by.uid == ""
