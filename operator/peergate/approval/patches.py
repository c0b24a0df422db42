"""JSON Patches (RFC 6902) from an object as it is to what it is to be, as a ChangeRequest carries them.

Only ``add``, ``remove`` and ``replace`` are written and applied. The same two values give the same patch on
every replica: filed requests are compared. An element that is put into a list is one operation, not a shift
of all that follow, since people read this.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from peergate.approval.canonical import canonically_equal
from peergate.model.names import JsonObject

__all__ = ["PatchProblem", "apply_patch", "make_patch"]

_INDEX_DIGITS: Final = 7
"""Of a list's index: more than any object can hold."""


class PatchProblem(ValueError):
    """A patch that does not fit the object; the text names the operation by its number, never a value."""


def make_patch(before: JsonObject, after: JsonObject) -> list[JsonObject]:
    """Return the operations that turn ``before`` into ``after``; the inputs stay as they are.

    Shape: members in order of their names; in a list from its end, so that every index is right when its
    operation is applied. Errors: RecursionError for what is nested deeper than Python walks; NotCanonical.
    """
    return list(_differences(before, after, path=""))


def apply_patch(document: JsonObject, patch: Sequence[Mapping[str, Any]]) -> JsonObject:
    """Return a copy of the document with the patch applied; the input stays as it is.

    Errors: PatchProblem for an operation that is not ``add``, ``remove`` or ``replace``, has no value where
    it needs one, or whose place is not there.
    """
    root: dict[str, Any] = {"": document}
    fresh: set[int] = set()
    for number, operation in enumerate(patch):
        _apply(root, operation, number=number, fresh=fresh)
    result = root[""]
    if not isinstance(result, dict):
        raise PatchProblem("the patch leaves no object")
    return result


def _differences(before: object, after: object, *, path: str) -> Iterator[JsonObject]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted(before.keys() | after.keys()):
            below = f"{path}/{_escaped(name)}"
            if name not in after:
                yield {"op": "remove", "path": below}
            elif name not in before:
                yield {"op": "add", "path": below, "value": after[name]}
            else:
                yield from _differences(before[name], after[name], path=below)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _list_differences(before, after, path=path)
    elif not _same(before, after):
        yield {"op": "replace", "path": path, "value": after}


def _list_differences(before: list[Any], after: list[Any], *, path: str) -> Iterator[JsonObject]:
    """Keep what both begin and end with; between, pair elements one by one, then add or remove the rest."""
    shorter = min(len(before), len(after))
    head = 0
    while head < shorter and _same(before[head], after[head]):
        head += 1
    tail = 0
    while tail < shorter - head and _same(before[-1 - tail], after[-1 - tail]):
        tail += 1
    paired = shorter - head - tail
    for index in range(len(before) - tail - 1, head + paired - 1, -1):
        yield {"op": "remove", "path": f"{path}/{index}"}
    for offset in range(paired):
        yield from _differences(before[head + offset], after[head + offset], path=f"{path}/{head + offset}")
    for index in range(head + paired, len(after) - tail):
        yield {"op": "add", "path": f"{path}/{index}", "value": after[index]}


def _same(one: object, other: object) -> bool:
    # Python takes true for 1: whatever it calls equal is looked at again.
    return one is other or (one == other and canonically_equal(one, other))


def _escaped(token: str) -> str:
    return token.replace("~", "~0").replace("/", "~1")


def _apply(root: dict[str, Any], operation: Mapping[str, Any], *, number: int, fresh: set[int]) -> None:
    kind, path = operation.get("op"), operation.get("path")
    if kind not in {"add", "remove", "replace"} or not isinstance(path, str):
        raise PatchProblem(f"operation {number} is none that is known")
    if kind != "remove" and "value" not in operation:
        raise PatchProblem(f"operation {number} has no value")
    if path and not path.startswith("/"):
        raise PatchProblem(f"operation {number} has no readable path")
    tokens = [token.replace("~1", "/").replace("~0", "~") for token in path.split("/")]
    parent: Any = root
    for token in tokens[:-1]:
        parent = _own(parent, _place(parent, token, number=number), fresh=fresh)
    last = _place(parent, tokens[-1], number=number, adding=kind == "add")
    if kind == "remove":
        del parent[last]
    elif kind == "add" and isinstance(parent, list):
        parent.insert(last, operation["value"])
    else:
        parent[last] = operation["value"]


def _own(parent: Any, place: Any, *, fresh: set[int]) -> Any:
    """Return the container at this place, copied once, so that nobody else's is changed."""
    child = parent[place]
    if isinstance(child, dict | list) and id(child) not in fresh:
        child = parent[place] = child.copy()
        fresh.add(id(child))
    return child


def _place(parent: Any, token: str, *, number: int, adding: bool = False) -> Any:
    if isinstance(parent, dict):
        if adding or token in parent:
            return token
    elif isinstance(parent, list):
        if adding and token == "-":  # noqa: S105 - a place, not a password
            return len(parent)
        is_index = token.isascii() and token.isdigit() and len(token) <= _INDEX_DIGITS
        if is_index and str(int(token)) == token and int(token) < len(parent) + adding:
            return int(token)
    raise PatchProblem(f"operation {number} names what is not there")
