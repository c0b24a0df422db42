"""Ignore pointers: which are well-formed, what they remove, and what they never license."""

from __future__ import annotations

import pytest

from peergate.approval.pointers import (
    PointerProblem,
    check_pointers,
    pointer_tokens,
    remove_pointer,
    same_at,
)

TOKENS = {
    "/spec/replicas": ("spec", "replicas"),
    "/data/a~1b~0c": ("data", "a/b~c"),
    "/data/~01": ("data", "~1"),
    "/data/": ("data", ""),
    "/spec/" + "x" * 122: ("spec", "x" * 122),
}
ILL_FORMED = {
    "a whole top-level member": "/spec",
    "the whole object": "",
    "no leading slash": "spec/replicas",
    "an unknown escape": "/spec/~2",
    "an open escape": "/spec/a~",
    "more than 128 bytes": "/spec/" + "x" * 123,
    "more than 128 bytes in fewer characters": "/spec/" + "é" * 62,
    "metadata": "/metadata/labels",
    "status": "/status/replicas",
    "kind": "/kind/x",
    "apiVersion": "/apiVersion/x",
}
LISTS = {
    "unsorted": ("/spec/b", "/spec/a"),
    "twice the same": ("/spec/a", "/spec/a"),
    "one within the other": ("/spec/a", "/spec/a/b"),
    "one ill-formed": ("/spec", "/spec/a"),
}


@pytest.mark.parametrize(("pointer", "tokens"), TOKENS.items(), ids=TOKENS)
def test_well_formed(pointer: str, tokens: tuple[str, ...]):
    assert pointer_tokens(pointer) == tokens


@pytest.mark.parametrize("pointer", ILL_FORMED.values(), ids=ILL_FORMED)
def test_ill_formed(pointer: str):
    with pytest.raises(PointerProblem):
        pointer_tokens(pointer)


@pytest.mark.parametrize("pointers", LISTS.values(), ids=LISTS)
def test_lists_that_no_approval_may_have(pointers: tuple[str, ...]):
    with pytest.raises(PointerProblem):
        check_pointers(pointers)


def test_a_list_may_hold_names_that_begin_alike():
    check_pointers(("/spec/a", "/spec/ab", "/spec/b/c"))
    check_pointers(())


REMOVED = {
    "a member": ("/spec/a", {"spec": {"a": 1, "b": 2}}, {"spec": {"b": 2}}),
    "a member below an element": ("/spec/l/0/a", {"spec": {"l": [{"a": 1}]}}, {"spec": {"l": [{}]}}),
    "nothing, where the member is missing": ("/spec/x", {"spec": {"a": 1}}, {"spec": {"a": 1}}),
    "nothing, where the parent is missing": ("/spec/x/y", {"spec": {}}, {"spec": {}}),
    "nothing, where the parent is text": ("/spec/a/b", {"spec": {"a": "t"}}, {"spec": {"a": "t"}}),
    "nothing, below an index into a number": ("/spec/a/0/b", {"spec": {"a": 5}}, {"spec": {"a": 5}}),
    "nothing, below an index that is too high": ("/spec/l/1/a", {"spec": {"l": [{}]}}, {"spec": {"l": [{}]}}),
    "nothing, below an index of another spelling": (
        "/spec/l/00/a",
        {"spec": {"l": [{"a": 1}]}},
        {"spec": {"l": [{"a": 1}]}},
    ),
}


@pytest.mark.parametrize(("pointer", "before", "after"), REMOVED.values(), ids=REMOVED)
def test_removing(pointer, before, after):
    remove_pointer(before, pointer)
    assert before == after


def test_an_array_element_is_not_removed():
    with pytest.raises(PointerProblem):
        remove_pointer({"spec": {"l": [1]}}, "/spec/l/0")


EQUAL = {
    "equal values": ({"a": 1}, {"a": 1}, True),
    "other values": ({"a": 1}, {"a": 2}, False),
    "truth and one": ({"a": True}, {"a": 1}, False),
    "absent in both": ({}, {}, True),
    "absent in one": ({}, {"a": None}, False),
    "no object above it in both": ([], "x", True),
}


@pytest.mark.parametrize(("old", "new", "same"), EQUAL.values(), ids=EQUAL)
def test_same_at(old, new, same):
    assert same_at("/spec/a", old={"spec": old}, new={"spec": new}) is same
    assert same_at("/spec/a", old={"spec": new}, new={"spec": old}) is same
