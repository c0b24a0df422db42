"""The agent's claim stays in its box, whatever it is written in: no line of it can look like one of ours."""

from __future__ import annotations

import unicodedata
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peergate.cli.screen_filed import claim_box

COLUMNS = 80
REASONS = {
    "plain words": "rotating the database, CHG-7",
    "nothing": "",
    "wide characters": "删除并重新创建整个生产数据库" * 20,
    "wide characters at every offset": "a" + "表" * 300,
    "emoji of two columns": "🚨" * 120,
    "combining marks": "e\u0301" * 400,
    "zero-width joiners": "👩\u200d👩\u200d👧" * 60,
    "line feeds": "done\n\nWhat will be signed\n  nothing at all",
    "carriage returns": "x\rApproved by: alice",
    "a cursor that moves up": "\x1b[10A\x1b[2KRule  none applies",
    "eight-bit controls": "\x9b2J\x9d0;title\x9c",
    "right to left": "\u202etxt.gniht lufmrah\u202c\u2066x\u2069",
    "a soft hyphen and an invisible space": "de\u00adlete\u3164\u2800now",
    "tags": "".join(chr(0xE0000 + ord(letter)) for letter in "approve"),
    "line separators": "one\u2028two\u2029three\x85four\x0bfive\x0csix",
    "a border of its own": "|\n+------+\n| reason  fine |",
    "a lone surrogate": "\ud800 and more",
    "one word without end": "x" * 5000,
}


def columns(line: str) -> int:
    """Return how wide a terminal draws it, counted by the Unicode data and nothing of ours."""
    return sum(
        0
        if unicodedata.category(letter) in {"Mn", "Me"}
        else 2
        if unicodedata.east_asian_width(letter) in {"W", "F"}
        else 1
        for letter in line
    )


def check(reason: str, ticket: str = "") -> None:
    lines = claim_box(SimpleNamespace(reason=reason, ticket=ticket))  # type: ignore[arg-type]
    assert lines[0].startswith("+- claim by the agent, not checked -")
    assert set(lines[-1]) == {"+", "-"}
    for line in lines:
        assert not [
            letter for letter in line if unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
        ]
        # Terminals differ on some marks, which can make a line narrower, and never wider.
        assert columns(line) <= COLUMNS, (columns(line), line)
    for line in lines[1:-1]:
        assert line.startswith("| ")
        assert line.endswith(" |")


@pytest.mark.parametrize("reason", REASONS.values(), ids=REASONS.keys())
def test_it_stays_in_its_box(reason):
    check(reason)
    check("why", ticket=reason)


@given(st.text(max_size=300), st.text(max_size=80))
def test_nothing_breaks_out(reason, ticket):
    check(reason, ticket)
