"""Text that somebody else wrote cannot act on a terminal, hide or mislead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peergate.cli.text import shorten, visible, width_of, wrap

CASES = {
    "plain text stays": ("statefulset/db", "statefulset/db"),
    "letters of other scripts stay": ("Größe 東京", "Größe 東京"),
    "an ANSI sequence becomes its letters": ("\x1b[31mred", "\\x1b[31mred"),
    "a line end can't start a new line": ("a\nb", "a\\x0ab"),
    "a carriage return can't overwrite": ("bad\rgood", "bad\\x0dgood"),
    "right-to-left override can't reorder": ("a\u202eb", "a\\u202eb"),
    "isolates can't reorder": ("\u2066x\u2069", "\\u2066x\\u2069"),
    "a zero-width space shows": ("a\u200bb", "a\\u200bb"),
    "a byte order mark shows": ("\ufeffa", "\\ufeffa"),
    "line and paragraph separators show": ("a\u2028\u2029", "a\\u2028\\u2029"),
    "tag characters show": ("a\U000e0041", "a\\U000e0041"),
    "variation selectors show": ("a\ufe0f\U000e0100", "a\\ufe0f\\U000e0100"),
    "letters that look like nothing show": ("\u3164\u115f", "\\u3164\\u115f"),
    "a no-break space shows": ("a\u00a0b", "a\\xa0b"),
    "a lone surrogate shows": ("\ud800", "\\ud800"),
    "a C1 control shows": ("\x9b31m", "\\x9b31m"),
}


@pytest.mark.parametrize("sentence", CASES)
def test_visible(sentence):
    given_text, want = CASES[sentence]
    assert visible(given_text) == want


@given(st.text(max_size=600))
def test_what_is_visible_is_one_printable_line_of_bounded_length(text):
    shown = visible(text)
    assert shown.isprintable()
    assert len(shown) <= 512 * 10 + 30


def test_a_long_text_says_how_much_is_missing():
    assert visible("x" * 600) == "x" * 512 + "... (+88 characters)"


def test_wide_characters_take_two_columns_and_combining_ones_none():
    assert width_of("東") == 2
    assert width_of("e\u0301") == 1


@given(st.text(alphabet="ab東", min_size=0, max_size=60), st.integers(min_value=8, max_value=40))
def test_shortened_text_fits(text, width):
    assert width_of(shorten(text, width=width)) <= width


def test_wrapping_an_empty_text_keeps_its_label():
    assert wrap("", first="Note ") == ["Note"]
