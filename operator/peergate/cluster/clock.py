"""What time it is in the cluster: the API server's time, carried on between answers by the monotonic clock.

A replica's own wall clock may jump, and replicas on several machines may disagree. All of them hear the same
API server, which also stamps what they read (``creationTimestamp``), so its time is what counts where the own
clock disagrees. The own clock stays a second opinion: where it is later, a change is admitted only if both
allow it, and nothing is swept away before both do (approval-format.md §9, time).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

__all__ = ["ClusterClock"]

_AGREE_SECONDS: Final = 5.0
"""Clocks that differ by less are one clock: an HTTP date tells whole seconds, and answers are late."""
_TICK_SECONDS: Final = 1.0
"""An HTTP date is rounded down to whole seconds."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class ClusterClock:
    """The own clock, and how far it can be trusted.

    Keeps the bounds of what the API server's clock shows, as a distance from the monotonic clock. Every
    answer narrows them; one that contradicts them replaces them, since that clock may be set too.
    """

    def __init__(
        self, *, own: Callable[[], datetime] = _utc_now, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Take the own clock, which may jump, and one that never does. Nothing is heard yet."""
        self._own = own
        self._monotonic = monotonic
        self._bounds: tuple[float, float] | None = None

    def heard(self, date: str, *, asked: float) -> None:
        """Take note of an answer's ``Date`` header; one that can't be read says nothing.

        Units: ``asked`` as the monotonic clock showed it when the request was sent. The API server's clock
        showed the date at some moment between then and now. Never raises.
        """
        try:
            moment = parsedate_to_datetime(date)
        except (ValueError, TypeError):
            return
        if moment.tzinfo is None:
            return
        shown = moment.timestamp()
        low, high = shown - self._monotonic(), shown + _TICK_SECONDS - asked
        if self._bounds is not None:
            narrow = max(low, self._bounds[0]), min(high, self._bounds[1])
            if narrow[0] <= narrow[1]:
                low, high = narrow
        self._bounds = low, high

    def now(self) -> datetime:
        """Return what counts as the time: the own clock's, or where they disagree the API server's."""
        return self._read()[0]

    def readings(self) -> tuple[datetime, ...]:
        """Return what counts as the time, and behind it the own clock's where that is later.

        What is admitted must be so at each of them: with the own clock right and the API server's behind, an
        approval that has ended would else count on.
        """
        counts, own, _ = self._read()
        return (counts, own) if own > counts else (counts,)

    def earliest(self) -> datetime:
        """Return the earliest time that any of the clocks shows: for what can't be taken back."""
        _, own, low = self._read()
        return min(own, low)

    def ahead(self) -> timedelta:
        """Return how far the own clock is ahead of the API server's; 0 within what its dates can tell."""
        if self._bounds is None:
            return timedelta(0)
        low, high = self._bounds
        distance = self._own().timestamp() - self._monotonic()
        return timedelta(seconds=distance - min(max(distance, low), high))

    def _read(self) -> tuple[datetime, datetime, datetime]:
        """Return what counts as the time, what the own clock shows, and the API server's at its earliest."""
        own = self._own()
        if self._bounds is None:
            return own, own, own
        low, high = self._bounds
        mark = self._monotonic()
        agrees = low - _AGREE_SECONDS <= own.timestamp() - mark <= high + _AGREE_SECONDS
        # At its latest, so that nothing counts on for as long as an answer took.
        counts = own if agrees else datetime.fromtimestamp(mark + high, UTC)
        return counts, own, datetime.fromtimestamp(mark + low, UTC)
