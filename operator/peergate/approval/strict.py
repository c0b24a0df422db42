"""Strict JSON: text that every parser reads alike (approval-format.md §2, §12, A6).

Used for envelopes, payloads and by tools; objects of a review come from the API server and need it not.
"""

from __future__ import annotations

import json
import re
from math import isinf
from typing import Any, Final

from peergate.model.names import JsonObject

__all__ = ["NotStrictJson", "strict_json"]

_STRING: Final = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
"""A string as a whole, or an open one up to the end, which no parser takes: linear time."""


class NotStrictJson(ValueError):
    """The text is no JSON, or JSON that two parsers may read differently."""


def strict_json(data: bytes | str, *, max_depth: int) -> object:
    """Return the value of a JSON text; integers stay exact, whatever their size.

    Shape: UTF-8 without byte order mark; only white space around the value.
    Units and limits: ``max_depth`` levels of arrays and objects, counted before anything is parsed.
    Errors:
        NotStrictJson: no JSON; a duplicate name (compared unescaped), ``NaN`` or ``Infinity``, a number that
            overflows, a lone surrogate, nested too deep.
    """
    try:
        text = data.decode() if isinstance(data, bytes) else data
        _check_depth(text, max_depth=max_depth)
        value: object = _DECODER.decode(text)
        # A lone surrogate has no UTF-8: raw in text, or spelt by an escape that the parser lets through.
        text.encode()
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except NotStrictJson:
        raise
    except ValueError as error:
        raise NotStrictJson("no strict JSON") from error
    return value


def _check_depth(text: str, *, max_depth: int) -> None:
    if text.count("[") + text.count("{") <= max_depth:
        return  # too few brackets to nest deeper, wherever they stand: an envelope has three
    depth = 0
    for character in _STRING.sub("", text):
        if character in "[{":
            depth += 1
            if depth > max_depth:
                raise NotStrictJson(f"nested deeper than {max_depth} levels")
        elif character in "]}":
            depth -= 1


def _unique(pairs: list[tuple[str, Any]]) -> JsonObject:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotStrictJson("a member name occurs twice")
    return members


def _no_constant(name: str) -> object:
    raise NotStrictJson(f"{name} is no JSON number")


def _finite(digits: str) -> float:
    value = float(digits)
    if isinf(value):
        raise NotStrictJson("a number is beyond the range of doubles")
    return value


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite
)
"""``json.loads`` would make one for each text."""
