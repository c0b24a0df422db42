"""A cache of one resource that can't keep what is gone: list, then watch, and reconcile on every list.

An index that misses a deletion keeps trusting a removed approver (kubernetes-facts.md K21). So a list is
compared with what is held: what it lacks leaves, and a changed uid counts as another object. A watch resumes
where the last one ended; whatever the API server refuses (410 Gone among others) leads to a new list, and so
does time, in case a watch lost an event.

Each object is turned into a small value at once; whole objects are never held.
"""

from __future__ import annotations

import asyncio
import logging
import random
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeAlias, TypeVar

from peergate.cluster.client import Client, WatchRefused
from peergate.cluster.endpoints import Endpoint
from peergate.errors import Unavailable
from peergate.model.names import JsonObject

__all__ = ["Departure", "Follower", "Held", "Key", "Reflector", "Source", "Timing", "departures"]

_log = logging.getLogger(__name__)

_V = TypeVar("_V")

Key: TypeAlias = tuple[str, str]
"""Namespace (empty at cluster scope) and name."""


@dataclass(frozen=True, slots=True)
class Held(Generic[_V]):
    """One object in the cache."""

    uid: str
    value: _V


@dataclass(frozen=True, slots=True)
class Departure(Generic[_V]):
    """An object that is no more: deleted, or replaced by another one of its name."""

    key: Key
    held: Held[_V]


Follower: TypeAlias = Callable[[Key, Held[_V] | None, Held[_V] | None], None]
"""Is told of an object that changed: what was held of it, and what is held now."""


@dataclass(frozen=True, slots=True)
class Source(Generic[_V]):
    """What a reflector reads, and what it makes of it."""

    endpoint: Endpoint
    convert: Callable[[JsonObject], _V | None]
    """Returns the value to hold, ``None`` to hold nothing; must not raise, and must not keep the document."""
    namespace: str = ""
    """Empty: all of them."""
    field_selector: str = ""
    metadata_only: bool = False


@dataclass(frozen=True, slots=True)
class Timing:
    """How patient a reflector is, in seconds."""

    watch: int = 25
    """Length of one watch: a healthy but quiet one proves itself again this often, well within the 60 s
    after which a cache counts as stale."""
    relist: float = 600.0
    """After this long a list repairs whatever a watch may have lost."""
    backoff_first: float = 0.2
    backoff_most: float = 5.0


_DEFAULT_TIMING: Final = Timing()
_AT_ONCE: Final = 10
"""Objects converted before reviews get their turn."""
_TOO_SHORT_SECONDS: Final = 1.0
"""A watch that ends sooner and brings nothing counts as a failure, so that it is never a hot loop."""


def departures(before: Mapping[Key, Held[_V]], after: Mapping[Key, Held[_V]]) -> list[Departure[_V]]:
    """Return what of ``before`` is gone or replaced in ``after``, in the order of ``before``."""
    gone: list[Departure[_V]] = []
    for key, held in before.items():
        successor = after.get(key)
        if successor is held:
            continue
        if successor is None or successor.uid != held.uid:
            gone.append(Departure(key, held))
    return gone


