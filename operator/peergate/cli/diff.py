"""Say how two objects differ, member by member, removals first (experience.md §2.1).

Works on the projections whose digests are signed, so nothing that is signed is left out of what is shown, and
nothing is cut.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from peergate.cli.masking import LAST_APPLIED, Hidden, NotFiled, masked
from peergate.cli.sequences import opcodes
from peergate.cli.text import fold, visible
from peergate.model.names import JsonObject

__all__ = ["ORDER", "Difference", "Sign", "differences", "render"]

_WIDTH: Final = 76
_NAMES: Final = ("name", "key", "mountPath", "containerPort", "port", "ip", "uid")
"""Members by which the items of a list are told apart, in this order."""


class Sign(StrEnum):
    """What happened to a member."""

    REMOVED = "-"
    CHANGED = "~"
    ADDED = "+"


ORDER: Final = {Sign.REMOVED: 0, Sign.CHANGED: 1, Sign.ADDED: 2}
"""Removed members come first."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One member that differs."""

    sign: Sign
    path: tuple[str, ...]
    old: Any = None
    new: Any = None

    @property
    def shown_path(self) -> str:
        """Return ``spec.template.spec.containers[web].image``, safe to print."""
        text = ""
        for part in self.path:
            if part.startswith("["):
                text += part
            elif part.replace("-", "").replace("_", "").isalnum():
                text += f".{part}" if text else part
            else:
                text += f"[{part}]"
        return visible(text, limit=2048)


def differences(old: JsonObject, new: JsonObject) -> tuple[Difference, ...]:
    """Return what differs between two projections: removed members first, then changed, then added ones.

    Values of Secrets are hidden before they are compared for display.
    """
    shown_old, shown_new = masked(old), masked(new)
    found = list(_members(shown_old, shown_new, ()))
    if not found and old != new:
        # Only the spelling of kubectl's copy of the manifest differs; still, it is a difference.
        found.append(Difference(Sign.CHANGED, ("metadata", "annotations"), "...", "... (spelling only)"))
    return tuple(sorted(found, key=lambda one: (ORDER[one.sign], one.path)))


def _members(old: JsonObject, new: JsonObject, path: tuple[str, ...]) -> Iterator[Difference]:
    for key in sorted({*old, *new}):
        here = (*path, key)
        if key not in new:
            yield from _whole(Sign.REMOVED, here, old[key])
        elif key not in old:
            yield from _whole(Sign.ADDED, here, new[key])
        else:
            yield from _values(old[key], new[key], here)


def _whole(sign: Sign, path: tuple[str, ...], value: Any) -> Iterator[Difference]:
    """Return what is on one side only, an object member by member; kubectl's copy stays in one piece."""
    if isinstance(value, dict) and value and path[-1] != LAST_APPLIED:
        for key in sorted(value):
            yield from _whole(sign, (*path, key), value[key])
    elif sign is Sign.REMOVED:
        yield Difference(sign, path, old=value)
    else:
        yield Difference(sign, path, new=value)


def _values(old: Any, new: Any, path: tuple[str, ...]) -> Iterator[Difference]:
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _members(old, new, path)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _items(old, new, path)
    elif type(old) is not type(new) or old != new:
        yield Difference(Sign.CHANGED, path, old=old, new=new)


def _items(old: list[Any], new: list[Any], path: tuple[str, ...]) -> Iterator[Difference]:
    if old == new and json.dumps(old, default=repr) == json.dumps(new, default=repr):
        return
    name = next((name for name in _NAMES if _tells_apart(old, name) and _tells_apart(new, name)), None)
    if name is None:
        yield from _positions(old, new, path)
        return
    before = {str(item[name]): item for item in old}
    after = {str(item[name]): item for item in new}
    for key, item in before.items():
        if key not in after:
            yield Difference(Sign.REMOVED, (*path, f"[{key}]"), old=item)
    for key, item in after.items():
        if key not in before:
            yield Difference(Sign.ADDED, (*path, f"[{key}]"), new=item)
        else:
            yield from _values(before[key], item, (*path, f"[{key}]"))
    kept_before = [key for key in before if key in after]
    kept_after = [key for key in after if key in before]
    if kept_before != kept_after:
        yield Difference(Sign.CHANGED, (*path, "[order]"), old=kept_before, new=kept_after)


def _tells_apart(items: list[Any], name: str) -> bool:
    values = [item.get(name) for item in items if isinstance(item, dict)]
    good = all(isinstance(value, str | int) and not isinstance(value, bool) for value in values)
    return len(values) == len(items) and good and len(set(map(str, values))) == len(values)


def _positions(old: list[Any], new: list[Any], path: tuple[str, ...]) -> Iterator[Difference]:
    before = [json.dumps(item, default=repr, sort_keys=True) for item in old]
    after = [json.dumps(item, default=repr, sort_keys=True) for item in new]
    for tag, first, last, start, stop in opcodes(before, after):
        if tag == "equal":
            continue
        common = min(last - first, stop - start)
        for offset in range(common):
            yield from _values(old[first + offset], new[start + offset], (*path, f"[{first + offset}]"))
        for index in range(first + common, last):
            yield Difference(Sign.REMOVED, (*path, f"[{index}]"), old=old[index])
        for index in range(start + common, stop):
            yield Difference(Sign.ADDED, (*path, f"[{index}]"), new=new[index])


def render(found: tuple[Difference, ...]) -> list[str]:
    """Return the differences as lines of at most 80 columns; long values go on, none is cut."""
    lines: list[str] = []
    for one in found:
        texts = isinstance(one.old, str) and isinstance(one.new, str)
        if one.sign is Sign.CHANGED and texts and "\n" in one.old + one.new:
            lines += _fold(f"{one.sign} {one.shown_path}: text", indent="    ")
            lines += _text_lines(one.old, one.new)
        elif one.sign is Sign.CHANGED:
            lines += _fold(
                f"{one.sign} {one.shown_path}: {_shown(one.old)} -> {_shown(one.new)}", indent="    "
            )
        else:
            value = one.old if one.sign is Sign.REMOVED else one.new
            lines += _fold(f"{one.sign} {one.shown_path}: {_shown(value)}", indent="    ")
    return lines


def _shown(value: Any) -> str:
    if isinstance(value, Hidden | NotFiled):
        return repr(value)
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, default=repr)
    return visible(text, limit=len(text))


def _text_lines(old: str, new: str) -> Iterator[str]:
    before, after = old.split("\n"), new.split("\n")
    blocks = opcodes(before, after)
    for number, (tag, first, last, start, stop) in enumerate(blocks):
        if tag == "equal":
            # The line next to what differs says where, on each side.
            near = [*range(first, last)[:1]] if number else []
            near += [*range(first, last)[-1:]] if number + 1 < len(blocks) else []
            lines = [(" ", before[index]) for index in dict.fromkeys(near)]
        else:
            lines = [("-", line) for line in before[first:last]] + [("+", line) for line in after[start:stop]]
        for sign, line in lines:
            yield from _fold(f"    {sign} {visible(line, limit=len(line))}", indent="      ")


def _fold(text: str, *, indent: str) -> list[str]:
    first, *rest = fold(text, width=_WIDTH, later=_WIDTH - len(indent))
    return [first, *(indent + piece for piece in rest)]
