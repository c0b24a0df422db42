"""A wall clock that a test sets while the program runs: libfaketime, unpacked into the cache.

What is measured by the monotonic clock goes on as it is: the event loop's time, time-outs, other machines.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from tests.harness.node.debian import unpacked

__all__ = ["WallClock"]

_PACKAGE = "libfaketime"
_LIBRARY = "libfaketime.so.1"


class WallClock:
    """The clock of the programs that are started with its ``environment``; right until it is set."""

    def __init__(self, folder: Path, *, name: str) -> None:
        """Keep the difference in a file of the folder.

        Errors:
            PackagesError: libfaketime can't be had here.
        """
        self._file = folder / f"{name}.clock"
        self.set(timedelta(0))
        library = next(unpacked("clock", (_PACKAGE,)).rglob(_LIBRARY))
        self.environment: Mapping[str, str] = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def set(self, ahead: timedelta) -> None:
        """Set it this far ahead of the right time, or back; programs see it within a second."""
        part = self._file.with_suffix(".part")
        part.write_text(f"{ahead.total_seconds():+.0f}\n", encoding="ascii")
        part.replace(self._file)
