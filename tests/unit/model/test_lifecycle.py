"""The life of a ChangeRequest: every pair of a state and what is seen."""

from __future__ import annotations

import itertools
from typing import get_args

import pytest

from peergate.model.changerequest import RequestState
from peergate.model.lifecycle import DECIDED, NEW, TRANSITIONS, Seen, next_state

STATES = (NEW, *get_args(RequestState))
ENDED = {"Used", "Rejected", "Expired", "Stale"}
OPEN = {
    Seen.ADMITTED: "Used",
    Seen.REJECTED: "Rejected",
    Seen.OVERDUE: "Expired",
    Seen.CHANGED: "Stale",
    Seen.SATISFIED: "Approved",
    Seen.SHORT: "Pending",
}


@pytest.mark.parametrize(("state", "seen"), list(itertools.product(STATES, Seen)))
def test_every_pair(state, seen):
    after = next_state(state, seen)
    if state not in ENDED:
        assert after == OPEN[seen]
    elif seen in {Seen.ADMITTED, Seen.REJECTED}:
        assert after == OPEN[seen], "an admission and a no are told whenever they come"
    else:
        assert after == state, "what has ended is never opened again"


def test_the_table_names_every_state():
    assert set(TRANSITIONS) == set(STATES)
    assert {state for row in TRANSITIONS.values() for state in row.values()} == set(get_args(RequestState))


@pytest.mark.parametrize("pair", list(itertools.permutations(Seen, 2)))
def test_of_several_things_the_gravest_counts(pair):
    gravest = min(pair, key=list(Seen).index)
    assert next_state("Pending", *pair) == OPEN[gravest]


def test_all_but_pending_is_decided():
    assert {state for state in STATES if state not in DECIDED} == {NEW, "Pending"}
