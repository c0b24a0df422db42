"""P8 and its neighbours: canonical bytes are RFC 8785 where that is exact, and exact beyond."""

from __future__ import annotations

import contextlib
import json

import orjson
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from peergate.approval.base64strict import decode_base64, encode_base64
from peergate.approval.canonical import NotCanonical, canonical_bytes, canonically_equal
from peergate.approval.strict import NotStrictJson, strict_json

SAFE = st.integers(-(2**53) + 1, 2**53 - 1)
WIDE = st.integers(-(2**63), 2**64 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
DOUBLES = st.floats(allow_nan=False, allow_infinity=False)


# RFC 8785 writes these without an exponent, and so as what would be an integer beyond 64 bits.
LONG = st.floats(-1e21, -(2.0**63), exclude_min=True, exclude_max=True) | st.floats(
    2.0**64, 1e21, exclude_max=True
)
SHORT = DOUBLES.filter(lambda value: not (-1e21 < value < -(2.0**63) or 2.0**64 <= value < 1e21))


def values(numbers: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.recursive(
        st.none() | st.booleans() | TEXT | numbers,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
        max_leaves=20,
    )


@given(values(SAFE | DOUBLES))
def test_p8_canonical_bytes_are_rfc_8785_below_two_to_the_53(value: object):
    assert canonical_bytes(value) == rfc8785.dumps(value)


@given(DOUBLES)
def test_p8_doubles_are_those_of_rfc_8785(value: float):
    assert canonical_bytes(value) == rfc8785.dumps(value)


@given(WIDE, WIDE)
def test_p8_different_64_bit_integers_have_different_bytes(one: int, other: int):
    assert (canonical_bytes([one]) == canonical_bytes([other])) is (one == other)


@given(values(WIDE | SHORT))
def test_canonical_bytes_read_back_to_the_same_bytes(value: object):
    data = canonical_bytes(value)
    assert canonical_bytes(strict_json(data, max_depth=100)) == data
    assert canonically_equal(value, json.loads(data))


@given(LONG)
def test_a_double_that_is_written_as_a_wider_integer_is_rfc_8785_and_its_digits_are_refused(value: float):
    data = canonical_bytes(value)
    assert data == rfc8785.dumps(value)
    with pytest.raises(NotCanonical):
        canonical_bytes(json.loads(data))


@given(values(WIDE | DOUBLES))
def test_it_does_not_matter_which_parser_read_the_object(value: object):
    text = json.dumps(value)
    assert canonical_bytes(orjson.loads(text)) == canonical_bytes(json.loads(text))


@given(values(st.integers() | st.floats()) | st.text())
def test_there_are_bytes_or_a_reason(value: object):
    with contextlib.suppress(NotCanonical):
        canonical_bytes(value)


@given(st.text() | st.binary())
def test_strict_json_takes_no_more_than_json(data: str | bytes):
    try:
        value = strict_json(data, max_depth=8)
    except NotStrictJson:
        return
    assert value == json.loads(data)


JSON_ISH = st.text(st.sampled_from('[]{}",:\\ud8a1e.-0 ntrue'), max_size=40)


@given(JSON_ISH)
def test_strict_json_never_fails_otherwise(text: str):
    with contextlib.suppress(NotStrictJson):
        strict_json(text, max_depth=3)


@given(st.binary())
def test_base64_has_one_spelling(data: bytes):
    text = encode_base64(data)
    assert decode_base64(text) == data
    assert decode_base64(text.replace("+", "-").replace("/", "_")) == data


@given(st.text(st.sampled_from("AQgwaz09+/-_=\n ")))
def test_base64_that_is_taken_is_canonical(text: str):
    try:
        data = decode_base64(text)
    except ValueError:
        return
    assert encode_base64(data) == text.replace("-", "+").replace("_", "/")
