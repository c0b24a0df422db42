"""Compare two lists of lines or items within bounds: text of an agent must not make a reader wait.

What begins and ends alike is set aside first, so that a small change in a large text costs little. Where the
rest is too large, or repeats itself too often, to be compared line by line, it is one block: removed, then
added. Nothing is left out either way.
"""

from __future__ import annotations

import difflib
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
    """Return how the first list becomes the second."""
    shorter = min(len(before), len(after))
    head = 0
    while head < shorter and before[head] == after[head]:
        head += 1
    tail = 0
    while tail < shorter - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    old, new = before[head : len(before) - tail], after[head : len(after) - tail]
    middle: list[Opcode]
    if _is_cheap(old, new):
        matcher = difflib.SequenceMatcher(a=old, b=new, autojunk=False)
        middle = [
            (tag, head + first, head + last, head + start, head + stop)
            for tag, first, last, start, stop in matcher.get_opcodes()
        ]
    else:
        middle = [("replace", head, head + len(old), head, head + len(new))]
    start: list[Opcode] = [("equal", 0, head, 0, head)] if head else []
    end: list[Opcode] = (
        [("equal", len(before) - tail, len(before), len(after) - tail, len(after))] if tail else []
    )
    return start + middle + end


def _is_cheap(old: Sequence[str], new: Sequence[str]) -> bool:
    if len(old) + len(new) > _LINES:
        return False
    there = Counter(new)
    return sum(there[line] for line in old) <= _PAIRS
