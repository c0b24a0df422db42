"""Which ChangeRequests are due: each change, each target in its turn, each time that runs out."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.gate import NOW
from tests.support.records import DELETION, recorded

from peergate.cluster.caches import read_request_record
from peergate.cluster.reflector import Held
from peergate.control.agenda import Agenda
from peergate.model.wire import format_instant

LATER = NOW + timedelta(minutes=1)
A, B, C = ("shop", "a"), ("shop", "b"), ("shop", "c")
APPROVED = {"approval.peergate.dev/v1.alice": "e30="}


def held(state=None, *, filed_at=NOW, uid="1", annotations=None):
    status = None if state is None else {"state": state}
    document = recorded(DELETION, status=status, annotations=annotations, filedAt=format_instant(filed_at))
    document["metadata"]["uid"] = uid
    return Held(uid, read_request_record(document))


def minutes(number):
    return NOW + timedelta(minutes=number)


class Cache:
    """A cache that an agenda follows."""

    def __init__(self, agenda):
        self.agenda = agenda
        self.held = {}

    def put(self, key, one):
        before = self.held.get(key)
        self.held[key] = one
        self.agenda.note(key, before, one)

    def drop(self, key):
        self.agenda.note(key, self.held.pop(key), None)


@pytest.fixture
def agenda():
    return Agenda()


@pytest.fixture
def cache(agenda):
    return Cache(agenda)


def look(agenda, now):
    return agenda.next_look(every=timedelta(seconds=15), now=now)


def judged(agenda, *, now=NOW, until=None):
    """Return all that are to be judged, and have them put off."""
    keys = []
    for _ in range(agenda.call_due(now=now)):
        key, _ = agenda.next_judged()
        agenda.put_off(key, until=until)
        keys.append(key)
    assert agenda.next_judged() is None
    return keys


def test_requests_are_counted_by_state_and_the_oldest_pending_one_is_known(agenda, cache):
    assert agenda.oldest(now=LATER) == timedelta(0)
    cache.put(A, held(filed_at=minutes(-3)))
    cache.put(B, held("Pending", filed_at=minutes(-2)))
    cache.put(C, held("Used"))
    assert (dict(agenda.counts()), agenda.oldest(now=NOW)) == (
        {"Pending": 2, "Used": 1},
        timedelta(minutes=3),
    )
    cache.put(A, held("Approved", filed_at=minutes(-3)))
    assert agenda.oldest(now=NOW) == timedelta(minutes=2)
    cache.put(A, held("Pending", filed_at=minutes(-3)))
    assert agenda.oldest(now=NOW) == timedelta(minutes=3)
    cache.drop(A)
    cache.put(B, held("Expired", filed_at=minutes(-2)))
    assert agenda.oldest(now=NOW) == timedelta(0)
    assert {state: count for state, count in agenda.counts().items() if count} == {"Used": 1, "Expired": 1}


async def test_nothing_is_to_be_done_before_it_begins_and_after_it_ends(agenda, cache):
    cache.put(A, held(filed_at=minutes(-3)))
    assert (judged(agenda), look(agenda, LATER)) == ([], None)
    await agenda.begin(cache.held)
    assert judged(agenda) == [A]
    agenda.end()
    cache.put(A, held("Approved"))
    assert (judged(agenda), look(agenda, LATER), agenda.begun) == ([], None, False)
    await agenda.begin(cache.held)
    assert judged(agenda) == [A]


async def test_what_changes_while_it_begins_is_judged_as_it_is(agenda, cache):
    cache.put(A, held())
    cache.put(B, held())
    before = dict(cache.held)
    agenda.begun = True
    cache.put(A, held("Approved"))
    cache.drop(B)
    await agenda.begin({A: before[A]})
    assert agenda.call_due(now=NOW) == 1
    assert agenda.next_judged()[1].record is cache.held[A].value


async def test_each_change_is_judged_once(agenda, cache):
    await agenda.begin({})
    cache.put(A, held())
    cache.put(A, held("Pending"))
    assert judged(agenda) == [A]
    assert judged(agenda) == []
    cache.put(A, held("Approved"))
    cache.put(B, held("Used"))
    cache.put(C, held())
    cache.drop(C)
    assert judged(agenda) == [A]


async def test_what_is_put_off_is_judged_when_it_is_due(agenda, cache):
    await agenda.begin({})
    cache.put(A, held(annotations=APPROVED))
    assert judged(agenda, until=minutes(5)) == [A]
    assert judged(agenda, now=minutes(4)) == []
    assert judged(agenda, now=minutes(5), until=minutes(9)) == [A]
    cache.drop(A)
    assert judged(agenda, now=minutes(9)) == []
    agenda.put_off(A, until=minutes(10))
    assert judged(agenda, now=minutes(10)) == []


async def test_all_are_judged_where_the_rules_changed(agenda, cache):
    await agenda.begin({})
    cache.put(A, held())
    cache.put(B, held("Rejected", annotations=APPROVED))
    assert judged(agenda) == [A, B]
    agenda.judge_all()
    assert judged(agenda) == [A, B]


async def test_targets_are_looked_at_in_turns_who_waits_longest_first(agenda, cache):
    await agenda.begin({})
    for key in (A, B, C):
        cache.put(key, held(filed_at=minutes(1)))
    seen = []
    for now in (minutes(10), minutes(11), minutes(12), minutes(13)):
        assert look(agenda, now) == look(agenda, now)
        key, tracked = look(agenda, now)
        seen.append(key)
        agenda.sighted(key, tracked, sighting="unknown", now=now)
    assert seen == [A, B, C, A]
    assert look(agenda, minutes(11) + timedelta(seconds=14)) is None


async def test_a_time_that_lies_ahead_keeps_nobody_waiting(agenda, cache):
    await agenda.begin({})
    cache.put(A, held(filed_at=minutes(10_000)))
    key, tracked = look(agenda, NOW)
    agenda.sighted(key, tracked, sighting="unknown", now=minutes(60))
    assert look(agenda, NOW) == (A, tracked)


async def test_what_has_ended_is_not_looked_at_any_more(agenda, cache):
    await agenda.begin({})
    cache.put(A, held())
    cache.put(A, held("Rejected", annotations=APPROVED))
    assert look(agenda, LATER) is None
    cache.put(A, held("Pending"))
    assert look(agenda, LATER)[0] == A


async def test_a_target_that_looks_otherwise_has_its_request_judged(agenda, cache):
    await agenda.begin({})
    cache.put(A, held())
    judged(agenda)
    for sighting, wanted in (("changed", [A]), ("changed", []), ("gone", [A])):
        agenda.sighted(*look(agenda, minutes(99)), sighting=sighting, now=LATER)
        assert judged(agenda) == wanted


async def test_what_was_seen_of_one_request_is_not_said_of_the_next_of_its_name(agenda, cache):
    await agenda.begin({})
    cache.put(A, held())
    key, old = look(agenda, LATER)
    cache.put(A, held(uid="2", filed_at=LATER))
    agenda.sighted(key, old, sighting="gone", now=LATER)
    assert look(agenda, minutes(99))[1].sighting == "unknown"
    cache.drop(A)
    agenda.sighted(key, old, sighting="gone", now=LATER)
    assert look(agenda, minutes(99)) is None


async def test_what_is_gone_leaves_nothing_behind_however_much_comes_and_goes(agenda, cache):
    await agenda.begin({})
    cache.put(A, held(filed_at=minutes(-9)))
    for number in range(5_000):
        cache.put(B, dataclasses.replace(held_once(number), uid=str(number)))
        agenda.put_off(B, until=minutes(number))
        cache.drop(B)
    assert all(len(queue._heap) <= 1_002 for queue in (agenda._pending, agenda._dues))
    assert (len(agenda._looks), len(agenda._judge), len(agenda._tracked)) == (1, 1, 1)
    assert agenda.oldest(now=NOW) == timedelta(minutes=9)


_ONE = held()


def held_once(number):
    """Return a request that was filed at a time of its own."""
    record = dataclasses.replace(_ONE.value, filed_at=datetime.fromtimestamp(number, tz=UTC))
    return Held("", record)