class Reflector(Generic[_V]):
    """Holds the values of one resource, current as of the last event."""

    def __init__(
        self,
        client: Client,
        source: Source[_V],
        *,
        on_change: Callable[[], None] | None = None,
        on_departure: Callable[[Departure[_V]], None] | None = None,
        timing: Timing = _DEFAULT_TIMING,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._source = source
        self._on_change = on_change
        self._on_departure = on_departure
        self._timing = timing
        self._clock = clock
        self._held: dict[Key, Held[_V]] = {}
        self._followers: list[Follower[_V]] = []
        self._resource_version = ""
        self._listed_at = float("-inf")
        self._succeeded_at = float("-inf")
        self._synced = asyncio.Event()
        self.changes = 0
        """How often the content changed; a copy made at the same number is still right."""

    @property
    def name(self) -> str:
        """Return the resource's plural."""
        return self._source.endpoint.resource

    @property
    def synced(self) -> bool:
        """Tell whether a list has ever been answered."""
        return self._synced.is_set()

    def age(self) -> float:
        """Return the seconds since the API server was last heard; infinite before the first list."""
        return self._clock() - self._succeeded_at if self.synced else float("inf")

    async def wait_synced(self) -> None:
        """Wait for the first list."""
        await self._synced.wait()

    def get(self, key: Key) -> Held[_V] | None:
        """Return one object."""
        return self._held.get(key)

    def values(self) -> dict[Key, _V]:
        """Return a copy: all values, in no particular order."""
        return {key: held.value for key, held in self._held.items()}

    def items(self) -> dict[Key, Held[_V]]:
        """Return a copy: all values with their uids."""
        return dict(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def follow(self, follower: Follower[_V]) -> None:
        """Have ``follower`` told of all that is held, and of every change; it is quick and never raises."""
        self._followers.append(follower)
        for key, held in self._held.items():
            follower(key, None, held)

    async def run(self) -> None:
        """Keep the cache current until cancelled; failures are met with a jittered back-off."""
        failures = 0
        while True:
            try:
                if not self._resource_version or self._clock() - self._listed_at > self._timing.relist:
                    await self._list(is_current=bool(self._resource_version) and not failures)
                failures = 0 if await self._watch() else failures + 1
            except WatchRefused as error:
                self._resource_version = ""
                failures += 1
                _log.info("watch of %s starts again with a list: %s", self.name, error)
            except Unavailable as error:
                failures += 1
                _log.warning("cache of %s: %s", self.name, error)
            if failures:
                await asyncio.sleep(self._backoff(failures))

    def _backoff(self, failures: int) -> float:
        most = min(self._timing.backoff_most, self._timing.backoff_first * 2.0 ** min(failures - 1, 20))
        return most * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, protects nothing

    async def _list(self, *, is_current: bool = False) -> None:
        """List all; ``is_current``: a watch has just ended in order, so what is held is as of now."""
        found: dict[Key, Held[_V]] = {}
        moved: dict[Key, Held[_V] | None] = {}
        version = ""
        # No resourceVersion: a consistent read, never older than what was seen before.
        async for page, page_version in self._client.list_pages(
            self._source.endpoint,
            namespace=self._source.namespace,
            field_selector=self._source.field_selector,
            metadata_only=self._source.metadata_only,
        ):
            if not version and is_current:
                # Tens of thousands take a while: their age counts from here, not from the last event.
                self._succeeded()
            version = page_version
            for number, document in enumerate(page):
                if number % _AT_ONCE == 0:
                    await asyncio.sleep(0)
                key = self._hold(found, document)
                before, after = self._held.get(key), found.get(key)
                if before is not None and before == after:
                    found[key] = before  # the same value, too: recognised at once, in memory once
                elif before is not None or after is not None:
                    moved[key] = before
        gone = departures(self._held, found)
        moved |= {departure.key: departure.held for departure in gone}
        differs = bool(moved) or not self.synced
        self._held = found
        self._resource_version = version
        self._listed_at = self._clock()
        self._succeeded()
        if differs:
            self._changed(moved, gone)

    async def _watch(self) -> bool:
        """Follow one watch to its end; tell whether it was of any use."""
        began = self._clock()
        useful = False
        async with self._client.watch(
            self._source.endpoint,
            namespace=self._source.namespace,
            field_selector=self._source.field_selector,
            metadata_only=self._source.metadata_only,
            resource_version=self._resource_version,
            seconds=self._timing.watch,
        ) as events:
            self._succeeded()
            async for event in events:
                self._apply(event)
                self._succeeded()
                useful = True
        return useful or self._clock() - began >= min(_TOO_SHORT_SECONDS, self._timing.watch)

    def _apply(self, event: JsonObject) -> None:
        document = event["object"]
        kind = event.get("type")
        if kind == "ERROR":
            raise WatchRefused(
                f"the watch of {self.name} ended with an error",
                context=f"{document.get('code')} {document.get('reason')}",
            )
        if kind in {"ADDED", "MODIFIED", "DELETED"}:
            key = _key(document)
            before = self._held.get(key)
            if kind == "DELETED":
                self._held.pop(key, None)
            else:
                self._hold(self._held, document)
            after = self._held.get(key)
            replaced = before is not None and (after is None or after.uid != before.uid)
            if before != after:
                gone = [Departure(key, before)] if before is not None and replaced else []
                self._changed({key: before}, gone)
        elif kind != "BOOKMARK":
            raise WatchRefused(f"an event of {self.name} is of no known type")
        self._resource_version = (document.get("metadata") or {}).get(
            "resourceVersion"
        ) or self._resource_version

    def _hold(self, held: dict[Key, Held[_V]], document: JsonObject) -> Key:
        key = _key(document)
        value = self._source.convert(document)
        if value is None:
            held.pop(key, None)
        else:
            uid: Any = document["metadata"].get("uid") or ""
            held[key] = Held(uid, value)
        return key

    def _changed(self, moved: Mapping[Key, Held[_V] | None], gone: list[Departure[_V]]) -> None:
        """Tell of what is held no more as it was: ``moved`` has what was held before."""
        self.changes += 1
        for follower in self._followers:
            for key, before in moved.items():
                follower(key, before, self._held.get(key))
        if self._on_departure is not None:
            for departure in gone:
                self._on_departure(departure)
        if self._on_change is not None:
            self._on_change()

    def _succeeded(self) -> None:
        self._succeeded_at = self._clock()
        self._synced.set()


def _key(document: JsonObject) -> Key:
    metadata = document["metadata"]
    return sys.intern(metadata.get("namespace") or ""), metadata["name"]
