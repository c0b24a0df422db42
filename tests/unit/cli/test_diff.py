"""The difference shows everything that is signed, removals first, nothing cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peergate.cli.diff import differences, render


@dataclass(frozen=True, slots=True)
class Case:
    old: dict[str, Any]
    new: dict[str, Any]
    want: list[str]


CASES = {
    "equal objects differ in nothing": Case({"a": 1}, {"a": 1}, []),
    "removed comes before changed before added": Case(
        {"a": 1, "b": 1}, {"b": 2, "c": 3}, ["- a: 1", "~ b: 1 -> 2", "+ c: 3"]
    ),
    "an object that goes is shown member by member": Case(
        {"a": {"x": 1, "y": {"z": 2}}}, {}, ["- a.x: 1", "- a.y.z: 2"]
    ),
    "an empty object that goes is shown": Case({"a": {}}, {}, ["- a: {}"]),
    "null is not absence": Case({"a": None}, {}, ["- a: null"]),
    "true is not 1": Case({"a": True}, {"a": 1}, ["~ a: true -> 1"]),
    "1 is not 1.0": Case({"a": 1}, {"a": 1.0}, ["~ a: 1 -> 1.0"]),
    "containers are told apart by name": Case(
        {"c": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]},
        {"c": [{"name": "b", "image": "2"}]},
        ['- c[a]: {"image": "1", "name": "a"}', '~ c[b].image: "1" -> "2"'],
    ),
    "another order of named items is a change": Case(
        {"c": [{"name": "a"}, {"name": "b"}]},
        {"c": [{"name": "b"}, {"name": "a"}]},
        ['~ c[order]: ["a", "b"] -> ["b", "a"]'],
    ),
    "unnamed items are told apart by position": Case({"c": [1, 2, 3]}, {"c": [1, 3]}, ["- c[1]: 2"]),
    "a key with dots is bracketed": Case(
        {"labels": {}}, {"labels": {"app.io/x": "1"}}, ['+ labels[app.io/x]: "1"']
    ),
    "text with lines differs by line": Case(
        {"d": "a\nb\nc"}, {"d": "a\nB\nc"}, ["~ d: text", "      a", "    - b", "    + B", "      c"]
    ),
    "invisible characters show": Case({"a": "x"}, {"a": "x\u202e"}, ['~ a: "x" -> "x\\u202e"']),
    "another spelling of kubectl's copy is still a difference": Case(
        {"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}}},
        {"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{ }"}}},
        ['~ metadata.annotations: "..." -> "... (spelling only)"'],
    ),
}


@pytest.mark.parametrize("sentence", CASES)
def test_differences(sentence):
    case = CASES[sentence]
    assert render(differences(case.old, case.new)) == case.want


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)
_OBJECTS = st.dictionaries(st.sampled_from(["spec", "data", "status", "kind", "metadata"]), _JSON, max_size=4)


def _same(old: Any, new: Any) -> bool:
    """Tell equality as JSON has it: true is not 1."""
    if type(old) is not type(new):
        return False
    if isinstance(old, dict):
        return old.keys() == new.keys() and all(_same(old[key], new[key]) for key in old)
    if isinstance(old, list):
        return len(old) == len(new) and all(map(_same, old, new))
    return bool(old == new)


@given(_OBJECTS, _OBJECTS)
def test_objects_that_differ_always_show_a_difference(old, new):
    assert bool(differences(old, new)) == (not _same(old, new))


@given(_OBJECTS, _OBJECTS)
def test_no_line_is_wider_than_the_screen(old, new):
    assert all(len(line) <= 78 for line in render(differences(old, new)))


def test_a_long_value_goes_on_and_is_not_cut():
    lines = render(differences({"a": "x" * 300}, {"a": "y"}))
    assert "".join(line.strip() for line in lines).count("x") == 300
