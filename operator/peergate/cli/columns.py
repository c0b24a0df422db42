"""A list of ChangeRequests as columns, as kubectl prints them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from peergate.cli.rows import Row
from peergate.cli.spans import span
from peergate.cli.text import visible, width_of

__all__ = ["Columns"]

_PREFIX = "system:serviceaccount:"


class Columns:
    """Columns that are as wide as the widest cell so far, so that lines of a watch stay below each other."""

    def __init__(self, *, everywhere: bool, wide: bool) -> None:
        plain = ("NAME", "OPERATION", "KIND", "TARGET", "REQUESTER", "STATE", "APPROVALS", "EXPIRES", "AGE")
        more = ("EFFECT", "OWNER", "MISSING", "RULES", "SIGNED-BY") if wide else ()
        self._names = (*(("NAMESPACE",) if everywhere else ()), *plain, *more)
        self._widths = [len(name) for name in self._names]

    def table(self, rows: Sequence[Row], *, now: datetime) -> list[str]:
        """Return the header and a line for each row."""
        cells = [self._cells(row, now=now) for row in rows]
        for one in cells:
            self._widen(one)
        return [self._line(self._names), *(self._line(one) for one in cells)]

    def line(self, row: Row, *, now: datetime, state: str = "") -> str:
        """Return one more line; ``state`` replaces the row's own."""
        cells = self._cells(row, now=now, state=state)
        self._widen(cells)
        return self._line(cells)

    def _widen(self, cells: Sequence[str]) -> None:
        self._widths = [max(width, width_of(cell)) for width, cell in zip(self._widths, cells, strict=True)]

    def _line(self, cells: Sequence[str]) -> str:
        padded = (
            cell + " " * (width - width_of(cell)) for cell, width in zip(cells, self._widths, strict=True)
        )
        return "   ".join(padded).rstrip()

    def _cells(self, row: Row, *, now: datetime, state: str = "") -> tuple[str, ...]:
        requester = row.requester
        if requester.startswith(_PREFIX):
            requester = requester.removeprefix(_PREFIX).replace(":", "/", 1)
        kind = f"{row.resource}/{row.subresource}" if row.subresource else row.resource
        of = {
            "NAMESPACE": row.namespace,
            "NAME": row.name,
            "OPERATION": row.operation,
            "KIND": kind,
            "TARGET": row.target,
            "REQUESTER": requester,
            "STATE": state or row.state(now=now),
            "APPROVALS": row.progress or "-",
            "EXPIRES": span(row.expires - now),
            "AGE": span(now - row.created),
            "EFFECT": row.effect or "-",
            "OWNER": row.owner or "-",
            "MISSING": row.missing or "-",
            "RULES": ",".join(row.rules) or "-",
            "SIGNED-BY": ",".join(row.signed) or "-",
        }
        return tuple(visible(of[name], limit=160) for name in self._names)
