"""How far our clock is ahead, by the date of an answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from peergate.cluster.transport import ahead_of

_NOW = datetime(2026, 11, 23, 12, 0, 5, tzinfo=UTC)
_BEFORE = timedelta(seconds=42)

DATES = {
    "the server is behind": ("Mon, 23 Nov 2026 12:00:00 GMT", timedelta(seconds=5)),
    "the server is ahead": ("Mon, 23 Nov 2026 12:00:35 GMT", timedelta(seconds=-30)),
    "no date": ("", _BEFORE),
    "no date that can be read": ("yesterday", _BEFORE),
    "a date without a zone": ("Mon, 23 Nov 2026 12:00:00 -0000", _BEFORE),
}


@pytest.mark.parametrize(("date", "expected"), DATES.values(), ids=DATES)
def test_ahead(date, expected):
    assert ahead_of(date, now=_NOW, before=_BEFORE) == expected
