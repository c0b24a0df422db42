"""What went before a request: whose, about what, how often; and what could not be seen of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.requests import request_document

from peergate.cli.history import History, Past, Refusal, history_of
from peergate.cli.kube import ApiError
from peergate.cli.requests import Filed, read_request

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
BOT = "system:serviceaccount:agents:bot"
TARGET_UID = "0a6b2a52-6e13-4a5e-8f5b-7b4b7f6a6d90"
COLUMNS = ("Name", "Operation", "Kind", "Target", "Requester", "State")
ALL = "/apis/peergate.dev/v1alpha1/changerequests"
HERE = "/apis/peergate.dev/v1alpha1/namespaces/shop/changerequests"
EVENTS = "/api/v1/namespaces/shop/events"


def row(
    name: str = "cr-one",
    *,
    ago: float = 60,
    place: str = "shop",
    who: str | None = BOT,
    what: str = "DELETE",
    kind: str = "statefulsets",
    target: str = "db",
    state: str | None = "Used",
) -> dict[str, Any]:
    created = (NOW - timedelta(minutes=ago)).strftime("%Y-%m-%dT%H:%M:%SZ")
    metadata = {"name": name, "namespace": place, "creationTimestamp": created}
    return {"cells": [name, what, kind, target, who, state], "object": {"metadata": metadata}}


def event(
    *, uid: str = TARGET_UID, reason: str = "ApprovalRequired", ago: float = 5, **members: Any
) -> dict[str, Any]:
    at = (NOW - timedelta(minutes=ago)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {"involvedObject": {"uid": uid}, "reason": reason, "eventTime": at, **members}


class Shelf:
    """An API server with tables of requests, requests, and Events; what it has no answer to is refused."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self._answers = dict(answers)
        self.asked: list[tuple[str, Mapping[str, str], str]] = []

    def get(self, path: str, *, query: Mapping[str, str] | None = None, accept: str = "") -> dict[str, Any]:
        self.asked.append((path, dict(query or {}), accept))
        answer = self._answers.get(path, 403)
        if isinstance(answer, list):
            page = int((query or {}).get("continue", "0"))
            more = {"continue": str(page + 1)} if page + 1 < len(answer) else {}
            columns = [{"name": name} for name in COLUMNS]
            return {"columnDefinitions": columns, "rows": answer[page], "metadata": more}
        if isinstance(answer, int):
            raise ApiError(f"refused ({answer})", status=answer, message=str(answer))
        return dict(answer)

    def find(self, path: str) -> dict[str, Any] | None:
        if path in self._answers and self._answers[path] is None:
            return None
        return self.get(path)


def subject(**spec: Any) -> Filed:
    return read_request(request_document(**spec))


def ask(answers: Mapping[str, Any], *, filed: Filed | None = None) -> History:
    shelf = Shelf({ALL: [[]], EVENTS: {"items": []}, **answers})
    return history_of(shelf, filed=filed or subject(), now=NOW)  # type: ignore[arg-type]


def past(name: str, *, ago: float = 60, what: str = "DELETE statefulsets shop/db", state: str = "Used"):
    return Past(name=name, what=what, state=state, filed=NOW - timedelta(minutes=ago))


PASTS = {
    "nothing went before": ([], ()),
    "one request": ([row()], (past("shop/cr-one"),)),
    "the latest stands first": (
        [row("cr-a", ago=90), row("cr-b", ago=30)],
        (past("shop/cr-b", ago=30), past("shop/cr-a", ago=90)),
    ),
    "another's does not count": ([row(who="system:serviceaccount:agents:two"), row(who=None)], ()),
    "the request itself does not count": ([row(subject().name)], ()),
    "one without a state is pending": ([row(state=None)], (past("shop/cr-one", state="Pending"),)),
    "one about something cluster-scoped names no namespace": (
        [row(place="peergate-system", kind="nodes", target="n1")],
        (past("peergate-system/cr-one", what="DELETE nodes n1"),),
    ),
    "five are shown of six": (
        [row(f"cr-{number}", ago=number) for number in range(1, 7)],
        tuple(past(f"shop/cr-{number}", ago=number) for number in range(1, 6)),
    ),
    "what an agent named can't write on the screen": (
        [row(target="db\x1b[2J", state="Used\n")],
        (past("shop/cr-one", what="DELETE statefulsets shop/db\\x1b[2J", state="Used\\x0a"),),
    ),
}


