"""Arms that take turns within one run: their samples, round by round, and how far apart chance draws them."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from tests.perf.report import percentile

__all__ = ["SHARES", "added", "apart", "noise", "shares", "take_turns"]

SHARES: Mapping[str, float] = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
_LOTS = 1_000

_Arm = TypeVar("_Arm")


def take_turns(
    turns: Mapping[_Arm, Callable[[int], float]], *, rounds: int, seed: str
) -> dict[_Arm, list[float]]:
    """Return the milliseconds of every arm, one for each round.

    A turn is told the number of its round and returns seconds. The order changes from round to round, as
    what an arm leaves to be done after its answer must not always meet the same other arm; ``seed`` makes it
    the same in every run.
    """
    order = random.Random(seed)  # noqa: S311 - an order that every run has
    found: dict[_Arm, list[float]] = {arm: [] for arm in turns}
    arms = tuple(turns)
    gc.disable()
    try:
        for number in range(rounds):
            for arm in order.sample(arms, len(arms)):
                found[arm].append(1000 * turns[arm](number))
    finally:
        gc.enable()
    return found


def shares(values: Sequence[float]) -> dict[str, float]:
    """Return the percentiles that are shown."""
    ordered = sorted(values)
    return {name: percentile(ordered, share) for name, share in SHARES.items()}


def added(mine: Sequence[float], base: Sequence[float]) -> list[float]:
    """Return what one arm took longer than another one, round by round."""
    return [one - other for one, other in zip(mine, base, strict=True)]


def apart(mine: Sequence[float], base: Sequence[float]) -> dict[str, float]:
    """Return how much higher each percentile of one arm is than that of another one."""
    before, after = shares(base), shares(mine)
    return {name: after[name] - before[name] for name in SHARES}


def noise(first: Sequence[float], again: Sequence[float]) -> dict[str, float]:
    """Return how far apart two arms that are one and the same are by chance, at each percentile.

    The two askings of every round are told apart by lot; of a thousand such lots the one that draws them
    apart farthest counts. What is not farther apart than that differs by nothing that this run could show.
    """
    lots = random.Random(0)  # noqa: S311 - lots that every run has
    farthest = dict.fromkeys(SHARES, 0.0)
    for _ in range(_LOTS):
        drawn = [
            pair if lots.getrandbits(1) else (pair[1], pair[0]) for pair in zip(first, again, strict=True)
        ]
        found = apart([one for one, _ in drawn], [other for _, other in drawn])
        farthest = {name: max(farthest[name], abs(found[name])) for name in SHARES}
    return farthest
