"""Compare two lists of lines or items within bounds: text of an agent must not make a reader wait.

What begins and ends alike is set aside first, so that a small change in a large text costs little. Where the
rest is too large, or repeats itself too often, it is compared between lines that are there only once; what is
too much even then is one block: removed, then added. Nothing is left out either way.
"""

from __future__ import annotations

import difflib
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

__all__ = ["Opcode", "opcodes"]

Opcode: TypeAlias = tuple[Literal["equal", "replace", "delete", "insert"], int, int, int, int]
"""As difflib gives them: what, from and to in the first list, from and to in the second."""

_LINES: Final = 4000
_PAIRS: Final = 100_000
"""Equal pairs of lines: what one pass of the comparison costs."""


def opcodes(before: Sequence[str], after: Sequence[str]) -> list[Opcode]:
    """Return how the first list becomes the second, in blocks that follow one another."""
    shorter = min(len(before), len(after))
    head = 0
    while head < shorter and before[head] == after[head]:
        head += 1
    tail = 0
    while tail < shorter - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    old, new = before[head : len(before) - tail], after[head : len(after) - tail]
    found = _compared(old, new) if _is_cheap(old, new) else _anchored(old, new)
    blocks: list[Opcode] = [("equal", 0, head, 0, head)] if head else []
    blocks += [
        (tag, head + first, head + last, head + start, head + stop) for tag, first, last, start, stop in found
    ]
    if tail:
        blocks.append(("equal", len(before) - tail, len(before), len(after) - tail, len(after)))
    return blocks


def _is_cheap(old: Sequence[str], new: Sequence[str]) -> bool:
    if len(old) + len(new) > _LINES:
        return False
    there = Counter(new)
    return sum(there[line] for line in old) <= _PAIRS


def _compared(old: Sequence[str], new: Sequence[str]) -> list[Opcode]:
    return list(difflib.SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes())


def _anchored(old: Sequence[str], new: Sequence[str]) -> list[Opcode]:
    """Compare between lines that are there once on both sides, in the same order, as patience diff does."""
    blocks: list[Opcode] = []
    first = start = 0
    for index, place in [*_anchors(old, new), (len(old), len(new))]:
        a, b = old[first:index], new[start:place]
        inner = _compared(a, b) if a and b and _is_cheap(a, b) else _whole(a, b)
        blocks += [
            (tag, first + one, first + two, start + three, start + four)
            for tag, one, two, three, four in inner
        ]
        if index < len(old):
            blocks.append(("equal", index, index + 1, place, place + 1))
        first, start = index + 1, place + 1
    return _merged(blocks)


def _whole(old: Sequence[str], new: Sequence[str]) -> list[Opcode]:
    if not old and not new:
        return []
    tag: Literal["replace", "delete", "insert"] = "replace" if old and new else "delete" if old else "insert"
    return [(tag, 0, len(old), 0, len(new))]


def _anchors(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """Return the longest run of unique common lines whose places rise on both sides."""
    counted = Counter(old)
    there = Counter(new)
    places = {line: place for place, line in enumerate(new)}
    pairs = [
        (index, places[line]) for index, line in enumerate(old) if counted[line] == 1 == there.get(line, 0)
    ]
    ends: list[int] = []
    """The smallest last place of a run of each length."""
    last: list[int] = []
    """Which pair that is."""
    before: list[int] = []
    for number, (_, place) in enumerate(pairs):
        length = bisect_left(ends, place)
        before.append(last[length - 1] if length else -1)
        ends[length : length + 1] = [place]
        last[length : length + 1] = [number]
    run: list[tuple[int, int]] = []
    number = last[-1] if last else -1
    while number >= 0:
        run.append(pairs[number])
        number = before[number]
    return run[::-1]


def _merged(blocks: Sequence[Opcode]) -> list[Opcode]:
    merged: list[Opcode] = []
    for block in blocks:
        if merged and merged[-1][0] == block[0] == "equal":
            merged[-1] = ("equal", merged[-1][1], block[2], merged[-1][3], block[4])
        else:
            merged.append(block)
    return merged
