"""Figures of a run: statistics, the machine's facts, tables and the JSON file."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table

__all__ = ["Report", "Spread", "Target", "machine", "percentile", "spread"]

_PACKAGES = ("aiohttp", "cryptography", "kopf", "kubernetes", "orjson", "pydantic", "uvloop")


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over the rounds of a run."""

    median: float
    least: float
    most: float

    def shown(self, digits: int = 2) -> str:
        return f"{self.median:.{digits}f} ({self.least:.{digits}f} to {self.most:.{digits}f})"


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure should be, and whether it is."""

    what: str
    wanted: str
    found: str
    met: bool


class Report:
    """Shows tables as they are ready, and keeps everything for the JSON file."""

    def __init__(self, path: Path) -> None:
        """Write to this file."""
        self._path = path
        self.figures: dict[str, object] = {}
        self._targets: list[Target] = []
        self._console = Console(width=None if os.isatty(1) else 132, highlight=False)

    def say(self, text: str) -> None:
        self._console.print(text)

    def table(self, title: str, *, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        table = Table(title=title, title_justify="left", title_style="bold")
        for position, column in enumerate(columns):
            table.add_column(column, justify="left" if position == 0 else "right")
        for row in rows:
            table.add_row(*row)
        self._console.print(table)

    def judge(self, targets: Iterable[Target]) -> None:
        self._targets += targets

    def finish(self, *, failed: Mapping[str, str]) -> None:
        """Show the targets and which sections failed, and write the file."""
        if self._targets:
            self.table(
                "Targets",
                columns=("what", "target", "measured", ""),
                rows=[
                    (target.what, target.wanted, target.found, "met" if target.met else "MISSED")
                    for target in self._targets
                ],
            )
        self.write(failed=failed)
        self.say(f"written to {self._path}")
        for section, why in failed.items():
            self.say(f"NOT MEASURED in full: {section}: {why}")

    def write(self, *, failed: Mapping[str, str]) -> None:
        """Write what there is by now, so that nothing that comes after it can lose it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        document = {"machine": machine(), **self.figures, "targets": self._targets, "failed": failed}
        beside = self._path.with_name(f"{self._path.name}.new")
        beside.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")
        beside.replace(self._path)


def spread(values: Iterable[float]) -> Spread:
    """Return the median of one value per round, with its range."""
    found = list(values)
    return Spread(statistics.median(found), min(found), max(found))


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the value below which that share of the sorted values lies."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def machine() -> Mapping[str, object]:
    """Return where and of what the figures were taken."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "loadAverage": round(os.getloadavg()[0], 2),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
    }


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _commit() -> str:
    """Return the commit that was measured, marked where the working tree differs from it."""
    command = ("git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"
