"""What a list says is gone, is gone."""

from __future__ import annotations

import pytest

from peergate.cluster.client import WatchRefused
from peergate.cluster.endpoints import SERVICE_ACCOUNTS, Endpoint
from peergate.cluster.reflector import Departure, Held, Reflector, Source, departures

A, B = ("ns", "a"), ("ns", "b")

CASES = {
    "nothing before, nothing gone": ({}, {A: Held("1", "x")}, []),
    "the same object stays": ({A: Held("1", "x")}, {A: Held("1", "x")}, []),
    "a changed object stays": ({A: Held("1", "x")}, {A: Held("1", "y")}, []),
    "what the list lacks is gone": ({A: Held("1", "x"), B: Held("2", "y")}, {B: Held("2", "y")}, [(A, "1")]),
    "an object made anew replaces the old one": ({A: Held("1", "x")}, {A: Held("9", "x")}, [(A, "1")]),
    "an empty list empties the cache": ({A: Held("1", "x"), B: Held("2", "y")}, {}, [(A, "1"), (B, "2")]),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_list_tells_what_left(case):
    before, after, gone = case
    assert [(departure.key, departure.held.uid) for departure in departures(before, after)] == gone


def document(name, uid="1", **metadata):
    return {"metadata": {"namespace": "ns", "name": name, "uid": uid, "resourceVersion": "7", **metadata}}


@pytest.fixture
def heard():
    return []


@pytest.fixture
def cache(heard):
    return Reflector(
        None,
        Source(SERVICE_ACCOUNTS, lambda found: found["metadata"].get("labels")),
        on_departure=heard.append,
    )


def event(kind, *args, **metadata):
    return {"type": kind, "object": document(*args, **metadata)}


async def test_an_event_that_changes_nothing_is_no_change(cache):
    cache._apply(event("ADDED", "a", labels={"x": "1"}))
    seen = cache.changes
    cache._apply(event("MODIFIED", "a", labels={"x": "1"}))
    assert cache.changes == seen


async def test_a_modification_with_another_uid_is_a_departure(cache, heard):
    cache._apply(event("ADDED", "a", labels={"x": "1"}))
    cache._apply(event("MODIFIED", "a", "2", labels={"x": "1"}))
    assert heard == [Departure(("ns", "a"), Held("1", {"x": "1"}))]


async def test_what_converts_to_nothing_is_not_held(cache, heard):
    cache._apply(event("ADDED", "a", labels={"x": "1"}))
    cache._apply(event("MODIFIED", "a"))
    assert len(cache) == 0
    assert len(heard) == 1


async def test_a_bookmark_moves_only_the_version(cache):
    cache._apply({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "99"}}})
    assert cache._resource_version == "99"
    assert len(cache) == 0


@pytest.mark.parametrize("kind", ["ERROR", "NEWS", None])
async def test_what_is_not_understood_leads_to_a_new_list(cache, kind):
    with pytest.raises(WatchRefused):
        cache._apply({"type": kind, "object": {"code": 410, "reason": "Expired", "metadata": {}}})


async def test_back_off_grows_and_is_bounded(cache):
    assert all(0.1 <= cache._backoff(1) <= 0.2 for _ in range(20))
    assert all(2.5 <= cache._backoff(1000) <= 5.0 for _ in range(20))


PATHS = {
    "/api/v1/serviceaccounts": SERVICE_ACCOUNTS.path(),
    "/api/v1/namespaces/ns/serviceaccounts/a": SERVICE_ACCOUNTS.path(namespace="ns", name="a"),
    "/apis/g/v1/things/a/status": Endpoint("g", "v1", "things").path(name="a", subresource="status"),
    "/api/v1/serviceaccounts/..%2F..%2Fx%3Fy": SERVICE_ACCOUNTS.path(name="../../x?y"),
}


@pytest.mark.parametrize("want", PATHS)
def test_no_name_leaves_its_place_in_a_path(want):
    assert PATHS[want] == want
