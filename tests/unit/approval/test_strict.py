"""Strict JSON: what every parser reads alike, and nothing else (A6)."""

from __future__ import annotations

import pytest

from peergate.approval.strict import NotStrictJson, strict_json

TAKEN = {
    "an object": (b'{"a": [1, -0, 2.5, null, true, "x"]}', {"a": [1, 0, 2.5, None, True, "x"]}),
    "text instead of bytes": ('"\u00e9"', "\u00e9"),
    "white space around the value": (b" \t\r\n[] \n", []),
    "an integer of any size": (b"123456789012345678901234567890", 123456789012345678901234567890),
    "an escaped pair of surrogates": (rb'"\ud83d\ude00"', "\U0001f600"),
    "brackets inside strings are not nesting": (rb'["[[[[[[[[[[\"[[[[", "]]"]', ['[[[[[[[[[["[[[[', "]]"]),
    "as many levels as are allowed": (b"[[[1]]]", [[[1]]]),
    "as many levels again, one after the other": (b"[[[1]],[[2]]]", [[[1]], [[2]]]),
}
REFUSED = {
    "a duplicate name": b'{"a":1,"a":1}',
    "a duplicate name that is escaped once": rb'{"a":1,"\u0061":1}',
    "a duplicate name further down": b'[{"a":1,"a":2}]',
    "not a number": b"NaN",
    "infinity": b"-Infinity",
    "a number that overflows": b"1e400",
    "a lone surrogate": rb'"\ud800"',
    "a lone surrogate in a name": rb'{"\udfff":1}',
    "a raw lone surrogate": '"\ud800"',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "bytes that are no UTF-8": b'"\xff"',
    "more levels than allowed": b"[[[[1]]]]",
    "levels without end": b"[" * 1_000_000,
    "a second value": b"{} {}",
    "nothing": b"",
    "an open string": b'["abc',
    "an open string that ends in a backslash": b'["abc\\',
    "a comment": b"/* x */ {}",
    "a trailing comma": b"[1,]",
    "a control character in a string": b'"\x00"',
    "an integer that int() itself refuses": b"1" * 5000,
}


@pytest.mark.parametrize(("data", "value"), TAKEN.values(), ids=TAKEN)
def test_taken(data: bytes | str, value: object):
    assert strict_json(data, max_depth=3) == value


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED)
def test_refused(data: bytes | str):
    with pytest.raises(NotStrictJson):
        strict_json(data, max_depth=3)
