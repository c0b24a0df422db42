"""Go on listing what changes: the whole list anew on a terminal, a line for each change elsewhere."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from peergate.cli.columns import Columns
from peergate.cli.kube import Cluster
from peergate.cli.mine import gravest_first
from peergate.cli.output import Output
from peergate.cli.requests import request_path
from peergate.cli.rows import TABLE, Row, Rows, column_names, rows_of
from peergate.cli.text import visible
from peergate.cli.watching import LISTED, keep_watching
from peergate.model.names import GROUP

__all__ = ["keep_listing"]

_CLEAR: Final = "\x1b[H\x1b[2J\x1b[3J"
_FRAME_LINES: Final = 4
"""Header, what is left out, the last line, and the prompt after it."""
_LINES_SECONDS: Final = 300
_SCREEN_SECONDS: Final = 30
"""After that the list is read anew, and with it the ages on the screen."""


class _View(Protocol):
    def listed(self, rows: Iterable[Row], /) -> None: ...
    def changed(self, row: Row, /, *, gone: bool) -> None: ...


def keep_listing(
    out: Output,
    *,
    cluster: Cluster,
    namespace: str,
    selector: str,
    read: Callable[[], Rows],
    wanted: Callable[[Row, datetime], bool],
    columns: Columns | None,
) -> None:
    """Show the list and what changes in it until interrupted; without columns the names alone.

    Errors: CommandError, as ``keep_watching`` gives it.
    """
    full = columns is not None and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    view: _View = (
        _Screen(out, columns=columns, wanted=wanted)
        if full and columns is not None
        else _Lines(out, columns=columns, wanted=wanted)
    )

    def begin() -> tuple[str, Any]:
        found = read()
        return found.version, found.rows

    names: tuple[str, ...] = ()
    for kind, seen in keep_watching(
        cluster,
        path=request_path(namespace, ""),
        query={"labelSelector": selector} if selector else {},
        begin=begin,
        accept=TABLE,
        seconds=_SCREEN_SECONDS if full else _LINES_SECONDS,
    ):
        if kind == LISTED:
            view.listed(seen)
            continue
        names = column_names(seen) or names
        for row in rows_of(seen, columns=names):
            view.changed(row, gone=kind == "DELETED")


class _Lines:
    """A line for each change, as ``kubectl get -w`` prints them; what leaves the list is shown once more."""

    def __init__(
        self, out: Output, *, columns: Columns | None, wanted: Callable[[Row, datetime], bool]
    ) -> None:
        self._out, self._columns, self._wanted = out, columns, wanted
        self._shown: dict[str, Row] = {}
        self._begun = False

    def listed(self, rows: Iterable[Row], /) -> None:
        now = datetime.now(UTC)
        present = sorted(rows, key=gravest_first)
        fresh = [row for row in present if self._shown.get(row.uid) != row and self._wanted(row, now)]
        if self._columns is None:
            for row in fresh:
                self._print(row)
        elif not self._begun:
            self._out.data("\n".join(self._columns.table(fresh, now=now)))
        else:
            for row in fresh:
                self._print(row)
        self._begun = True
        self._shown |= {row.uid: row for row in fresh}
        here = {row.uid: row for row in present}
        for uid, row in list(self._shown.items()):
            if uid not in here:
                self.changed(row, gone=True)
            elif not self._wanted(here[uid], now):
                self.changed(here[uid], gone=False)

    def changed(self, row: Row, /, *, gone: bool) -> None:
        now = datetime.now(UTC)
        was_shown = self._shown.pop(row.uid, None) is not None
        stays = not gone and self._wanted(row, now)
        if stays:
            self._shown[row.uid] = row
        if stays or was_shown:
            self._print(row, state="Gone" if gone else "")

    def _print(self, row: Row, *, state: str = "") -> None:
        if self._columns is None:
            self._out.data(f"changerequest.{GROUP}/{visible(row.name)}")
        else:
            self._out.data(self._columns.line(row, now=datetime.now(UTC), state=state))


class _Screen:
    """The whole list, drawn anew with every change; as many lines as the terminal has."""

    def __init__(self, out: Output, *, columns: Columns, wanted: Callable[[Row, datetime], bool]) -> None:
        self._out, self._columns, self._wanted = out, columns, wanted
        self._rows: dict[str, Row] = {}

    def listed(self, rows: Iterable[Row], /) -> None:
        self._rows = {row.uid: row for row in rows}
        self._draw()

    def changed(self, row: Row, /, *, gone: bool) -> None:
        self._rows.pop(row.uid, None)
        if not gone:
            self._rows[row.uid] = row
        self._draw()

    def _draw(self) -> None:
        now = datetime.now(UTC)
        rows = sorted((row for row in self._rows.values() if self._wanted(row, now)), key=gravest_first)
        room = max(1, shutil.get_terminal_size().lines - _FRAME_LINES)
        lines = self._columns.table(rows[:room], now=now) if rows else ["nothing now"]
        if len(rows) > room:
            lines.append(f"... and {len(rows) - room} more")
        self._out.data(_CLEAR + "\n".join([*lines, f"at {now.astimezone():%H:%M:%S}; Ctrl-C ends it"]))
