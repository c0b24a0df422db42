"""The loop around every piece of housekeeping: woken by events, patient after failures, never a hot loop.

This is where ``control`` translates errors: a dependency that can't answer is met again later, and so is a
bug of our own, which is counted. Nothing here stops the gate from answering.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from peergate.errors import PeergateError

__all__ = ["Keeper", "Pace"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a step is taken, in seconds."""

    every: float = 30.0
    """At least this often, woken or not: what an event missed is found then."""
    settle: float = 0.2
    """From being woken to the step; what wakes it meanwhile is covered by the same step."""
    backoff_first: float = 0.5
    backoff_most: float = 15.0
    """Between steps that fail: an agent that was tagged meanwhile is not sent to the gate before the next."""
    rewrite_most: float = 4.0
    """Between steps that write and write again: somebody undoes them, or much changes at once."""


_DEFAULT_PACE: Final = Pace()


class Keeper:
    """Takes one step over and over."""

    def __init__(
        self,
        name: str,
        step: Callable[[], Awaitable[bool]],
        *,
        pace: Pace = _DEFAULT_PACE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take a step that brings the cluster closer to what it should be, and is safe to repeat.

        The step tells whether it had to write. Steps that go on writing mean that somebody else undoes
        them: they are spaced out like failures.
        """
        self._name = name
        self._step = step
        self._pace = pace
        self._clock = clock
        self._woken = asyncio.Event()
        self._failures = 0
        self._rewrites = 0
        self._paused_until = float("-inf")
        self.bugs = 0
        """Steps that ended in an error that nobody foresaw."""

    def wake(self) -> None:
        """Ask for a step soon; quick, and safe to call from any callback of the event loop."""
        self._woken.set()

    async def run(self) -> None:
        """Take steps until cancelled."""
        while True:
            self._woken.clear()
            await self._take_step()
            try:
                async with asyncio.timeout(self._pace.every):
                    await self._woken.wait()
            except TimeoutError:
                # A quiet period: whoever fought us has stopped.
                self._rewrites = 0
            await asyncio.sleep(max(self._pace.settle, self._paused_until - self._clock()))

    async def _take_step(self) -> None:
        try:
            wrote = await self._step()
        except PeergateError as error:
            _log.warning("%s: %s", self._name, error)
            self._failed()
        except Exception:  # noqa: BLE001 - the one place of this package that meets bugs
            self.bugs += 1
            _log.exception("%s: unexpected error", self._name)
            self._failed()
        else:
            self._failures = 0
            if wrote:
                self._pause(self._rewrites, most=self._pace.rewrite_most)
                self._rewrites += 1
            elif self._clock() >= self._paused_until:
                self._rewrites = 0

    def _failed(self) -> None:
        # Counted apart from writes: many of those in a row must not make one failure a long one.
        self._pause(self._failures, most=self._pace.backoff_most)
        self._failures += 1
        self._woken.set()

    def _pause(self, before: int, *, most: float) -> None:
        seconds = min(most, self._pace.backoff_first * 2.0 ** min(before, 20))
        self._paused_until = self._clock() + seconds * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load
