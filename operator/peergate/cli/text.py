"""Make text that somebody else wrote safe and legible on a terminal.

Names, reasons, labels and values come from agents and from objects; a terminal obeys control sequences, and a
reader is misled by invisible characters (experience.md §2.4). Every such text passes through here.
"""

from __future__ import annotations

import textwrap
import unicodedata
from typing import Final

__all__ = ["ONE_LINE", "WIDTH", "fold", "plural", "shorten", "visible", "width_of", "wrap"]

WIDTH: Final = 80
"""Columns a screen may use."""
ONE_LINE: Final = 512
"""Characters of one untrusted text before it is cut."""

_INVISIBLE: Final = frozenset(
    chr(code)
    for start, end in (
        (0x034F, 0x034F),  # combining grapheme joiner
        (0x115F, 0x1160),  # Hangul fillers
        (0x17B4, 0x17B5),  # Khmer inherent vowels
        (0x180B, 0x180F),  # Mongolian selectors
        (0x2800, 0x2800),  # Braille blank
        (0x3164, 0x3164),  # Hangul filler
        (0xFE00, 0xFE0F),  # variation selectors
        (0xFFA0, 0xFFA0),  # half-width Hangul filler
        (0xFFFC, 0xFFFC),  # object replacement
        (0xE0100, 0xE01EF),  # variation selectors supplement
    )
    for code in range(start, end + 1)
)
"""Printable for Unicode, and yet nothing to see; tags, bidi and zero-width ones are not printable at all."""

_LATIN: Final = 0xFF
_BMP: Final = 0xFFFF


def visible(text: str, *, limit: int = ONE_LINE) -> str:
    r"""Return the text on one line with everything invisible or active written as an escape.

    Shape: ``\x1b``, ``\u202e``, ``\U000e0041``; a text longer than ``limit`` characters is cut and says by
        how many. A plain text comes back as it is.
    Source: experience.md §2.4; control, ANSI, bidirectional, zero-width, tag characters and line separators.
    """
    if len(text) <= limit and text.isascii() and text.isprintable():
        return text
    cut = text[:limit]
    shown = "".join(_escape(character) for character in cut)
    rest = len(text) - len(cut)
    return f"{shown}... (+{rest} characters)" if rest else shown


def _escape(character: str) -> str:
    if character.isprintable() and character not in _INVISIBLE:
        return character
    code = ord(character)
    if code <= _LATIN:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= _BMP else f"\\U{code:08x}"


def width_of(text: str) -> int:
    """Return how many columns the text takes: wide characters two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def fold(text: str, *, width: int, later: int | None = None) -> list[str]:
    """Return the text in pieces of at most so many columns, nothing left out; ``later``: after the first.

    Whatever is not plain ASCII counts as two columns, since terminals do not agree on it.
    """
    pieces: list[str] = []
    room = width
    start = used = 0
    for index, character in enumerate(text):
        columns = 1 if character.isascii() else 2
        if used + columns > room:
            pieces.append(text[start:index])
            start, used, room = index, 0, width if later is None else later
        used += columns
    return [*pieces, text[start:]] if start < len(text) or not pieces else pieces


def shorten(text: str, *, width: int) -> str:
    """Return the text cut in the middle to so many columns, ``...`` where something is missing."""
    if width_of(text) <= width:
        return text
    keep = max(width - 3, 2)
    head, tail = keep - keep // 2, keep // 2
    while width_of(text[:head]) + width_of(text[-tail:]) > keep and head > 1:
        head, tail = head - 1, max(tail - 1, 1)
    return f"{text[:head]}...{text[-tail:]}"


def wrap(text: str, *, first: str = "", rest: str = "", width: int = WIDTH) -> list[str]:
    """Return the text in lines of at most so many columns; words longer than a line are broken."""
    return textwrap.wrap(
        text,
        width=width,
        initial_indent=first,
        subsequent_indent=rest,
        break_on_hyphens=False,
        drop_whitespace=True,
    ) or [first.rstrip()]


def plural(count: int, noun: str, *, many: str = "") -> str:
    """Return ``1 key`` or ``3 keys``."""
    return f"{count} {noun if count == 1 else many or noun + 's'}"
