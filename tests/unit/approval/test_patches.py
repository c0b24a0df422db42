"""JSON Patches as ChangeRequests carry them; the `jsonpatch` library is the oracle for applying them."""

from __future__ import annotations

import copy
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peergate.approval.canonical import canonical_bytes
from peergate.approval.patches import PatchProblem, apply_patch, make_patch

PATCHES: dict[str, tuple[Any, Any, Any]] = {
    "nothing": ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2}]}, []),
    "a value": ({"a": 1}, {"a": 2}, [{"op": "replace", "path": "/a", "value": 2}]),
    "a member more": ({}, {"a": {"b": 1}}, [{"op": "add", "path": "/a", "value": {"b": 1}}]),
    "a member less": ({"a": 1, "b": 1}, {"b": 1}, [{"op": "remove", "path": "/a"}]),
    "true is not 1": ({"a": [1]}, {"a": [True]}, [{"op": "replace", "path": "/a/0", "value": True}]),
    "1.0 is 1": ({"a": 1}, {"a": 1.0}, []),
    "names with slash and tilde": (
        {"m": {"a/b": 1, "c~d": 1}},
        {"m": {"a/b": 2, "c~d": 2}},
        [
            {"op": "replace", "path": "/m/a~1b", "value": 2},
            {"op": "replace", "path": "/m/c~0d", "value": 2},
        ],
    ),
    "an element put first is one operation": (
        {"a": ["x", "y"]},
        {"a": ["w", "x", "y"]},
        [{"op": "add", "path": "/a/0", "value": "w"}],
    ),
    "elements taken away, the last first": (
        {"a": [1, 2, 3, 4]},
        {"a": [1, 4]},
        [{"op": "remove", "path": "/a/2"}, {"op": "remove", "path": "/a/1"}],
    ),
    "an image in the middle of a list": (
        {"c": [{"n": "a"}, {"n": "b", "i": 1}, {"n": "c"}]},
        {"c": [{"n": "a"}, {"n": "b", "i": 2}, {"n": "c"}]},
        [{"op": "replace", "path": "/c/1/i", "value": 2}],
    ),
    "another kind of value": (
        {"a": {"b": 1}},
        {"a": [1]},
        [{"op": "replace", "path": "/a", "value": [1]}],
    ),
}


@pytest.mark.parametrize(("before", "after", "patch"), PATCHES.values(), ids=PATCHES.keys())
def test_the_patch_is(before, after, patch):
    assert make_patch(before, after) == patch


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "a/b", "~", "é"]),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.sampled_from(["a", "b", "a/b", "~1", ""]), inner, max_size=4)
    ),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.sampled_from(["a", "b", "metadata", "x/y", ""]), VALUES, max_size=5)


@given(OBJECTS, OBJECTS)
def test_a_patch_leads_from_one_to_the_other_by_our_hand_and_by_the_librarys(before, after):
    untouched = copy.deepcopy((before, after))
    patch = make_patch(before, after)
    reached = apply_patch(before, patch)
    assert canonical_bytes(reached) == canonical_bytes(after)
    assert canonical_bytes(jsonpatch.apply_patch(before, patch)) == canonical_bytes(after)
    assert (before, after) == untouched
    assert make_patch(before, after) == patch


HOSTILE: dict[str, Any] = {
    "a test, which is masked": [{"op": "test", "path": "/a"}],
    "a copy": [{"op": "copy", "from": "/a", "path": "/b"}],
    "a masked value": [{"op": "replace", "path": "/a"}],
    "no path": [{"op": "remove"}],
    "a path that is no string": [{"op": "remove", "path": 1}],
    "a path without its slash": [{"op": "remove", "path": "a"}],
    "a member that is not there": [{"op": "remove", "path": "/x"}],
    "below what is no container": [{"op": "add", "path": "/a/b", "value": 1}],
    "an index beyond the end": [{"op": "add", "path": "/l/4", "value": 1}],
    "an index with a sign": [{"op": "replace", "path": "/l/-1", "value": 1}],
    "an index with a zero before": [{"op": "replace", "path": "/l/01", "value": 1}],
    "an index in other digits": [{"op": "replace", "path": "/l/²", "value": 1}],
    "an endless index": [{"op": "replace", "path": "/l/" + "9" * 5000, "value": 1}],
    "the end of a list, replaced": [{"op": "replace", "path": "/l/-", "value": 1}],
    "no object left": [{"op": "replace", "path": "", "value": 1}],
}


@pytest.mark.parametrize("patch", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_patch_that_does_not_fit_is_refused(patch):
    with pytest.raises(PatchProblem):
        apply_patch({"a": 1, "l": [1, 2, 3]}, patch)


def test_an_element_can_be_put_at_the_end_and_the_whole_be_replaced():
    assert apply_patch({"l": [1]}, [{"op": "add", "path": "/l/-", "value": 2}]) == {"l": [1, 2]}
    assert apply_patch({"l": [1]}, [{"op": "replace", "path": "", "value": {"m": 1}}]) == {"m": 1}
