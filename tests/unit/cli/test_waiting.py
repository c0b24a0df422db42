"""What the state of a ChangeRequest means to whoever waits for it: an exit code, a word, a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.support.requests import request_document

from peergate.cli.requests import read_request
from peergate.cli.waiting import document_of, outcome_of, repeat_of

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LATE = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
REJECTION = {
    "by": "alice@example.com",
    "reason": "snapshot first",
    "at": "2026-11-23T11:40:00Z",
    "until": "2026-11-24T11:40:00Z",
}


@dataclass(frozen=True)
class Case:
    status: dict[str, Any] | None
    exit_code: int
    state: str
    text: str
    now: datetime = NOW


CASES = {
    "nobody has said anything yet": Case(
        None, 4, "pending", "pending: {what} waits for a peer"
    ),
    "one of two has signed": Case(
        {"state": "Pending", "progress": "1/2", "missing": "1 more (human)"},
        4, "pending", "pending 1/2: {what} waits for a peer; missing: 1 more (human)",
    ),
    "approved": Case(
        {"state": "Approved", "approvals": ["alice@example.com", "bob@example.com"]},
        0, "approved",
        "approved by alice@example.com, bob@example.com: {what}; repeat the identical request once",
    ),
    "rejected, with the reason": Case(
        {"state": "Rejected", "rejection": REJECTION},
        3, "rejected",
        "rejected by alice@example.com: 'snapshot first'\n"
        "{what} stays rejected until 2026-11-24T11:40Z; a different change is a new request",
    ),
    "a rejection counts before the operator has written the state": Case(
        {"state": "Pending", "rejection": {**REJECTION, "reason": ""}},
        3, "rejected",
        "rejected by alice@example.com\n"
        "{what} stays rejected until 2026-11-24T11:40Z; a different change is a new request",
    ),
    "a reason is no way to write on the terminal": Case(
        {"state": "Rejected", "rejection": {**REJECTION, "reason": "a\x1b[2Jb\u202ec"}},
        3, "rejected",
        "rejected by alice@example.com: 'a\\x1b[2Jb\\u202ec'\n"
        "{what} stays rejected until 2026-11-24T11:40Z; a different change is a new request",
    ),
    "used": Case(
        {"state": "Used"}, 5, "used", "used: {what} was carried out already; nothing is left to wait for"
    ),
    "stale": Case(
        {"state": "Stale"}, 5, "stale",
        "stale: the object has changed or gone since; {what}; look at it, then ask anew",
    ),
    "stale, as the operator found it": Case(
        {"state": "Stale", "missing": "the target is gone"}, 5, "stale",
        "stale: the target is gone; {what}; look at it, then ask anew",
    ),
    "expired": Case(
        {"state": "Expired"}, 5, "expired",
        "expired: nobody decided {what} in time; send the change again to ask anew",
    ),
    "over by the clock, whatever the operator says": Case(
        {"state": "Approved"}, 5, "expired",
        "expired: nobody decided {what} in time; send the change again to ask anew", now=LATE,
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", CASES)
def test_outcomes(sentence):
    case = CASES[sentence]
    filed = read_request(request_document(status=case.status))
    found = outcome_of(filed, now=case.now)
    what = f"{filed.shown} (delete statefulsets shop/db)"
    assert (found.exit_code, found.state) == (case.exit_code, case.state)
    assert found.text == case.text.format(what=what)


def test_the_document_carries_the_rejection_only_where_it_decides():
    filed = read_request(request_document(status={"state": "Rejected", "rejection": REJECTION}))
    shown = document_of(filed, outcome=outcome_of(filed, now=NOW))
    assert shown == {
        "request": f"shop/{filed.name}",
        "state": "rejected",
        "exitCode": 3,
        "approvals": "",
        "missing": "",
        "rejection": {"by": "alice@example.com", "reason": "snapshot first"},
    }
    assert "rejection" not in document_of(filed, outcome=outcome_of(filed, now=LATE))


REPEATS = {
    "as kubectl deletes": ({}, "kubectl -n shop delete statefulset/db"),
    "orphaning": (
        {"options": {"propagationPolicy": "Orphan"}},
        "kubectl -n shop delete statefulset/db --cascade=orphan",
    ),
    "at once": (
        {"options": {"propagationPolicy": "Background", "minGracePeriodSeconds": 0}},
        "kubectl -n shop delete statefulset/db --force --grace-period=0",
    ),
    "an update": (
        {"operation": "UPDATE", "to": "1" * 64, "effect": "Replace", "options": {}},
        "kubectl -n shop replace -f FILE   # statefulset/db, as approved",
    ),
}


@pytest.mark.parametrize("sentence", REPEATS)
def test_the_command_that_repeats_the_request(sentence):
    spec, expected = REPEATS[sentence]
    assert repeat_of(read_request(request_document(**spec))) == expected


def test_another_kind_is_named_by_its_group_and_quoted():
    document = request_document()
    document["spec"]["object"] |= {"group": "cert-manager.io", "resource": "certificates", "name": "a$(id)"}
    filed = read_request(document)
    assert repeat_of(filed) == "kubectl -n shop delete 'certificates.cert-manager.io/a$(id)'"
