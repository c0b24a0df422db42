"""Resident memory of the server process while it answers reviews of ever new objects.

Nothing may be kept of an object: every review has another uid, name and namespace, and a part carries
approvals of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal

import uvloop
from tests.perf.client import Call, Load, call
from tests.perf.process import Server, client_core, running
from tests.perf.report import Report, Target
from tests.perf.servers import PATHS
from tests.perf.world import Who, deployment, review_bytes, review_of

__all__ = ["measure"]

_ARM = "ours"
_CONNECTIONS = 8
_LIMIT_MIB = 120.0
_FLAT_MIB = 2.0
"""Growth between the last two marks that is still the allocator's, not ours."""
_MIX: tuple[tuple[Who, Literal["DELETE", "UPDATE"]], ...] = (
    *(("bystander", "DELETE"),) * 5,
    *(("agent", "DELETE"), ("agent", "UPDATE")),
    *(("bystander", "UPDATE"),),
    *(("approved", "DELETE"), ("approved", "UPDATE")),
)
"""Of ten reviews; two carry an approval."""


def measure(report: Report, *, quick: bool) -> None:
    """Measure, show and keep the figures."""
    marks = (500, 1_000, 2_000) if quick else (10_000, 50_000, 100_000)
    before = os.sched_getaffinity(0)
    client_core()
    report.say(f"memory: {marks[-1]:,} reviews of distinct objects")
    try:
        with running(_ARM, core=min(before)) as servers:
            found = uvloop.run(_measure(servers[0], marks=marks))
    finally:
        os.sched_setaffinity(0, before)
    report.table(
        "resident memory of the server process",
        columns=("reviews of distinct objects", "MiB"),
        rows=[(f"{count:,}", f"{mib:.1f}") for count, mib in found.items()],
    )
    report.figures["memory"] = {"unit": "MiB", "resident": {str(count): mib for count, mib in found.items()}}
    growth = found[marks[-1]] - found[marks[-2]]
    report.judge(
        [
            Target(
                what=f"resident memory after {marks[-1]:,} reviews",
                wanted=f"< {_LIMIT_MIB:.0f} MiB",
                found=f"{found[marks[-1]]:.1f} MiB",
                met=found[marks[-1]] < _LIMIT_MIB,
            ),
            Target(
                what=f"growth from {marks[-2]:,} to {marks[-1]:,} reviews",
                wanted=f"< {_FLAT_MIB:.0f} MiB",
                found=f"{growth:+.1f} MiB",
                met=growth < _FLAT_MIB,
            ),
        ]
    )


async def _measure(server: Server, *, marks: tuple[int, ...]) -> dict[int, float]:
    found = {0: server.resident_mib()}
    load = await Load.connect(server.port, tls=server.tls, connections=_CONNECTIONS)
    done = 0
    for mark in marks:
        await load.send(_calls(done, mark))
        found[mark] = server.resident_mib()
        done = mark
    load.close()
    return found


def _calls(first: int, end: int) -> Iterator[Call]:
    for number in range(first, end):
        who, operation = _MIX[number % len(_MIX)]
        document = deployment(number, namespace=f"shop-{number}")
        review = review_of(document, operation=operation, who=who, now=datetime.now(UTC))
        uid = review["request"]["uid"]
        yield call(review_bytes(review), path=PATHS[_ARM], uid=uid, allowed=who != "agent")
