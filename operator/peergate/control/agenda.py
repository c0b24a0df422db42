"""Which ChangeRequests are to be looked at and judged, and how many there are: kept as they change.

There may be tens of thousands, and reviews wait while they are gone through. So this follows the cache, and
all of them are gone through only where all are to be judged anew.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from peergate.cluster.caches import EndedRequest, RequestRecord
from peergate.cluster.reflector import Held, Key
from peergate.cluster.sightings import Sighting
from peergate.model.changerequest import RequestState
from peergate.model.lifecycle import ENDED

__all__ = ["Agenda", "CachedRequest", "Tracked"]

CachedRequest: TypeAlias = Held[RequestRecord | EndedRequest]

_AT_ONCE: Final = 50
"""Requests put down before reviews get their turn."""
_SPARE: Final = 1_000


@dataclass(slots=True)
class Tracked:
    """One request, and what this replica saw of its target."""

    record: RequestRecord
    sighting: Sighting = "unknown"


class Agenda:
    """What is to be done about requests: nothing, until ``begin``."""

    def __init__(self) -> None:
        """Start with no request."""
        self.begun = False
        self._counts: Counter[str] = Counter()
        self._pending = _Queue()
        self._tracked: dict[Key, Tracked] = {}
        self._looks: OrderedDict[Key, datetime] = OrderedDict()
        """When the target of each open one was looked at; who waits longest is first."""
        self._dues = _Queue()
        self._judge: OrderedDict[Key, None] = OrderedDict()

    def note(self, key: Key, before: CachedRequest | None, after: CachedRequest | None) -> None:
        """Take note of a change of the cache."""
        if before is not None:
            self._counts[_state(before)] -= 1
        if after is not None:
            self._counts[_state(after)] += 1
        if after is not None and isinstance(after.value, RequestRecord) and _state(after) == "Pending":
            self._pending.put(key, after.value.filed_at)
        else:
            self._pending.remove(key)
        if self.begun:
            self._put_down(key, after)

    def counts(self) -> Mapping[str, int]:
        """Return how many there are, by state."""
        return self._counts

    def oldest(self, *, now: datetime) -> timedelta:
        """Return for how long the oldest pending one has been pending."""
        first = self._pending.first()
        return timedelta(0) if first is None else max(timedelta(0), now - first[0])

    async def begin(self, held: Mapping[Key, CachedRequest]) -> None:
        """Track these and all that change from now on, and have each judged."""
        self.begun = True
        for number, (key, one) in enumerate(held.items(), start=1):
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
            # What changed meanwhile was put down as it is now.
            if self.begun and key not in self._tracked:
                self._put_down(key, one)

    def end(self) -> None:
        """Forget what is to be done."""
        self.begun = False
        self._tracked.clear()
        self._looks.clear()
        self._dues.clear()
        self._judge.clear()

    def next_look(self, *, every: timedelta, now: datetime) -> tuple[Key, Tracked] | None:
        """Return the open one whose target has waited longest, if it was not looked at for so long.

        It is returned again until ``sighted`` says that it was looked at.
        """
        key = next(iter(self._looks), None)
        # A clock that was put right, or a time that somebody made up, may lie ahead.
        if key is None or abs(now - self._looks[key]) < every:
            return None
        return key, self._tracked[key]

    def sighted(self, key: Key, tracked: Tracked, *, sighting: Sighting, now: datetime) -> None:
        """Take note of what its target is like, unless it is gone or another one by now."""
        if self._tracked.get(key) is not tracked:
            return
        if key in self._looks:
            self._looks[key] = now
            self._looks.move_to_end(key)
        if tracked.sighting != sighting:
            tracked.sighting = sighting
            self._judge[key] = None

    def judge_all(self) -> None:
        """Have all judged that are tracked."""
        self._judge = OrderedDict.fromkeys(self._tracked)

    def call_due(self, *, now: datetime) -> int:
        """Have those judged that are due by now; return how many are to be judged."""
        while (first := self._dues.first()) is not None and first[0] <= now:
            self._dues.remove(first[1])
            self._judge[first[1]] = None
        return len(self._judge)

    def next_judged(self) -> tuple[Key, Tracked] | None:
        """Take one that is to be judged; ``put_off`` says when it is judged again."""
        if not self._judge:
            return None
        key, _ = self._judge.popitem(last=False)
        return key, self._tracked[key]

    def put_off(self, key: Key, *, until: datetime | None) -> None:
        """Have one judged then, or not before it changes; it may be gone from the cache by now."""
        if until is None or key not in self._tracked:
            self._dues.remove(key)
        else:
            self._dues.put(key, until)

    def _put_down(self, key: Key, one: CachedRequest | None) -> None:
        record = one.value if one is not None else None
        if not isinstance(record, RequestRecord):
            self._tracked.pop(key, None)
            self._judge.pop(key, None)
            self._looks.pop(key, None)
            self._dues.remove(key)
            return
        tracked = self._tracked.get(key)
        if tracked is None or tracked.record.filed.uid != record.filed.uid:
            self._tracked[key] = Tracked(record)
            self._looks.pop(key, None)
        else:
            tracked.record = record
        if record.filed.state in ENDED:
            self._looks.pop(key, None)
        else:
            # What was just filed was just looked at.
            self._looks.setdefault(key, record.filed_at)
        self._judge[key] = None


class _Queue:
    """Keys by a time that each has, the earliest first."""

    def __init__(self) -> None:
        self._times: dict[Key, datetime] = {}
        self._heap: list[tuple[datetime, Key]] = []
        """Entries that are not in ``_times`` any more are dropped when they come up."""

    def put(self, key: Key, time: datetime) -> None:
        if self._times.get(key) == time:
            return
        self._times[key] = time
        heapq.heappush(self._heap, (time, key))
        self._tidy()

    def remove(self, key: Key) -> None:
        if self._times.pop(key, None) is not None:
            self._tidy()

    def first(self) -> tuple[datetime, Key] | None:
        while self._heap and self._times.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0] if self._heap else None

    def clear(self) -> None:
        self._times.clear()
        self._heap.clear()

    def _tidy(self) -> None:
        if len(self._heap) > 2 * len(self._times) + _SPARE:
            self._heap = [(at, one) for one, at in self._times.items()]
            heapq.heapify(self._heap)


def _state(one: CachedRequest) -> RequestState:
    return one.value.state if isinstance(one.value, EndedRequest) else one.value.filed.state or "Pending"