@pytest.mark.parametrize("sentence", PASTS)
def test_of_this_requester(sentence):
    rows, want = PASTS[sentence]
    assert ask({ALL: [rows]}) == History(past=want)


def test_the_table_is_read_page_by_page():
    shelf = Shelf({ALL: [[row("cr-a", ago=2)], [row("cr-b", ago=1)]], EVENTS: {"items": []}})
    found = history_of(shelf, filed=subject(), now=NOW)  # type: ignore[arg-type]
    assert [one.name for one in found.past] == ["shop/cr-b", "shop/cr-a"]
    assert found.unseen == ()
    table = "application/json;as=Table;g=meta.k8s.io;v=v1"
    assert shelf.asked[:2] == [
        (ALL, {"limit": "500"}, table),
        (ALL, {"limit": "500", "continue": "1"}, table),
    ]


@pytest.mark.parametrize(("pages", "read"), [(4, 4), (5, 4)])
def test_two_thousand_are_read_and_it_is_said_that_there_are_more(pages, read):
    many = [[row(f"cr-{page}-{number}") for number in range(500)] for page in range(pages)]
    shelf = Shelf({ALL: many, EVENTS: {"items": []}})
    found = history_of(shelf, filed=subject(), now=NOW)  # type: ignore[arg-type]
    assert sum(path == ALL for path, _, _ in shelf.asked) == read
    assert found.unseen == (("more than 2000 requests",) if pages > read else ())


def test_who_may_not_read_all_namespaces_sees_this_one_and_is_told():
    found = ask({ALL: 403, HERE: [[row()]]})
    assert found == History(past=(past("shop/cr-one"),), unseen=("requests of other namespaces",))


@pytest.mark.parametrize("status", [404, 500])
def test_what_is_no_want_of_rights_is_no_empty_history(status):
    with pytest.raises(ApiError):
        ask({ALL: status, HERE: [[row()]]})


REJECTED = {
    "state": "Rejected",
    "rejection": {
        "by": "alice@example.com",
        "reason": "take a snapshot first\x1b[2J",
        "at": "2026-11-23T11:00:00Z",
        "until": "2026-11-24T11:00:00Z",
    },
}
NO = Refusal(
    by="alice@example.com",
    reason="take a snapshot first\\x1b[2J",
    at=datetime(2026, 11, 23, 11, 0, tzinfo=UTC),
)


def target(**members: str) -> dict[str, str]:
    return {**request_document()["spec"]["object"], **members}


@dataclass(frozen=True)
class Rejection:
    counts: int
    row: dict[str, Any]
    document: Any = None
    """What is there under its name; ``None`` for nothing."""


CASES = {
    "a no to a change of this target counts": Rejection(
        1, row(state="Rejected"), request_document(status=REJECTED)
    ),
    "whoever asked for it": Rejection(
        1, row(state="Rejected", who="jane"), request_document(status=REJECTED)
    ),
    "one that was used does not": Rejection(0, row(state="Used"), request_document(status=REJECTED)),
    "of another target it does not": Rejection(
        0, row(state="Rejected", target="web"), request_document(status=REJECTED)
    ),
    "of another resource it does not": Rejection(
        0, row(state="Rejected", kind="deployments"), request_document(status=REJECTED)
    ),
    "of another namespace it does not": Rejection(
        0, row(state="Rejected", place="other"), request_document(status=REJECTED)
    ),
    "of a resource of that name in another group it does not": Rejection(
        0, row(state="Rejected"), request_document(status=REJECTED, object=target(group="example.com"))
    ),
    "one that is gone by now does not": Rejection(0, row(state="Rejected"), None),
    "one that can't be read does not": Rejection(0, row(state="Rejected"), {"spec": {"lies": 1}}),
    "one that may not be read does not": Rejection(0, row(state="Rejected"), 403),
    "one without a rejection does not": Rejection(0, row(state="Rejected"), request_document()),
}


