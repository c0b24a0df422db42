"""Slots on carriers: which keys are read, limits, and what an attaching update may not do."""

from __future__ import annotations

from typing import Any

import pytest

from peergate.approval.carriers import Carried, Collected, collect, reserved_key_problem, slot_of
from peergate.model.decision import Code

KEY = "approval.peergate.dev/v1."
SLOTS = {
    "alice": "alice",
    "a": "a",
    "0-9": "0-9",
    "x" * 32: "x" * 32,
    "": None,
    "x" * 33: None,
    "Alice": None,
    "a.b": None,
    "-a": None,
    "a-": None,
    "a\n": None,
    "é": None,
}


@pytest.mark.parametrize(("slot", "want"), SLOTS.items(), ids=repr)
def test_slots(slot: str, want: str | None):
    assert slot_of(KEY + slot) == want


@pytest.mark.parametrize(
    "key", ["approval.peergate.dev/v2.alice", "approval.peergate.dev/v1", "peergate.dev/reason"]
)
def test_other_keys_are_never_read(key: str):
    assert slot_of(key) is None
    assert collect({key: "x"}) == Collected()


def carried(slot: str, value: str) -> Carried:
    return Carried(slot=slot, annotation=KEY + slot, value=value)


def slots(count: int, value: str = "x") -> dict[str, Any]:
    return {f"{KEY}s{number}": f"{value}{number}" for number in range(count)}


COLLECTED = {
    "nothing": ((), Collected()),
    "no annotations": ((None, {}), Collected()),
    "one": (({KEY + "a": "x", "other": "y"},), Collected((carried("a", "x"),))),
    "sorted by slot": (
        ({KEY + "b": "y", KEY + "a": "x"},),
        Collected((carried("a", "x"), carried("b", "y"))),
    ),
    "carrier by carrier": (
        ({KEY + "b": "y"}, {KEY + "a": "x"}),
        Collected((carried("b", "y"), carried("a", "x"))),
    ),
    "equal values once": (({KEY + "b": "x"}, {KEY + "a": "x"}), Collected((carried("b", "x"),))),
    "the same slot on two carriers": (
        ({KEY + "a": "y"}, {KEY + "a": "x"}),
        Collected((carried("a", "y"), carried("a", "x"))),
    ),
    "annotations that are no object": (([{}],), Collected()),
    "a value that is no text": (({KEY + "a": 7},), Collected()),
    "nine on one carrier (A13)": (({}, slots(9)), Collected(problem=Code.TOO_MANY_APPROVALS)),
}


@pytest.mark.parametrize(("carriers", "want"), COLLECTED.values(), ids=COLLECTED)
def test_collect(carriers: tuple[Any, ...], want: Collected):
    assert collect(*carriers) == want


def test_eight_on_each_carrier_are_read():
    assert len(collect(slots(8, "x"), slots(8, "y"), slots(8, "z")).approvals) == 24


ATTACHED = {
    "no annotations": (None, None, None),
    "annotations that are no object": ([], "x", None),
    "an approval": ({}, {KEY + "a": "x"}, None),
    "another approval in the slot": ({KEY + "a": "x"}, {KEY + "a": "y"}, None),
    "an approval goes": ({KEY + "a": "x"}, {}, None),
    "another annotation": ({}, {"a/b": "x" * 9000}, None),
    "a value of 8,192 bytes": ({}, {KEY + "a": "x" * 8192}, None),
    "a value of 8,193 bytes": ({}, {KEY + "a": "x" * 8193}, Code.APPROVAL_TOO_LARGE),
    "a value of 8,194 bytes in fewer characters": ({}, {KEY + "a": "é" * 4097}, Code.APPROVAL_TOO_LARGE),
    "a large value that was there": ({KEY + "a": "x" * 9000}, {KEY + "a": "x" * 9000, "b": "c"}, None),
    "a key of no slot": ({}, {"approval.peergate.dev/v2.a": "x"}, Code.APPROVAL_MALFORMED),
    "a key of no slot that changes": (
        {"approval.peergate.dev/x": "x"},
        {"approval.peergate.dev/x": "y"},
        Code.APPROVAL_MALFORMED,
    ),
    "a key of no slot that was there": (
        {"approval.peergate.dev/x": "x"},
        {"approval.peergate.dev/x": "x"},
        None,
    ),
    "an eighth slot": (slots(7), slots(8), None),
    "a ninth slot": (slots(8), slots(9), Code.TOO_MANY_APPROVALS),
    "a change where nine slots were": (slots(9), {**slots(9), KEY + "s0": "y"}, None),
    "a slot less where ten were": (slots(10), slots(9), None),
}


@pytest.mark.parametrize(("old", "new", "want"), ATTACHED.values(), ids=ATTACHED)
def test_attaching(old: Any, new: Any, want: Code | None):
    assert reserved_key_problem(old, new) == want
