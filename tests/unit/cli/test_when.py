"""Lengths of time and instants as a person reads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from peergate.cli.when import ago, date_of, left, off_by

_NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

LENGTHS = {
    timedelta(seconds=59): "less than a minute",
    timedelta(minutes=1): "1 min",
    timedelta(minutes=59, seconds=59): "59 min",
    timedelta(hours=3): "3 h",
    timedelta(hours=23, minutes=30): "23 h 30 min",
    timedelta(hours=47, minutes=59): "47 h 59 min",
    timedelta(days=2): "2 d",
}


@pytest.mark.parametrize("span", LENGTHS)
def test_a_length_is_rounded_down(span):
    assert ago(_NOW - span, now=_NOW) == LENGTHS[span]
    assert left(_NOW + span, now=_NOW) == LENGTHS[span]


def test_what_is_past_is_over():
    assert left(_NOW, now=_NOW) == "over"


DATES = {
    "Mon, 23 Nov 2026 12:00:00 GMT": _NOW,
    "": None,
    "yesterday": None,
    "Mon, 23 Nov 2026 12:00:00 -0000": None,
    "Mon, 99 Nov 2026 12:00:00 GMT": None,
}


@pytest.mark.parametrize("header", DATES)
def test_the_date_of_an_answer(header):
    assert date_of(header) == DATES[header]


OFF = {
    timedelta(0): "",
    timedelta(seconds=60): "",
    timedelta(seconds=-60): "",
    timedelta(seconds=61): "1 min ahead of",
    timedelta(seconds=-61): "1 min behind",
    timedelta(hours=-2, minutes=-5): "2 h 5 min behind",
    timedelta(days=3): "3 d ahead of",
}


@pytest.mark.parametrize("ahead", OFF)
def test_how_far_a_clock_is_off(ahead):
    assert off_by(_NOW, now=_NOW + ahead) == OFF[ahead]


def test_where_the_cluster_tells_no_time_no_clock_is_off():
    assert off_by(None, now=_NOW) == ""
