"""What a run found, as a table or as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import IO

from rich.console import Console
from rich.table import Table
from tests.bypass.running import Outcome, Verdict

__all__ = ["as_json", "exit_code", "show"]

_COLOURS = {
    Verdict.CLOSED: "green",
    Verdict.FREE: "green",
    Verdict.OPEN: "bold red",
    Verdict.REFUSED: "bold red",
    Verdict.VOID: "yellow",
    Verdict.SKIPPED: "dim",
}
_HEAD = ("id", "attack", "expected", "seen")


def show(outcomes: Sequence[Outcome], outside: Mapping[str, str], *, file: IO[str]) -> None:
    """Write the table: with lines and colours on a terminal, separated by tabs elsewhere."""
    console = Console(file=file, highlight=False, markup=False)
    rows = [
        (outcome.case.ids, outcome.case.name, str(outcome.expected), _seen(outcome), outcome.verdict)
        for outcome in outcomes
    ]
    rows += [(name, reason, "outside", "not tried", Verdict.SKIPPED) for name, reason in outside.items()]
    if console.is_terminal:
        table = Table(*_HEAD)
        for *cells, verdict in rows:
            table.add_row(*cells[:-1], cells[-1], style=_COLOURS[verdict] if not verdict.good else None)
        console.print(table)
    else:
        for line in (_HEAD, *(row[:4] for row in rows)):
            print("\t".join(line), file=file)
    print(summary(outcomes), file=file)


def summary(outcomes: Sequence[Outcome]) -> str:
    """Return the counts in one line, worst first."""
    counts = Counter(outcome.verdict for outcome in outcomes)
    worst = (Verdict.OPEN, Verdict.REFUSED, Verdict.VOID, Verdict.CLOSED, Verdict.FREE, Verdict.SKIPPED)
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in worst if counts[verdict])


def as_json(outcomes: Sequence[Outcome], outside: Mapping[str, str]) -> str:
    """Return everything as one JSON document, for programs."""
    cases = [
        {
            "ids": outcome.case.ids.split(),
            "name": outcome.case.name,
            "expected": outcome.expected,
            "verdict": outcome.verdict,
            "seen": outcome.seen,
            "answers": list(outcome.answers),
        }
        for outcome in outcomes
    ]
    return json.dumps({"cases": cases, "outside": dict(outside)}, indent=2)


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """Return 1 where a door is open or ordinary work was refused, 3 where a case showed nothing, else 0."""
    verdicts = {outcome.verdict for outcome in outcomes}
    if verdicts & {Verdict.OPEN, Verdict.REFUSED}:
        return 1
    return 3 if Verdict.VOID in verdicts else 0


def _seen(outcome: Outcome) -> str:
    return f"{outcome.verdict}: {outcome.seen}"
