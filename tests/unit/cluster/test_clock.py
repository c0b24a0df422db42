"""What counts as the time, by an own clock that jumps and the dates of the API server's answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from peergate.cluster.clock import ClusterClock

START = datetime(2026, 11, 23, 12, 0, 0, 250_000, tzinfo=UTC)


class Clocks:
    """An API server, a replica, and a monotonic clock: all of them run by ``passes``, and two can be set."""

    def __init__(self):
        self.monotonic = 1000.0
        self.own = self.server = START
        self.clock = ClusterClock(own=lambda: self.own, monotonic=lambda: self.monotonic)

    def passes(self, seconds: float) -> None:
        self.monotonic += seconds
        self.own += timedelta(seconds=seconds)
        self.server += timedelta(seconds=seconds)

    def answers(self, *, after: float = 0.0, under_way: float = 0.0) -> None:
        """The API server works ``after`` so long; its answer is ``under_way`` as long."""
        asked = self.monotonic
        self.passes(after)
        date = format_datetime(self.server, usegmt=True)
        self.passes(under_way)
        self.clock.heard(date, asked=asked)


@dataclass(frozen=True)
class Case:
    own: float
    """How far the own clock is set ahead, in seconds."""
    server: float = 0.0
    counts: str = "own"
    also: tuple[str, ...] = ()
    earliest: str = "server"


CASES = {
    "a clock that is right counts": Case(own=0),
    "four seconds ahead are no difference": Case(own=4),
    "four seconds behind are no difference": Case(own=-4, earliest="own"),
    "six seconds ahead are one": Case(own=6, counts="server", also=("own",)),
    "six seconds behind are one": Case(own=-6, counts="server", earliest="own"),
    "a clock that is ahead has a say beside the API server's": Case(own=20, counts="server", also=("own",)),
    "a clock that is behind has none": Case(own=-20, counts="server", earliest="own"),
    "a year ahead is as ahead as a minute": Case(own=31_536_000, counts="server", also=("own",)),
    "an API server that is behind is not believed alone": Case(
        own=0, server=-600, counts="server", also=("own",)
    ),
    "an API server that is ahead ends what it takes for over": Case(
        own=0, server=600, counts="server", earliest="own"
    ),
    "what both show counts, wrong as it may be": Case(own=600, server=600),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_counts(case):
    clocks = Clocks()
    clocks.server += timedelta(seconds=case.server)
    clocks.answers()
    clocks.own += timedelta(seconds=case.own)
    clocks.passes(3)
    shown = {"own": clocks.own, "server": clocks.server}
    tick = timedelta(seconds=1)
    read = clocks.clock.readings()
    for one, name in zip(read, (case.counts, *case.also), strict=True):
        # Dates are rounded down, so the API server's clock is read a little late: never early.
        assert shown[name] <= one <= shown[name] + tick
    assert clocks.clock.now() == read[0]
    assert shown[case.earliest] - tick <= clocks.clock.earliest() <= shown[case.earliest]


def test_before_the_first_answer_there_is_the_own_clock_alone():
    clocks = Clocks()
    assert clocks.clock.readings() == (START,)
    assert clocks.clock.now() == clocks.clock.earliest() == START
    assert clocks.clock.ahead() == timedelta(0)


NOT_HEARD = {
    "no date": "",
    "no date that can be read": "yesterday",
    "a date without a zone": "Mon, 23 Nov 2026 11:00:00 -0000",
    "a day that is not": "Mon, 99 Nov 2026 11:00:00 GMT",
}


@pytest.mark.parametrize("date", NOT_HEARD.values(), ids=NOT_HEARD)
def test_says_nothing(date):
    clocks = Clocks()
    clocks.answers()
    before = clocks.clock.readings(), clocks.clock.ahead()
    clocks.clock.heard(date, asked=clocks.monotonic)
    assert (clocks.clock.readings(), clocks.clock.ahead()) == before


AHEAD = {
    "right": (0.0, (0.0, 0.0)),
    "two minutes ahead": (120.0, (119.0, 120.0)),
    "two minutes behind": (-120.0, (-120.0, -119.0)),
}


@pytest.mark.parametrize(("much", "between"), AHEAD.values(), ids=AHEAD)
def test_how_far_the_own_clock_is_ahead(much, between):
    clocks = Clocks()
    clocks.answers()
    clocks.own += timedelta(seconds=much)
    low, high = between
    assert low <= clocks.clock.ahead().total_seconds() <= high


SLOW = {
    "an answer that was long in the making": {"after": 75.0},
    "an answer that lay unread": {"under_way": 75.0},
}


@pytest.mark.parametrize("how", SLOW.values(), ids=SLOW)
def test_makes_no_clock_wrong(how):
    clocks = Clocks()
    clocks.answers(**how)
    assert clocks.clock.readings() == (clocks.own,)
    assert clocks.clock.ahead() == timedelta(0)
    # And what a quick one told before stays known.
    quick = Clocks()
    quick.answers()
    quick.answers(**how)
    quick.own += timedelta(seconds=20)
    assert len(quick.clock.readings()) == 2


def test_many_answers_tell_the_time_better_than_one():
    clocks = Clocks()
    for _ in range(40):
        clocks.answers(after=0.01, under_way=0.01)
        clocks.passes(0.37)
    clocks.own += timedelta(seconds=60)
    counts, _ = clocks.clock.readings()
    assert timedelta(0) <= counts - clocks.server < timedelta(milliseconds=100)


def test_an_api_server_whose_clock_is_set_is_believed_from_its_next_answer_on():
    clocks = Clocks()
    clocks.answers()
    clocks.server += timedelta(hours=1)
    clocks.passes(1)
    assert clocks.clock.readings() == (clocks.own,)
    clocks.answers()
    assert abs(clocks.clock.now() - clocks.server) <= timedelta(seconds=1)
    clocks.server -= timedelta(hours=1)
    clocks.answers()
    assert clocks.clock.readings() == (clocks.own,)


def test_a_jump_between_two_answers_changes_nothing():
    """Attack: the own clock is set back as long as no answer comes, so that what has ended begins anew."""
    clocks = Clocks()
    clocks.answers()
    clocks.own -= timedelta(hours=1)
    clocks.passes(40)
    assert abs(clocks.clock.now() - clocks.server) <= timedelta(seconds=1)
