"""``decide`` alone, with everything in memory: what the verdict itself costs, and that size does not matter.

Calls against the small world and the large one take turns, one by one, and every pair gives a ratio: whatever
else the machine does meets both alike. What is counted is processor time, as nothing here waits. The clock of
that time can stand still for a call on a virtual machine. Such a call was not measured: it is left out with
its pair, and how many were is said and kept with the figures.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from tests.perf.report import Report, Spread, Target, percentile, spread
from tests.perf.world import (
    LARGE,
    Who,
    configmap,
    deployment,
    large_world,
    review_bytes,
    review_of,
    small_world,
)

from peergate.gate.decide import decide
from peergate.gate.snapshot import Snapshot
from peergate.model.decision import Allow
from peergate.model.names import JsonObject
from peergate.model.review import Gate, Review, parse_review
from peergate.webhook.decode import decode

__all__ = ["measure"]

_OBJECTS: dict[str, Callable[[], JsonObject]] = {"3.5 kB Deployment": deployment, "1 MB ConfigMap": configmap}
_OPERATIONS: tuple[Literal["DELETE", "UPDATE"], ...] = ("DELETE", "UPDATE")
_WHO: tuple[Who, ...] = ("bystander", "agent", "approved")
_ALLOWED = {"bystander": True, "agent": False, "approved": True}
_LEAST_CALLS = 10
_SELECTING = 5
"""Policies that select the namespace, in both worlds."""
_LEFT_OUT_MOST = 10_000
"""Of one row; a clock that stands still more often measures nothing."""
_GROWN = 1.15
"""More than this is no noise between paired calls."""


@dataclass(slots=True)
class _Cell:
    """One kind of review, its samples in microseconds."""

    name: str
    review: Review
    allowed: bool
    small: list[float] = field(default_factory=list)
    large: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    left_out: int = 0
    """Pairs of calls during one of which the clock stood still."""

    def add(self, *, small: int, large: int) -> None:
        """Take a pair, in nanoseconds, or leave it out."""
        if small and large:
            self.small.append(small / 1000)
            self.large.append(large / 1000)
        else:
            self.left_out = _one_more(self.left_out)


def measure(report: Report, *, quick: bool) -> None:
    """Measure, show and keep the figures."""
    rounds, seconds = (3, 0.05) if quick else (9, 0.3)
    now = datetime.now(UTC)
    report.say(f"building the large world: {', '.join(f'{count:,} {name}' for name, count in LARGE.items())}")
    small, large = small_world(selecting=_SELECTING), large_world(selecting=_SELECTING)
    cells, decoding = _cells(now)
    for _ in range(rounds):
        for cell in cells:
            gc.collect()
            start = len(cell.small)
            ends = time.perf_counter() + seconds
            turns = [("small", small), ("large", large)]
            while time.perf_counter() < ends or len(cell.small) - start < _LEAST_CALLS:
                cell.add(**{name: _decided(cell, world, now=now) for name, world in turns})
                turns.reverse()
            pairs = zip(cell.small[start:], cell.large[start:], strict=True)
            cell.ratios.append(_median([in_large / in_small for in_small, in_large in pairs]))
    decoded = {name: _decode_samples(body, seconds=seconds) for name, body in decoding.items()}
    _show(
        report,
        cells=cells,
        decoded={name: samples for name, (samples, _) in decoded.items()},
        bodies=decoding,
    )
    _tell_left_out(
        report,
        {
            **{cell.name: (cell.left_out, len(cell.small)) for cell in cells},
            **{f"decode {name}": (left_out, len(samples)) for name, (samples, left_out) in decoded.items()},
        },
    )


def _decided(cell: _Cell, world: Snapshot, *, now: datetime) -> int:
    """Return the nanoseconds of one decision, 0 where the clock stood still meanwhile."""
    before = time.thread_time_ns()
    decision = decide(review=cell.review, snapshot=world, now=now)
    used = time.thread_time_ns() - before
    if isinstance(decision, Allow) is not cell.allowed:
        raise RuntimeError(f"{cell.name}: unexpected {decision}")
    return used


def _one_more(left_out: int) -> int:
    if left_out >= _LEFT_OUT_MOST:
        raise RuntimeError("the clock of this thread's processor time stands still")
    return left_out + 1


def _cells(now: datetime) -> tuple[list[_Cell], dict[str, bytes]]:
    cells, decoding = [], {}
    for what, make in _OBJECTS.items():
        for operation in _OPERATIONS:
            for who in _WHO:
                body = review_bytes(review_of(make(), operation=operation, who=who, now=now))
                review = _read(body)
                cells.append(_Cell(f"{operation} {what}, {who}", review=review, allowed=_ALLOWED[who]))
            decoding[f"{operation} {what}"] = body
    return cells, decoding


def _read(body: bytes) -> Review:
    return parse_review(decode(body), gate=Gate.NAMESPACED)


def _decode_samples(body: bytes, *, seconds: float) -> tuple[list[float], int]:
    """Return the microseconds of decoding, and how many calls were left out."""
    samples: list[float] = []
    left_out = 0
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends or len(samples) < _LEAST_CALLS:
        before = time.thread_time_ns()
        _read(body)
        if used := time.thread_time_ns() - before:
            samples.append(used / 1000)
        else:
            left_out = _one_more(left_out)
    return samples, left_out


def _median(samples: list[float]) -> float:
    return percentile(sorted(samples), 0.5)


def _show(
    report: Report,
    *,
    cells: list[_Cell],
    decoded: dict[str, list[float]],
    bodies: dict[str, bytes],
) -> None:
    rows, figures = [], {}
    for cell in cells:
        small, large = sorted(cell.small), sorted(cell.large)
        ratio = spread(cell.ratios)
        found = [percentile(samples, share) for samples in (small, large) for share in (0.5, 0.99)]
        rows.append((cell.name, *(f"{value:,.0f}" for value in found), ratio.shown()))
        names = ("smallMedian", "smallP99", "largeMedian", "largeP99")
        figures[cell.name] = {**dict(zip(names, found, strict=True)), "largeOverSmall": ratio}
    report.table(
        "decide alone, in microseconds of processor time; large over small: median of the rounds (range)",
        columns=("review", "small p50", "p99", "large p50", "p99", "large/small"),
        rows=rows,
    )
    decoding = {
        name: {
            "bytes": len(bodies[name]),
            "median": _median(samples),
            "p99": percentile(sorted(samples), 0.99),
        }
        for name, samples in decoded.items()
    }
    report.table(
        "bytes to review, in microseconds",
        columns=("review", "bytes", "p50", "p99"),
        rows=[
            (name, f"{row['bytes']:,}", f"{row['median']:,.0f}", f"{row['p99']:,.0f}")
            for name, row in decoding.items()
        ],
    )
    report.figures["decide"] = {"unit": "microseconds", "large": LARGE, "cells": figures, "decode": decoding}
    report.judge([_flat(cells)])


def _tell_left_out(report: Report, counted: dict[str, tuple[int, int]]) -> None:
    """Say how many calls no figure counts, by row, beside those that are counted."""
    found = {name: {"leftOut": out, "counted": kept} for name, (out, kept) in counted.items() if out}
    report.figures["decideLeftOut"] = found
    for name, row in found.items():
        report.say(
            f"{name}: {row['leftOut']:,} left out beside {row['counted']:,}; the processor clock stood still"
        )


def _flat(cells: list[_Cell]) -> Target:
    """Judge the cells by the one that grows most."""
    worst: Spread = max((spread(cell.ratios) for cell in cells), key=lambda ratio: ratio.median)
    return Target(
        "decide, large world over small, worst row", "about 1", worst.shown(), worst.median < _GROWN
    )
