"""Envelopes: form, limits and base64 (V7 to V10)."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest
from tests.support.approvals import VECTOR_PAYLOAD

from peergate.approval.envelope import (
    MAX_ENVELOPE_BYTES,
    MAX_PAYLOAD_BYTES,
    PAYLOAD_TYPE,
    Envelope,
    EnvelopeRefused,
    pae,
    parse_envelope,
    write_envelope,
)
from peergate.model.decision import Code


def text(**members: Any) -> str:
    return json.dumps(
        {"payloadType": PAYLOAD_TYPE, "payload": "aGk=", "signatures": [{"sig": "c2ln"}], **members},
    )


def signed(**members: Any) -> str:
    return text(signatures=[{"sig": "c2ln", **members}])


HI = Envelope(payload=b"hi", signature=b"sig", key_id="")
TAKEN = {
    "the least there is": (text(), HI),
    "a hint": (signed(keyid="SHA256:x"), Envelope(b"hi", b"sig", "SHA256:x")),
    "an empty hint": (signed(keyid=""), HI),
    "a hint of 256 bytes": (signed(keyid="x" * 256), Envelope(b"hi", b"sig", "x" * 256)),
    "unknown members": (text(more=1, signatures=[{"sig": "c2ln", "cert": None}]), HI),
    "white space": (f"\n {text()}\t", HI),
    "the URL-safe alphabet": (text(payload="_-8="), Envelope(b"\xff\xef", b"sig", "")),
    "the standard alphabet": (text(payload="/+8="), Envelope(b"\xff\xef", b"sig", "")),
    "one alphabet in each": (
        text(payload="_-8=", signatures=[{"sig": "/+8="}]),
        Envelope(b"\xff\xef", b"\xff\xef", ""),
    ),
    "an empty payload, which fails later": (text(payload=""), Envelope(b"", b"sig", "")),
    "as many levels as are allowed": (text(x=[[[[[[[1]]]]]]]), HI),
}
REFUSED = {
    "above 8,192 bytes (A13)": (text() + " " * MAX_ENVELOPE_BYTES, 7, Code.APPROVAL_TOO_LARGE),
    "above 8,192 bytes in fewer characters": (
        text(x="é" * 4050).replace("\\u00e9", "é"),
        7,
        Code.APPROVAL_TOO_LARGE,
    ),
    "no JSON": ("approved", 8, Code.APPROVAL_MALFORMED),
    "a lone surrogate": ("\ud800", 8, Code.APPROVAL_MALFORMED),
    "a byte order mark": ("\ufeff" + text(), 8, Code.APPROVAL_MALFORMED),
    "a duplicate member (A6)": (text().replace("{", '{"payload":"",', 1), 8, Code.APPROVAL_MALFORMED),
    "more than eight levels": (text(x=[[[[[[[[1]]]]]]]]), 8, Code.APPROVAL_MALFORMED),
    "a list": ("[]", 8, Code.APPROVAL_MALFORMED),
    "a Sigstore bundle (A53)": (json.dumps({"dsseEnvelope": json.loads(text())}), 8, Code.APPROVAL_MALFORMED),
    "no payloadType": (text(payloadType=None), 8, Code.APPROVAL_MALFORMED),
    "a payload that is no text": (text(payload=1), 8, Code.APPROVAL_MALFORMED),
    "no signature (A2)": (text(signatures=[]), 8, Code.APPROVAL_MALFORMED),
    "two signatures": (text(signatures=[{"sig": "c2ln"}] * 2), 8, Code.APPROVAL_MALFORMED),
    "signatures that are no list": (text(signatures={"sig": "c2ln"}), 8, Code.APPROVAL_MALFORMED),
    "a signature without sig": (text(signatures=[{}]), 8, Code.APPROVAL_MALFORMED),
    "a sig that is null": (text(signatures=[{"sig": None}]), 8, Code.APPROVAL_MALFORMED),
    "a hint that is null": (signed(keyid=None), 8, Code.APPROVAL_MALFORMED),
    "a hint above 256 bytes": (signed(keyid="é" * 129), 8, Code.APPROVAL_MALFORMED),
    "another payloadType (A4)": (text(payloadType="application/json"), 9, Code.UNSUPPORTED_TYPE),
    "a payloadType of another case": (text(payloadType=PAYLOAD_TYPE.upper()), 9, Code.UNSUPPORTED_TYPE),
    "base64 without padding": (text(payload="aGk"), 10, Code.APPROVAL_MALFORMED),
    "base64 with spare bits (A11)": (text(payload="aGl="), 10, Code.APPROVAL_MALFORMED),
    "base64 of both alphabets": (text(payload="_+8="), 10, Code.APPROVAL_MALFORMED),
    "base64 with a line end": (text(payload="aGk=\n"), 10, Code.APPROVAL_MALFORMED),
    "base64 with junk": (text(payload="a!Gk="), 10, Code.APPROVAL_MALFORMED),
    "base64 beyond ASCII": (text(payload="aGké"), 10, Code.APPROVAL_MALFORMED),
    "a sig that is no base64": (signed(sig="c2ln="), 10, Code.APPROVAL_MALFORMED),
    "a payload above 3,900 bytes": (text(payload="YWFh" * 1301), 10, Code.APPROVAL_TOO_LARGE),
}


@pytest.mark.parametrize(("value", "want"), TAKEN.values(), ids=TAKEN)
def test_taken(value: str, want: Envelope):
    assert parse_envelope(value) == want


@pytest.mark.parametrize(("value", "step", "code"), REFUSED.values(), ids=REFUSED)
def test_refused(value: str, step: int, code: Code):
    with pytest.raises(EnvelopeRefused) as caught:
        parse_envelope(value)
    assert (caught.value.step, caught.value.code) == (step, code)


def test_the_limits_are_inclusive():
    full = text()
    assert parse_envelope(full + " " * (MAX_ENVELOPE_BYTES - len(full))) == HI
    assert len(parse_envelope(text(payload="YWFh" * 1300)).payload) == MAX_PAYLOAD_BYTES


def test_pae_counts_bytes():
    assert pae(b"") == b"DSSEv1 28 application/vnd.in-toto+json 0 "
    assert pae("é".encode()) == b"DSSEv1 28 application/vnd.in-toto+json 2 \xc3\xa9"


def test_what_is_written_can_be_read():
    written = write_envelope(b"hi", b"sig", "SHA256:x")
    assert written == (
        '{"payloadType":"application/vnd.in-toto+json","payload":"aGk=",'
        '"signatures":[{"keyid":"SHA256:x","sig":"c2ln"}]}'
    )
    assert parse_envelope(written) == Envelope(b"hi", b"sig", "SHA256:x")
    assert "keyid" not in write_envelope(b"hi", b"sig")


def test_what_nobody_would_take_is_not_written():
    with pytest.raises(ValueError, match="3900"):
        write_envelope(b"x" * 3901, b"")
    with pytest.raises(ValueError, match="8192"):
        write_envelope(b"x" * 3900, b"x" * 3000)


def test_pae_vector():
    assert len(pae(VECTOR_PAYLOAD)) == 1074
    assert (
        sha256(pae(VECTOR_PAYLOAD)).hexdigest()
        == "d2da7ef55f6ce01fe9ab8231915c860ad3ef25eba7942dcc28df96e82daba8c8"
    )
