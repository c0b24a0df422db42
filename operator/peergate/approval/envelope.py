"""The DSSE envelope: payload and signature in one annotation value (approval-format.md §2).

Limits come before anything that costs: size, then form, then base64 (V7 to V10, A13).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from peergate.approval.base64strict import decode_base64, encode_base64
from peergate.approval.strict import strict_json
from peergate.model.decision import Code

__all__ = [
    "MAX_DEPTH",
    "MAX_ENVELOPE_BYTES",
    "MAX_PAYLOAD_BYTES",
    "PAYLOAD_TYPE",
    "Envelope",
    "EnvelopeRefused",
    "pae",
    "parse_envelope",
    "write_envelope",
]

MAX_ENVELOPE_BYTES: Final = 8192
MAX_PAYLOAD_BYTES: Final = 3900
"""Keeps the signed bytes below 4,096, a common raw-message limit of key services."""
MAX_DEPTH: Final = 8
PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
_MAX_KEY_ID_BYTES: Final = 256


@dataclass(frozen=True, slots=True)
class Envelope:
    """One envelope with its one signature, decoded."""

    payload: bytes
    """The very bytes that were signed: what is verified, and then parsed once (A7)."""
    signature: bytes
    key_id: str
    """A hint of the sender, empty if absent; it decides nothing (A8)."""


class EnvelopeRefused(ValueError):
    """A value that is no envelope: with the code and the step of approval-format.md §7."""

    def __init__(self, text: str, *, code: Code, step: int) -> None:
        super().__init__(text)
        self.code = code
        self.step = step


def pae(payload: bytes) -> bytes:
    """Return the bytes that are signed for a payload.

    Shape: ``DSSEv1 LEN(type) type LEN(payload) payload``, lengths in bytes, decimal; the type is constant, so
    no length trick can move the border between the two (A5).
    """
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def parse_envelope(text: str) -> Envelope:
    """Return the envelope in an annotation's value.

    Unknown members are ignored, as DSSE says. The payload is not looked at.
    Errors: EnvelopeRefused, with the code and the step V7, V8, V9 or V10.
    """
    # V7: bytes, not characters; the API server bounds all annotations of an object to 256 KiB.
    if len(text.encode(errors="surrogatepass")) > MAX_ENVELOPE_BYTES:
        raise EnvelopeRefused(
            f"the envelope is above {MAX_ENVELOPE_BYTES} bytes",
            code=Code.APPROVAL_TOO_LARGE,
            step=7,
        )
    payload_type, payload, sig, key_id = _members(text)
    if payload_type != PAYLOAD_TYPE:
        raise EnvelopeRefused("another payloadType", code=Code.UNSUPPORTED_TYPE, step=9)
    try:
        data, signature = decode_base64(payload), decode_base64(sig)
    except ValueError as error:
        raise EnvelopeRefused("not base64", code=Code.APPROVAL_MALFORMED, step=10) from error
    if len(data) > MAX_PAYLOAD_BYTES:
        raise EnvelopeRefused(
            f"the payload is above {MAX_PAYLOAD_BYTES} bytes",
            code=Code.APPROVAL_TOO_LARGE,
            step=10,
        )
    return Envelope(payload=data, signature=signature, key_id=key_id)


def write_envelope(payload: bytes, signature: bytes, keyid: str = "") -> str:
    """Return the envelope as one line of JSON, as it stands in an annotation.

    Errors: ValueError if payload or envelope are above their limits.
    """
    entry = {"keyid": keyid} if keyid else {}
    text = json.dumps(
        {
            "payloadType": PAYLOAD_TYPE,
            "payload": encode_base64(payload),
            "signatures": [{**entry, "sig": encode_base64(signature)}],
        },
        separators=(",", ":"),
    )
    parse_envelope(text)
    return text


def _members(text: str) -> tuple[str, str, str, str]:
    """Return payloadType, payload, sig and keyid of an envelope of the right form (V8)."""
    try:
        document = strict_json(text, max_depth=MAX_DEPTH)
    except ValueError as error:
        raise _malformed("not strict JSON") from error
    match document:
        case {
            "payloadType": str() as payload_type,
            "payload": str() as payload,
            "signatures": [{"sig": str() as sig} as entry],
        }:
            key_id = entry.get("keyid", "")
        case _:
            raise _malformed("not an envelope with exactly one signature")
    if not isinstance(key_id, str) or len(key_id.encode()) > _MAX_KEY_ID_BYTES:
        raise _malformed(f"the keyid is no text of at most {_MAX_KEY_ID_BYTES} bytes")
    return payload_type, payload, sig, key_id


def _malformed(text: str) -> EnvelopeRefused:
    return EnvelopeRefused(text, code=Code.APPROVAL_MALFORMED, step=8)
