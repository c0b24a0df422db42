"""Lengths of time and instants, as they are written in custom resources."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from peergate.model.use import ApprovalUseSpec
from peergate.model.wire import format_instant, parse_duration, parse_instant

DURATIONS = {
    "15m": timedelta(minutes=15),
    "0s": timedelta(0),
    "1h30m": timedelta(hours=1, minutes=30),
    "24h": timedelta(hours=24),
    "1h0m5s": timedelta(hours=1, seconds=5),
}


@pytest.mark.parametrize(("text", "want"), DURATIONS.items())
def test_a_duration_is_read(text, want):
    assert parse_duration(text) == want
    assert parse_duration(want) == want


@pytest.mark.parametrize(
    "text", ["", "15", "m", "1.5h", "-1s", "5s1m", "1d", " 1s", "1s\n", "1234567s", 15, None]
)
def test_anything_else_is_no_duration(text):
    with pytest.raises(ValueError, match="a duration reads like"):
        parse_duration(text)


def test_an_instant_is_read_and_written():
    instant = datetime(2026, 11, 23, 12, 0, 5, tzinfo=UTC)
    assert parse_instant("2026-11-23T12:00:05Z") == instant
    assert parse_instant(instant) == instant
    assert format_instant(instant.replace(microsecond=999_999)) == "2026-11-23T12:00:05Z"


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23",
        "2026-11-23T12:00:05",
        "2026-11-23T12:00:05+00:00",
        "2026-11-23T12:00:05.0Z",
        "2026-11-23T12:00:05z",
        "2026-11-23T12:00:05Z\n",
        "2026-02-30T12:00:05Z",
        20261123,
        None,
    ],
)
def test_anything_else_is_no_instant(text):
    with pytest.raises(ValueError):  # noqa: PT011 - the standard library words the impossible dates
        parse_instant(text)


def test_members_of_a_later_version_are_left_out_where_that_is_asked_for_and_else_refused():
    known = {
        "change": "a" * 64,
        "requester": {"username": "bot", "uid": "1"},
        "approvers": ["alice"],
        "requestUID": "2",
        "expires": "2026-11-23T12:00:00Z",
    }
    later = {**known, "extra": 1, "requester": {"username": "bot", "uid": "1", "extra": [1]}}
    assert ApprovalUseSpec.of_any_version(later) == ApprovalUseSpec.model_validate(known)
    with pytest.raises(ValidationError):
        ApprovalUseSpec.model_validate(later)
    with pytest.raises(ValidationError):
        ApprovalUseSpec.of_any_version({**later, "change": "x"})
