"""Fields that a rule lets agents change without approval (design.md §3, ``exempt``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from peergate.approval.canonical import canonically_equal
from peergate.approval.projection import project_update
from peergate.model.names import JsonObject
from peergate.model.review import Kind

__all__ = ["only_exempt_differs"]

_Tokens: TypeAlias = tuple[str, ...]
_LABELS: Final = ("metadata", "labels")
_MAPS: Final = frozenset({"labels", "annotations"})


def only_exempt_differs(
    old: JsonObject,
    new: JsonObject,
    *,
    kind: Kind,
    pointers: Sequence[str],
    closed_labels: frozenset[str],
) -> bool:
    """Tell whether the update changes nothing but what the pointers name.

    A label that some policy selects on (``closed_labels``) is never exempt: changing it would move the object
    out of that policy's reach. Errors: NotCanonical.
    """
    before, after = project_update(old, new, kind=kind)
    for pointer in pointers:
        tokens = tuple(token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:])
        if _frees_closed_label(tokens, closed_labels):
            continue
        before, after = _without(before, tokens), _without(after, tokens)
    return canonically_equal(_tidied(before), _tidied(after))


def _tidied(projected: JsonObject) -> JsonObject:
    """Leave out empty labels and annotations, as a projection does (approval-format.md §5.1 rule 2).

    They are empty where the exempt label is the first one, or was the last.
    """
    metadata = projected["metadata"]
    return {**projected, "metadata": {name: member for name, member in metadata.items() if member != {}}}


def _frees_closed_label(tokens: _Tokens, closed: frozenset[str]) -> bool:
    if tokens == _LABELS[: len(tokens)]:
        return bool(closed)
    return tokens[:2] == _LABELS and tokens[2] in closed


def _without(value: Any, tokens: _Tokens) -> Any:
    """Return the value without the named member; what is shared with the review stays as it is."""
    head, *rest = tokens
    if isinstance(value, list):
        if not (head.isdecimal() and int(head) < len(value) and rest):
            return value
        index = int(head)
        return [*value[:index], _without(value[index], tuple(rest)), *value[index + 1 :]]
    if not isinstance(value, dict) or head not in value:
        return value
    if not rest:
        return {name: member for name, member in value.items() if name != head}
    inner = _without(value[head], tuple(rest))
    if head == "metadata" and len(rest) == 2 and rest[0] in _MAPS and isinstance(inner, dict):  # noqa: PLR2004 - map and key
        # Of a template too: that of `kubectl rollout restart` is often the first annotation.
        inner = {name: member for name, member in inner.items() if name != rest[0] or member != {}}
    return {**value, head: inner}
