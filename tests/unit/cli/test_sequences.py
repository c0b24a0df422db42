"""Lists of lines are compared within bounds, and nothing is left out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peergate.cli.sequences import opcodes


def _rebuilt(before, after):
    result = []
    for tag, first, last, start, stop in opcodes(before, after):
        result += before[first:last] if tag == "equal" else after[start:stop]
    return result


@given(st.lists(st.sampled_from("abc"), max_size=30), st.lists(st.sampled_from("abc"), max_size=30))
def test_the_first_becomes_the_second(before, after):
    assert _rebuilt(before, after) == after


@given(st.lists(st.sampled_from("abc"), max_size=30), st.lists(st.sampled_from("abc"), max_size=30))
def test_every_line_of_both_is_in_some_block_once(before, after):
    blocks = opcodes(before, after)
    assert [index for _, first, last, _, _ in blocks for index in range(first, last)] == list(
        range(len(before))
    )
    assert [index for *_, start, stop in blocks for index in range(start, stop)] == list(range(len(after)))


LARGE = {
    "one line among many": (
        [str(number) for number in range(50_000)],
        [str(number) if number != 40_000 else "new" for number in range(50_000)],
        1,
    ),
    "two lines far apart": (
        [str(number) for number in range(50_000)],
        [str(number) if number not in {7, 40_000} else "new" for number in range(50_000)],
        2,
    ),
    "everything the other way round": (
        [str(number) for number in range(50_000)],
        [str(number) for number in range(50_000)][::-1],
        2,
    ),
    "two lines over and over": (["a", "b"] * 20_000, ["b", "a", "a"] * 20_000, 1),
    "the same few lines, often": (["a"] * 1900 + ["x"], ["y"] + ["a"] * 1900, 1),
}


@pytest.mark.parametrize("sentence", LARGE)
def test_a_large_text_is_shown_where_it_differs(sentence):
    before, after, differing = LARGE[sentence]
    blocks = opcodes(before, after)
    assert sum(tag != "equal" for tag, *_ in blocks) == differing
    assert _rebuilt(before, after) == after
