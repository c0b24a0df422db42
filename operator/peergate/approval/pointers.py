"""JSON Pointers that an approval may leave unbound (approval-format.md §5.4)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from peergate.approval.canonical import canonically_equal
from peergate.model.names import JsonObject

__all__ = ["PointerProblem", "check_pointers", "pointer_tokens", "remove_pointer", "same_at"]

_POINTER: Final = re.compile(r"(?:/(?:[^~/]|~[01])*)+")
_INDEX: Final = re.compile(r"0|[1-9][0-9]*")
_MAX_BYTES: Final = 128
_MIN_TOKENS: Final = 2
_NEVER_FIRST: Final = frozenset({"apiVersion", "kind", "metadata", "status"})
_ABSENT: Final = object()


class PointerProblem(ValueError):
    """A pointer, or a list of them, that no approval may have."""


def pointer_tokens(pointer: str) -> tuple[str, ...]:
    """Return the unescaped tokens of one JSON Pointer.

    Units and limits: 2 tokens or more, 128 bytes of UTF-8 or less.
    Errors: PointerProblem for anything else, and for a first token that names identity or status.
    Source: RFC 6901; approval-format.md §5.4.
    """
    if _POINTER.fullmatch(pointer) is None:
        raise PointerProblem("not a JSON Pointer")
    if len(pointer.encode()) > _MAX_BYTES:
        raise PointerProblem(f"longer than {_MAX_BYTES} bytes")
    tokens = tuple(token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:])
    if len(tokens) < _MIN_TOKENS:
        raise PointerProblem("a top-level member can't be left unbound")
    if tokens[0] in _NEVER_FIRST:
        raise PointerProblem(f"nothing in {tokens[0]} can be left unbound")
    return tokens


def check_pointers(pointers: Sequence[str]) -> None:
    """Check a list of pointers: each well-formed, sorted, unique, none a prefix of another.

    Errors: PointerProblem.
    """
    if list(pointers) != sorted(set(pointers)):
        raise PointerProblem("the pointers are not sorted and unique")
    tokens = [pointer_tokens(pointer) for pointer in pointers]
    for one in tokens:
        if any(one != other and one == other[: len(one)] for other in tokens):
            raise PointerProblem("one pointer is a prefix of another")


def remove_pointer(value: JsonObject, pointer: str) -> None:
    """Remove the member that the pointer names, in place; a missing one is a no-op.

    Errors: PointerProblem if the pointer names an element of an array.
    """
    parent, last = _parent(value, pointer)
    if isinstance(parent, list):
        raise PointerProblem("an array element can't be left unbound")
    if isinstance(parent, dict):
        parent.pop(last, None)


def same_at(pointer: str, *, old: JsonObject, new: JsonObject) -> bool:
    """Tell whether both objects have the same value at the pointer; absent equals only absent.

    A pointer tolerates drift by others, it never licenses the request to change the field (A21).
    """
    one, other = _member(old, pointer), _member(new, pointer)
    if one is _ABSENT or other is _ABSENT:
        return one is other
    return canonically_equal(one, other)


def _member(value: JsonObject, pointer: str) -> object:
    parent, last = _parent(value, pointer)
    return parent.get(last, _ABSENT) if isinstance(parent, dict) else _ABSENT


def _parent(value: JsonObject, pointer: str) -> tuple[object, str]:
    *path, last = pointer_tokens(pointer)
    parent: object = value
    for token in path:
        if isinstance(parent, dict):
            parent = parent.get(token)
        elif isinstance(parent, list) and _INDEX.fullmatch(token) and int(token) < len(parent):
            parent = parent[int(token)]
        else:
            return None, last
    return parent, last
