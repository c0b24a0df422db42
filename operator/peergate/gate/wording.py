"""The rules every text of the gate obeys (experience.md §1.4): bytes, characters, forbidden words.

Tools branch on words in an error text (one reports "not found" as done), so those words never appear, except
inside names of users' objects, which nobody can choose for them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

__all__ = ["BANNED", "LINE_ONE_BYTES", "TEXT_BYTES", "compose", "free_text", "shorten", "tidy"]

TEXT_BYTES: Final = 900
"""An Event's note ends at 1 kB, and ``kubectl delete -f DIR`` prints one text per object."""
LINE_ONE_BYTES: Final = 450
_UNCHANGED: Final = " The object is unchanged."
_NAME_BYTES: Final = 63
_FREE_TEXT_BYTES: Final = 160

BANNED: Final = (
    "not found",
    "already exists",
    "connection refused",
    "forbidden",
    "timeout",
    "timed out",
    "conflict",
    "404",
    "409",
    "415",
    "422",
)
"""In any case; each makes some real tool do the opposite of what the refusal says."""

_BANNED: Final = re.compile("|".join(re.escape(word) for word in BANNED), re.IGNORECASE)
_UNPRINTABLE: Final = re.compile(r"[^ !#-\[\]-~]")
"""Everything but printable ASCII without the double quote and the backslash."""


def tidy(text: str) -> str:
    """Return the text in the allowed characters; each other one becomes ``?``."""
    return _UNPRINTABLE.sub("?", text)


def shorten(name: str, *, limit: int = _NAME_BYTES) -> str:
    """Return a name of at most ``limit`` bytes, cut in the middle; whole names stand in ``details``."""
    name = tidy(name)
    if len(name) <= limit:
        return name
    head = (limit - 3 + 1) // 2
    return f"{name[:head]}...{name[len(name) - (limit - 3 - head) :]}"


def free_text(words: str) -> str:
    """Return an approver's free text: one line, no quotes, banned words broken by a hyphen, 160 bytes."""
    words = tidy(" ".join(words.split())).replace("'", "?")
    while found := _BANNED.search(words):
        words = f"{words[: found.start() + 1]}-{words[found.start() + 1 :]}"
    return words[:_FREE_TEXT_BYTES]


def compose(
    *,
    line_one: str,
    boundary: str,
    facts: Sequence[str],
    optional_facts: Sequence[str],
    steps: Sequence[str],
) -> str:
    r"""Return the refusal: as much as fits; steps go first, from the end, then the optional facts.

    ``line_one`` gets its last sentence here, so that no length can cut it off.

    Shape: lines joined by ``\n``, at most 900 bytes, the first at most 450.
    """
    kept_steps, kept_facts = list(steps), list(optional_facts)
    room = LINE_ONE_BYTES - len(_UNCHANGED)
    first = (line_one if len(line_one) <= room else f"{line_one[: room - 3]}...") + _UNCHANGED
    while True:
        text = "\n".join([first, boundary, " ".join([*facts, *kept_facts]), *kept_steps])
        if len(text) <= TEXT_BYTES:
            return text
        if kept_steps:
            kept_steps.pop()
        else:
            # Line 1, the boundary and the facts alone stay below the limit; these can't.
            kept_facts.pop()