@pytest.mark.parametrize("sentence", CASES)
def test_rejection(sentence):
    case = CASES[sentence]
    place = case.row["object"]["metadata"]["namespace"]
    path = f"/apis/peergate.dev/v1alpha1/namespaces/{place}/changerequests/cr-one"
    assert ask({ALL: [[case.row]], path: case.document}).refusals == (NO,) * case.counts


def test_three_rejections_are_read():
    rows = [row(f"cr-{number}", ago=number, state="Rejected") for number in range(1, 6)]
    documents = {f"{HERE}/cr-{number}": request_document(status=REJECTED) for number in range(1, 6)}
    shelf = Shelf({ALL: [rows], EVENTS: {"items": []}, **documents})
    assert history_of(shelf, filed=subject(), now=NOW).refusals == (NO,) * 3  # type: ignore[arg-type]
    read = [path for path, _, _ in shelf.asked if path.startswith(HERE)]
    assert read == [f"{HERE}/cr-{number}" for number in (1, 2, 3)]


ATTEMPTS = {
    "none": ([], 0),
    "one refusal": ([event()], 1),
    "refusals that were counted up": (
        [event(series={"count": 7, "lastObservedTime": "2026-11-23T11:59:00.000000Z"})],
        7,
    ),
    "refusals in the old form": (
        [event(eventTime=None, count=4, lastTimestamp="2026-11-23T11:59:00Z")],
        4,
    ),
    "several": ([event(), event(reason="ApprovalExpired", count=2)], 3),
    "an hour ago to the minute": ([event(ago=60)], 1),
    "more than an hour ago": ([event(ago=61)], 0),
    "counted up more than an hour after the first": (
        [event(ago=300, series={"count": 3, "lastObservedTime": "2026-11-23T11:30:00Z"})],
        3,
    ),
    "counted up last more than an hour ago": (
        [event(ago=300, series={"count": 3, "lastObservedTime": "2026-11-23T10:30:00Z"})],
        0,
    ),
    "of another object of that name": ([event(uid="other")], 0),
    "of something that is no refusal": ([event(reason="ChangeAdmitted"), event(reason="Pulled")], 0),
    "with a time without a zone": ([event(eventTime="2026-11-23T11:59:00")], 1),
    "without a time": ([event(eventTime=None)], 0),
    "with a time that can't be read": ([event(eventTime="soon")], 0),
    "with a first time alone": ([event(eventTime=None, firstTimestamp="2026-11-23T11:59:00Z")], 1),
    "with a count that is no number": ([event(count="many")], 1),
}


@pytest.mark.parametrize("sentence", ATTEMPTS)
def test_attempts(sentence):
    events, want = ATTEMPTS[sentence]
    assert ask({EVENTS: {"items": events}}).attempts == want


def test_who_may_not_read_events_is_told():
    assert ask({EVENTS: 403}) == History(unseen=("events",))


def test_attempts_at_something_cluster_scoped_are_at_the_request():
    filed = subject(place="peergate-system", object=target(namespace="", resource="nodes", group=""))
    path = "/api/v1/namespaces/peergate-system/events"
    shelf = Shelf({ALL: [[]], path: {"items": [event(uid=filed.uid), event()]}})
    assert history_of(shelf, filed=filed, now=NOW).attempts == 1  # type: ignore[arg-type]
    assert shelf.asked[-1][1] == {"fieldSelector": f"involvedObject.name={filed.name}", "limit": "200"}


def test_attempts_at_a_namespaced_target_are_at_it():
    shelf = Shelf({ALL: [[]], EVENTS: {"items": []}})
    history_of(shelf, filed=subject(), now=NOW)  # type: ignore[arg-type]
    assert shelf.asked[-1][1] == {"fieldSelector": "involvedObject.name=db", "limit": "200"}
