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


class Listing:
    """An API server that answers lists."""

    def __init__(self):
        self.pages = [[]]

    async def list_pages(self, *_, **__):
        for page in self.pages:
            yield page, "9"


async def test_followers_are_told_what_a_list_changed_and_of_nothing_else(heard):
    api, told = Listing(), []
    cache = Reflector(
        api,
        Source(SERVICE_ACCOUNTS, lambda found: found["metadata"].get("labels")),
        on_departure=heard.append,
    )
    cache.follow(lambda *change: told.append(change))
    api.pages = [
        [document("stays", labels={"x": "1"}), document("changes", labels={"x": "1"})],
        [
            document("leaves", labels={}),
            document("is replaced", labels={}),
            document("turns void", labels={}),
        ],
    ]
    await cache._list()
    assert [(key[1], before, after.uid) for key, before, after in told] == [
        (name, None, "1") for name in ("stays", "changes", "leaves", "is replaced", "turns void")
    ]
    told.clear()
    stays, seen = cache.get(("ns", "stays")), cache.changes
    api.pages = [
        [
            document("stays", labels={"x": "1"}),
            document("changes", labels={"x": "2"}),
            document("turns void"),
        ],
        [document("is replaced", "2", labels={}), document("is new", labels={})],
    ]
    await cache._list()
    assert sorted(told, key=lambda change: change[0]) == [
        (("ns", "changes"), Held("1", {"x": "1"}), Held("1", {"x": "2"})),
        (("ns", "is new"), None, Held("1", {})),
        (("ns", "is replaced"), Held("1", {}), Held("2", {})),
        (("ns", "leaves"), Held("1", {}), None),
        (("ns", "turns void"), Held("1", {}), None),
    ]
    assert cache.get(("ns", "stays")) is stays
    assert cache.changes == seen + 1
    assert sorted(gone.key[1] for gone in heard) == ["is replaced", "leaves", "turns void"]
    told.clear()
    await cache._list()
    assert (told, cache.changes) == ([], seen + 1)


async def test_the_age_counts_from_the_beginning_of_a_list_only_after_a_watch_that_ended_well():
    now, ages = 0.0, []

    class Slow:
        async def list_pages(self, *_, **__):
            nonlocal now
            for seconds in (5.0, 30.0):
                now += seconds
                yield [], "9"
                ages.append(cache.age())

    cache = Reflector(Slow(), Source(SERVICE_ACCOUNTS, lambda _: None), clock=lambda: now)
    await cache._list()
    assert (ages, cache.age()) == ([float("inf"), float("inf")], 0.0)
    ages.clear()
    now += 25.0
    await cache._list()
    assert (ages, cache.age()) == ([30.0, 60.0], 0.0)
    ages.clear()
    now += 25.0
    await cache._list(is_current=True)
    assert (ages, cache.age()) == ([0.0, 30.0], 0.0)


async def test_followers_are_told_of_events_and_who_comes_late_of_all_that_is_held(cache):
    told, late = [], []
    cache.follow(lambda *change: told.append(change))
    cache._apply(event("ADDED", "a", labels={}))
    cache._apply(event("ADDED", "b", labels={}))
    cache._apply(event("MODIFIED", "b", labels={}))
    cache._apply(event("DELETED", "b", labels={}))
    cache.follow(lambda *change: late.append(change))
    a, b = Held("1", {}), Held("1", {})
    assert told == [(("ns", "a"), None, a), (("ns", "b"), None, b), (("ns", "b"), b, None)]
    assert late == [(("ns", "a"), None, a)]


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
