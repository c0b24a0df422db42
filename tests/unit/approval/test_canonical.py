"""Canonical bytes: the vectors of the format, and what has no canonical form."""

from __future__ import annotations

from hashlib import sha256

import pytest

from peergate.approval.canonical import (
    MAX_CANONICAL_BYTES,
    MAX_DEPTH,
    NotCanonical,
    TooLarge,
    canonical_bytes,
    canonically_equal,
)
from peergate.approval.strict import strict_json

VECTORS = {
    "wide integers keep their digits (A12)": (
        '{"b":9007199254740993,"a":-9223372036854775808,"c":18446744073709551615}',
        '{"a":-9223372036854775808,"b":9007199254740993,"c":18446744073709551615}',
        "888ca2ab868f552b9ba3cbce0ce7909b696367edefd44fb4a9c10a69b0f65880",
    ),
    "doubles are written as ECMAScript writes them": (
        '{"x":1.0,"y":1e3,"z":-0.0,"w":1.5e-7,"v":1e21,"u":-0}',
        '{"u":0,"v":1e+21,"w":1.5e-7,"x":1,"y":1000,"z":0}',
        "f06db04dba745265fc3690686daa20954868c12c8394841944a67803473c4610",
    ),
    "names sort by UTF-16, and only what must be is escaped": (
        r'{"\ufb33":1,"\ud83d\ude00":2,"\u20ac":"\u2028\u000f\n\u007f\"\\\/"}',
        '{"\u20ac":"\u2028\\u000f\\n\u007f\\"\\\\/","\U0001f600":2,"\ufb33":1}',
        "f74389ca8493a5e1988884bf9e73ab06e82750b99f6f6393fa1a828864cc5e6e",
    ),
}


@pytest.mark.parametrize(("text", "want", "digest"), VECTORS.values(), ids=VECTORS)
def test_vectors(text: str, want: str, digest: str):
    data = canonical_bytes(strict_json(text, max_depth=8))
    assert data == want.encode()
    assert sha256(data).hexdigest() == digest


DOUBLES = {
    1e20: "100000000000000000000",
    123456789012345680000.0: "123456789012345680000",
    1e21: "1e+21",
    1.25e22: "1.25e+22",
    1e-6: "0.000001",
    1.5e-6: "0.0000015",
    1e-7: "1e-7",
    -1.5e-7: "-1.5e-7",
    333333333.33333329: "333333333.3333333",
    4.5: "4.5",
    0.002: "0.002",
    -0.0: "0",
    5e-324: "5e-324",
    1.7976931348623157e308: "1.7976931348623157e+308",
    9007199254740994.0: "9007199254740994",
    10.0: "10",
}


@pytest.mark.parametrize(("value", "text"), DOUBLES.items(), ids=DOUBLES.values())
def test_doubles(value: float, text: str):
    assert canonical_bytes(value) == text.encode()


PLAIN_AND_NOT = {
    "nothing at all": (None, "null"),
    "truth": ([True, False], "[true,false]"),
    "empty containers": ({"b": {}, "a": []}, '{"a":[],"b":{}}'),
    "empty containers beside a double": ({"b": {}, "a": [], "c": 0.5}, '{"a":[],"b":{},"c":0.5}'),
    "everything beside a double": (
        [{"é": None, "a": True, "b": False, "c": -7, "d": [1, "x"]}, 0.5],
        '[{"a":true,"b":false,"c":-7,"d":[1,"x"],"é":null},0.5]',
    ),
}


@pytest.mark.parametrize(("value", "text"), PLAIN_AND_NOT.values(), ids=PLAIN_AND_NOT)
def test_both_writers_write_alike(value: object, text: str):
    assert canonical_bytes(value) == text.encode()


def nested(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


def deep_with_double(levels: int) -> object:
    value: object = 0.5
    for _ in range(levels):
        value = {"a": value}
    return value


NO_FORM = {
    "an integer above 64 bits": 2**64,
    "an integer below 64 bits": -(2**63) - 1,
    "a number that overflowed": float("inf"),
    "not a number": float("nan"),
    "a lone surrogate": {"a": "\ud800"},
    "a lone surrogate in a name": {"\udfff": 1},
    "a lone surrogate beside a double": [0.5, "\ud800"],
    "more levels than any object has": nested(MAX_DEPTH + 1),
    "far more levels than the stack": nested(100_000),
}


@pytest.mark.parametrize("value", NO_FORM.values(), ids=NO_FORM)
def test_no_canonical_form(value: object):
    with pytest.raises(NotCanonical):
        canonical_bytes(value)


def test_the_deepest_that_is_taken():
    assert canonical_bytes(nested(MAX_DEPTH)) == b"[" * MAX_DEPTH + b"1" + b"]" * MAX_DEPTH
    assert canonical_bytes(deep_with_double(MAX_DEPTH)).endswith(b"0.5" + b"}" * MAX_DEPTH)


def test_two_mebibytes_are_the_limit():
    assert len(canonical_bytes("x" * (MAX_CANONICAL_BYTES - 2))) == MAX_CANONICAL_BYTES
    with pytest.raises(TooLarge):
        canonical_bytes("x" * (MAX_CANONICAL_BYTES - 1))


@pytest.mark.parametrize(
    "value", [(1,), {1, 2}, b"bytes", {"a": object()}], ids=["tuple", "set", "bytes", "object"]
)
def test_what_is_no_json_value_is_a_defect_of_the_caller(value: object):
    with pytest.raises(TypeError):
        canonical_bytes(value)


def test_equality_is_that_of_canonical_bytes():
    assert canonically_equal({"a": 1, "b": [1.0]}, {"b": [1], "a": 1})
    assert not canonically_equal({"a": True}, {"a": 1})
    assert not canonically_equal(9007199254740993, 9007199254740992.0)
