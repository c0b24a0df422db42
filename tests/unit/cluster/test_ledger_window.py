"""When a record of the ledger is no obstacle to the change it stands for (approval-format.md §9 rule 3)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest

from peergate.cluster.ledger import is_repeat
from peergate.model.change import Requester

CHANGE = "a" * 64
BOT = Requester(username="system:serviceaccount:agents:bot", uid="3f0c")
WINDOW = timedelta(seconds=40)


def record(**spec):
    return {
        "spec": {
            "change": CHANGE,
            "requester": {"username": BOT.username, "uid": BOT.uid},
            "approvers": ["alice"],
            "requestUID": "1",
            "expires": "2026-07-28T10:00:00Z",
            **spec,
        }
    }


@dataclass(frozen=True)
class Case:
    repeat: bool
    age: float = 1.0
    window: timedelta = WINDOW
    change: str = CHANGE
    requester: Requester = BOT
    record: object = None


CASES = {
    "the same change a second later is a repeat": Case(repeat=True),
    "the last second of the window counts": Case(repeat=True, age=40),
    "one second more is a second use": Case(repeat=False, age=41),
    "a record from a clock a minute ahead counts": Case(repeat=True, age=-60),
    "a record from further ahead does not": Case(repeat=False, age=-61),
    "a window of 0 is strictly once": Case(repeat=False, age=0, window=timedelta(0)),
    "another change is a second use": Case(repeat=False, change="b" * 64),
    "another uid under the same name is a second use": Case(
        repeat=False, requester=Requester(username=BOT.username, uid="other")
    ),
    "another account is a second use": Case(
        repeat=False, requester=Requester(username="system:serviceaccount:agents:two", uid=BOT.uid)
    ),
    "a record without spec is an obstacle": Case(repeat=False, record={}),
    "a record of a later version, which says more, is a repeat": Case(repeat=True, record=record(extra=1)),
    "one that says more, of another change, is a second use": Case(
        repeat=False, change="b" * 64, record=record(extra=1)
    ),
    "a record with a spec of another type is an obstacle": Case(repeat=False, record={"spec": []}),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_record_is_a_repeat_or_an_obstacle(case):
    assert (
        is_repeat(
            record() if case.record is None else case.record,
            change=case.change,
            requester=case.requester,
            age=timedelta(seconds=case.age),
            window=case.window,
        )
        is case.repeat
    )
