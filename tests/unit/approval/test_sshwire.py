"""SSH's wire form: one spelling for every value."""

from __future__ import annotations

import pytest

from peergate.approval.sshwire import WireReader, wire_mpint, wire_string, wire_u32

NUMBERS = {0: "00000000", 1: "0000000101", 127: "000000017f", 128: "000000020080", 65537: "00000003010001"}


@pytest.mark.parametrize(("number", "data"), NUMBERS.items(), ids=str)
def test_numbers(number: int, data: str):
    assert wire_mpint(number).hex() == data
    assert WireReader(bytes.fromhex(data)).mpint() == number


BAD_NUMBERS = {
    "negative": "00000001ff",
    "with a spare zero": "000000020001",
    "a zero that is written": "0000000100",
    "cut": "000000020",
}


@pytest.mark.parametrize("data", BAD_NUMBERS.values(), ids=BAD_NUMBERS)
def test_numbers_of_another_spelling(data: str):
    with pytest.raises(ValueError):  # noqa: PT011 - any ValueError is the contract
        WireReader(bytes.fromhex(data)).mpint()


def test_a_sequence_is_read_back():
    data = wire_string("a") + wire_string(b"\xff") + wire_u32(7) + b"\x09"
    reader = WireReader(data)
    assert (reader.text(), reader.string(), reader.u32(), reader.byte()) == ("a", b"\xff", 7, 9)
    reader.end()


TOO_SHORT = {
    "no length": b"\x00",
    "a length beyond the end": wire_u32(2) + b"a",
    "a huge length": b"\xff" * 8,
}


@pytest.mark.parametrize("data", TOO_SHORT.values(), ids=TOO_SHORT)
def test_bytes_that_end_early(data: bytes):
    with pytest.raises(ValueError, match="end early"):
        WireReader(data).string()


def test_what_trails_and_what_is_no_ascii():
    with pytest.raises(ValueError, match="trail"):
        WireReader(b"x").end()
    with pytest.raises(ValueError, match="ascii"):
        WireReader(wire_string("é")).text()
