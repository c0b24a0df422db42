"""Whether stored ChangeRequests make reviews slower: a world with none beside one with fifty thousand.

Each is a cluster of its own with a running operator. Both are asked the same in every round, each of them
twice, in an order that changes: through the API server, and straight at the operator's port, so that what a
full API server costs is told from what the gate does. Once while nothing else happens, and once while new
requests arrive in both at the same pace, each of which makes for a new snapshot.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass

import uvloop
from tests.perf.report import Report, Target
from tests.perf.sides import (
    API,
    ARRIVE_A_SECOND,
    OPERATOR,
    REQUESTS,
    Ask,
    Side,
    again,
    arriving,
    connected,
    longest_waits,
    make_scene,
    make_side,
    turns_of,
)
from tests.perf.stored import namespaces_for
from tests.perf.turns import SHARES, added, apart, noise, shares, take_turns

__all__ = ["measure"]

_FLOOR_MILLISECONDS = 0.1
"""Two clusters with the same in them differ by that much, as a whole, from run to run."""
_QUIET, _BUSY = "nothing", f"{ARRIVE_A_SECOND} a second arrive"
_MEANWHILE: Mapping[str, Callable[[Side], AbstractContextManager[None]]] = {
    _QUIET: nullcontext,
    _BUSY: arriving,
}

_Samples = Mapping[Ask, Sequence[float]]


@dataclass(frozen=True, slots=True)
class _Compared:
    """What one request took in both worlds, in milliseconds."""

    ask: tuple[str, str, str]
    """Meanwhile, way, request."""
    none: Mapping[str, float]
    full: Mapping[str, float]
    paired: Mapping[str, float]
    """Percentiles of the difference, round by round."""
    apart: Mapping[str, float]
    """Differences of the percentiles."""
    noise: Mapping[str, float]

    @property
    def worst(self) -> tuple[float, str]:
        """Return how often what is allowed the percentile takes that is farthest off, and that percentile."""
        return max((more / self.allowed(share), share) for share, more in self.apart.items())

    def allowed(self, share: str) -> float:
        """Return what counts as unchanged at this percentile."""
        return max(self.noise[share], _FLOOR_MILLISECONDS)


def measure(report: Report, *, quick: bool) -> None:
    """Measure, show and keep the figures."""
    count, rounds, stretches = (2_000, 20, 1) if quick else (50_000, 250, 6)
    report.say(f"requests: {rounds} rounds over a world with {count:,} stored ChangeRequests and one without")
    compared: list[_Compared] = []
    gaps: dict[str, Mapping[str, float]] = {}
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, ExitStack() as stack:
        none, full = (
            make_side(stack, name=name, namespaces=namespaces_for(count)) for name in ("none", f"{count:,}")
        )
        mib = {"before": full.mib}
        began = time.monotonic()
        full.stored.fill(count)
        report.say(f"stored, and known to the operator, after {time.monotonic() - began:.0f} s")
        mib["stored"] = full.mib
        for meanwhile, happening in _MEANWHILE.items():
            scenes = [make_scene(side, rounds=rounds) for side in (none, full)]
            with connected(runner, scenes) as loads, happening(none), happening(full):
                turns = turns_of(runner, scenes, loads)
                samples = take_turns(turns, rounds=rounds, seed=meanwhile)
                gaps[meanwhile] = longest_waits(runner, scenes, loads, stretches=stretches)
            compared += _compare(samples, meanwhile=meanwhile, none=none.name, full=full.name)
        mib |= {"end": full.mib, "end, none": none.mib}
    _show(report, compared, gaps=gaps, mib=mib)


def _compare(samples: _Samples, *, meanwhile: str, none: str, full: str) -> Iterator[_Compared]:
    for way, request in itertools.product((API, OPERATOR), REQUESTS):
        first, second, *others = (
            samples[Ask(way, request, arm)] for arm in (none, again(none), full, again(full))
        )
        empty, filled = (*first, *second), tuple(itertools.chain(*others))
        yield _Compared(
            ask=(meanwhile, way, request),
            none=shares(empty),
            full=shares(filled),
            paired=shares(added(filled, empty)),
            apart=apart(filled, empty),
            noise=noise(first, second),
        )


def _show(
    report: Report,
    compared: Sequence[_Compared],
    *,
    gaps: Mapping[str, Mapping[str, float]],
    mib: Mapping[str, float],
) -> None:
    for (meanwhile, way), those in itertools.groupby(compared, key=lambda one: one.ask[:2]):
        report.table(
            f"asked: {way}; meanwhile: {meanwhile}; in ms",
            columns=("request", "", *SHARES),
            rows=[row for one in those for row in _rows(one)],
        )
    report.table(
        "the longest that a review waited while reviews went on, in ms",
        columns=("meanwhile", "none", "stored"),
        rows=[
            (meanwhile, *(f"{longest:.1f}" for longest in those.values()))
            for meanwhile, those in gaps.items()
        ],
    )
    report.say(
        "resident memory of the operator, MiB: "
        + ", ".join(f"{when} {size:.0f}" for when, size in mib.items())
    )
    report.figures["requests"] = {"latency": compared, "longestWaitMilliseconds": gaps, "residentMiB": mib}
    # The API server grows with what it stores, too: what is asked of it is shown and not judged.
    report.judge(
        _target(meanwhile, [one for one in compared if one.ask[:2] == (meanwhile, OPERATOR)])
        for meanwhile in _MEANWHILE
    )


def _rows(one: _Compared) -> Iterator[Sequence[str]]:
    lines = (
        ("none", one.none, ""),
        ("stored", one.full, ""),
        ("difference, round by round", one.paired, "+"),
        ("difference of the percentiles", one.apart, "+"),
        ("noise", one.noise, ""),
    )
    for what, those, sign in lines:
        yield one.ask[2], what, *(f"{value:{sign}.2f}" for value in those.values())


def _target(meanwhile: str, those: Sequence[_Compared]) -> Target:
    """Judge by what is farthest off."""
    one = max(those, key=lambda compared: compared.worst)
    times, share = one.worst
    return Target(
        what=f"reviews with ChangeRequests stored; meanwhile: {meanwhile}",
        wanted="unchanged",
        found=f"{share} of {one.ask[2]}: {one.apart[share]:+.2f} ms (noise: {one.allowed(share):.2f})",
        met=times <= 1,
    )
