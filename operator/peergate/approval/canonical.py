"""Canonical bytes: one spelling for every JSON value, so that equal changes have equal digests.

RFC 8785 with one change: 64-bit integers keep their exact digits (approval-format.md §5.3). Knows values
only, never text: what parsed them must have kept wide integers exact (``json`` does; ``orjson`` turns
integers beyond 64 bits into doubles).
"""

from __future__ import annotations

import json
from decimal import Decimal
from math import isfinite
from typing import Any, Final

import orjson

__all__ = [
    "MAX_CANONICAL_BYTES",
    "MAX_DEPTH",
    "NotCanonical",
    "TooLarge",
    "canonical_bytes",
    "canonically_equal",
]

MAX_CANONICAL_BYTES: Final = 2 * 1024 * 1024
"""More is refused (V4): etcd takes 1.5 MiB by default, and hashing must stay a matter of milliseconds."""
MAX_DEPTH: Final = 250
"""Levels of nesting; deeper has no canonical form here. ``orjson`` writes 254; real objects have about 40."""

_INTEGER_MIN: Final = -(2**63)
_INTEGER_MAX: Final = 2**64 - 1
_OPTIONS: Final = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_SUBCLASS
_quote = json.JSONEncoder(ensure_ascii=False).encode


class NotCanonical(ValueError):
    """The value has no canonical form: an integer beyond 64 bits, no number, a lone surrogate, too deep."""


class TooLarge(ValueError):
    """The canonical form is above ``MAX_CANONICAL_BYTES``."""


class _Written(str):
    """Text that stands in the output as it is."""

    __slots__ = ()


def canonical_bytes(value: object) -> bytes:
    """Return the canonical bytes of a decoded JSON value.

    Shape: UTF-8 without white space, names in UTF-16 order, doubles as RFC 8785, integers as digits.
    Errors:
        NotCanonical: there is no canonical form.
        TooLarge: it is above 2 MiB.
        TypeError: not a decoded JSON value; a defect of the caller.
    Source: approval-format.md §5.3, A12.
    """
    data = _encode(value)
    if len(data) > MAX_CANONICAL_BYTES:
        raise TooLarge(f"the canonical form has {len(data)} bytes; at most {MAX_CANONICAL_BYTES} are taken")
    return data


def canonically_equal(one: object, other: object) -> bool:
    """Tell whether two values have the same canonical bytes, of whatever size.

    Python's own equality won't do: ``True == 1``.
    Errors: as ``canonical_bytes``, without TooLarge.
    """
    return _encode(one) == _encode(other)


def _encode(value: object) -> bytes:
    plain = _is_plain(value)
    try:
        # For plain values orjson's output is the canonical form, and it is many times quicker than ours.
        return orjson.dumps(value, option=_OPTIONS) if plain else _write(value).encode()
    except UnicodeEncodeError as error:
        raise NotCanonical("a string holds a lone surrogate") from error
    except orjson.JSONEncodeError as error:
        # The walk has seen every type, depth and integer, so only a string can be at fault.
        raise NotCanonical("a string holds a lone surrogate") from error


def _is_plain(value: object) -> bool:
    """Check the whole value once, level by level, so that no depth can exhaust the stack.

    Plain is what orjson writes canonically: no doubles, and only names whose UTF-8 order (orjson's) is their
    UTF-16 order, of which ASCII names are the ones worth telling apart.
    """
    plain = True
    level: list[Any] = [[value]]
    for _ in range(MAX_DEPTH + 1):
        below: list[Any] = []
        for container in level:
            members = container
            if type(container) is dict:
                plain = plain and "".join(container).isascii()
                members = container.values()
            for item in members:
                kind = type(item)
                if kind is str or item is None or kind is bool:
                    continue
                if kind is dict or kind is list:
                    if item:
                        below.append(item)
                elif kind is int:
                    if not _INTEGER_MIN <= item <= _INTEGER_MAX:
                        raise NotCanonical("an integer is beyond 64 bits")
                elif kind is float:
                    if not isfinite(item):
                        raise NotCanonical("a number is beyond the range of doubles")
                    plain = False
                else:
                    raise TypeError(f"{kind.__name__} is no decoded JSON value")
        if not below:
            return plain
        level = below
    raise NotCanonical(f"nested deeper than {MAX_DEPTH} levels")


def _write(value: object) -> str:
    """Write any checked value, with a stack of what is still to come."""
    out: list[str] = []
    ahead: list[object] = [value]
    while ahead:
        item = ahead.pop()
        if type(item) is _Written:
            out.append(item)
        elif isinstance(item, dict):
            ahead.append(_Written("}"))
            for position, name in enumerate(sorted(item, key=_utf16, reverse=True), start=1):
                comma = "," if position < len(item) else ""
                ahead += (item[name], _Written(f"{comma}{_quote(name)}:"))
            out.append("{")
        elif isinstance(item, list):
            ahead.append(_Written("]"))
            for position, member in enumerate(reversed(item), start=1):
                ahead += (member, _Written("," if position < len(item) else ""))
            out.append("[")
        elif isinstance(item, float):
            out.append(_double(item))
        else:
            out.append(_quote(item))
    return "".join(out)


def _utf16(name: str) -> bytes:
    return name.encode("utf-16-be")


def _double(value: float) -> str:
    """Return a double as ECMAScript's Number::toString does (RFC 8785 §3.2.2.3)."""
    if value == 0:
        return "0"
    # repr is the shortest text that reads back to the same double: the very digits ECMAScript asks for.
    sign, places, exponent = Decimal(repr(value)).as_tuple()
    digits = "".join(map(str, places)).rstrip("0")
    point = len(places) + int(exponent)
    if 0 < point <= 21:  # noqa: PLR2004 - the bounds are ECMAScript's
        whole = digits[:point].ljust(point, "0")
        text = f"{whole}.{digits[point:]}" if len(digits) > point else whole
    elif -6 < point <= 0:  # noqa: PLR2004
        text = f"0.{'0' * -point}{digits}"
    else:
        fraction = f".{digits[1:]}" if len(digits) > 1 else ""
        text = f"{digits[0]}{fraction}e{point - 1:+d}"
    return f"-{text}" if sign else text
