"""Lengths of time and instants as a person reads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from peergate.cli.when import ago, left

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
