"""Show a screen on stderr; a long difference at a terminal page by page, to its end or not at all.

Whoever has not seen the end of a difference does not sign it (experience.md §2.2).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Final

import click

from peergate.cli.output import Output
from peergate.cli.screen import Screen
from peergate.errors import CommandError

__all__ = ["print_screen"]

_LONG: Final = 100
"""Lines of a difference above which it is paged."""
_FEWEST: Final = 10
_USUAL: Final = 24
"""Lines of a terminal that does not say how many it has."""


def print_screen(out: Output, screen: Screen, *, asks: bool = False) -> None:
    """Print the screen; ``asks``: somebody is going to be asked about it.

    Errors: CommandError with exit code 3 when the reader stops before the end of the difference.
    """
    out.lines(out.strong(line) for line in screen.headline)
    out.lines(out.alarm(line) for line in screen.warnings)
    out.say()
    out.lines(screen.before)
    if asks and sys.stdin.isatty() and len(screen.difference) > _LONG:
        _page(out, screen.difference)
    else:
        out.lines(screen.difference)
    out.lines(screen.after)
    out.say()


def _page(out: Output, lines: Sequence[str]) -> None:
    rows = max(_height() - 2, _FEWEST)
    pages = [lines[start : start + rows] for start in range(0, len(lines), rows)]
    for number, page in enumerate(pages, start=1):
        out.lines(page)
        if number < len(pages):
            answer = click.prompt(
                f"-- page {number} of {len(pages)}; Enter for the next, q to stop --",
                default="",
                show_default=False,
                prompt_suffix=" ",
                err=True,
            )
            if answer.strip().lower().startswith("q"):
                raise CommandError(
                    "not signed; the difference was not read to its end; nothing was changed", exit_code=3
                )


def _height() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).lines or _USUAL
    except OSError:
        return _USUAL
