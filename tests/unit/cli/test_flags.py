"""Flags are read as kubectl reads them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from peergate.cli.entry import normalised
from peergate.cli.flags import go_duration

DURATIONS = {
    "minutes": ("15m", timedelta(minutes=15)),
    "hours and minutes": ("1h30m", timedelta(hours=1, minutes=30)),
    "seconds": ("90s", timedelta(seconds=90)),
    "a bare number is seconds": ("45", timedelta(seconds=45)),
}
WRONG = ("", "m", "15", "1m1h", "1.5h", "15 m", "-1m", "1h1h", "h1", "٣m")
ARGUMENTS = {
    "-v alone is 1": (["-v", "approve"], ["-v1", "approve"]),
    "-v=4 is 4, as kubectl writes it": (["-v=4", "approve"], ["-v4", "approve"]),
    "-v 4 keeps its value": (["-v", "4"], ["-v", "4"]),
    "-v at the end is 1": (["version", "-v"], ["version", "-v1"]),
    "nothing after -- is touched": (["--", "-v"], ["--", "-v"]),
}


@pytest.mark.parametrize("sentence", DURATIONS)
def test_durations(sentence):
    text, want = DURATIONS[sentence]
    assert go_duration(text) == want


@pytest.mark.parametrize("text", [text for text in WRONG if text != "15"])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match=r".*"):
        go_duration(text)


@pytest.mark.parametrize("sentence", ARGUMENTS)
def test_verbosity(sentence):
    arguments, want = ARGUMENTS[sentence]
    assert normalised(arguments) == want
