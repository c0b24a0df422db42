"""Turn the bytes of a review into a JSON document, exactly.

One parser reads one input: which of the two it is depends on the bytes alone.
"""

from __future__ import annotations

import json
import math
import re
from typing import Final, Never

import orjson

from peergate.errors import InputError

__all__ = ["decode", "readable_uid"]

_DIGITS_AS_ZEROS: Final = bytes.maketrans(b"0123456789", b"0" * 10)
_WIDE_INTEGER: Final = b"0" * 19
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_UID: Final = re.compile(r"[!-~]{1,128}")


def decode(body: bytes) -> object:
    """Return the document that the bytes hold.

    Shape: strict JSON in UTF-8 without byte order mark; of a repeated member the last counts. NaN, infinities
    and numbers that overflow a double are refused.
    Units: integers of any width are exact. orjson makes floats of those beyond 64 bits, so a body with 19
    digits in a row is read by the standard library, and canonical bytes stay exact.
    Errors: InputError, which never quotes the body.
    """
    try:
        if _WIDE_INTEGER in body.translate(_DIGITS_AS_ZEROS):  # ten times as fast as a regular expression
            return _decode_wide(body)
        return orjson.loads(body)
    except RecursionError as error:
        raise InputError("the body is nested too deeply") from error
    except ValueError as error:  # both parsers' errors, and wrong UTF-8, are ValueErrors
        raise InputError("the body is not JSON") from error


def readable_uid(document: object) -> str | None:
    """Return ``request.uid`` of a document that may be anything else but a review; ``None`` without one.

    Shape: 1 to 128 printable ASCII characters without space, so that an answer can always repeat it.
    """
    request = document.get("request") if isinstance(document, dict) else None
    uid = request.get("uid") if isinstance(request, dict) else None
    return uid if isinstance(uid, str) and _UID.fullmatch(uid) else None


def _decode_wide(body: bytes) -> object:
    text = body.decode("utf-8")
    document: object = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    if _SURROGATE.search(text):
        # The standard library keeps a lone surrogate, which no UTF-8 can hold; orjson refuses it.
        json.dumps(document, ensure_ascii=False).encode("utf-8")
    return document


def _refuse(constant: str) -> Never:
    raise ValueError(f"{constant} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number overflows")
    return number
