"""A mapping in layers is what a plain one would be, and never changes."""

from __future__ import annotations

import pytest

from peergate.cluster.layered import Layered


def test_nothing_changed_is_the_same_value():
    state = Layered({"a": 1})
    assert state.but({}) is state


def test_what_is_taken_away_is_not_there():
    state = Layered({"a": 1}).but({"a": None})
    with pytest.raises(KeyError):
        state["a"]
    with pytest.raises(KeyError):
        state["b"]
    assert (dict(state), len(state), "a" in state) == ({}, 0, False)


def test_the_state_before_stays_what_it_was():
    before = Layered({"a": 1, "b": 2}).but({"b": 3})
    after = before.but({"a": None, "c": 4})
    assert dict(before) == {"a": 1, "b": 3}
    assert dict(after) == {"b": 3, "c": 4}
