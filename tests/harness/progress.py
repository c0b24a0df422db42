"""Show that long work goes on: a moving line on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

__all__ = ["Work"]

_LINE_EVERY_SECONDS = 20.0


class Work:
    """One piece of work of ``total`` steps (0: unknown), shown on standard error."""

    def __init__(self, title: str, *, total: int = 0, unit: str = "") -> None:
        self._title = title
        self._total = total
        self._unit = unit
        self._done = 0
        self._began = self._told = time.monotonic()
        self._bar: Progress | None = None

    def __enter__(self) -> Self:
        console = Console(stderr=True)
        if console.is_terminal:
            self._bar = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.completed:.0f}/{task.total:.0f} {task.fields[unit]}"),
                TimeElapsedColumn(),
                console=console,
            )
            self._bar.start()
            self._task = self._bar.add_task(self._title, total=self._total or None, unit=self._unit)
        else:
            self._line("started")
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
        else:
            self._line("done" if kind is None else "failed")

    def advance(self, steps: int = 1) -> None:
        """Count steps as done; call it also with 0, so that time is seen to pass."""
        self._done += steps
        if self._bar is not None:
            self._bar.advance(self._task, steps)
        elif time.monotonic() - self._told >= _LINE_EVERY_SECONDS:
            self._line(
                f"{self._done}/{self._total} {self._unit}" if self._total else f"{self._done} {self._unit}"
            )

    def _line(self, what: str) -> None:
        self._told = time.monotonic()
        minutes, seconds = divmod(int(self._told - self._began), 60)
        sys.stderr.write(f"{self._title}: {what} ({minutes}:{seconds:02})\n")
        sys.stderr.flush()
