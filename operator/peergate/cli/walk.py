"""Look through many kinds of objects at once, within bounds: objects, pages, requests at a time, seconds.

Only metadata is asked for. What may not be read, or was not reached within the bounds, is named, so that a
reader never takes a part for the whole (experience.md §2.1 item 5).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from peergate.cli.discovery import ApiResource
from peergate.cli.kube import ApiError, Cluster, object_path
from peergate.errors import CommandError
from peergate.model.names import JsonObject

__all__ = ["MOST_OBJECTS", "Bounds", "Found", "Listing", "list_pages", "look_through"]

MOST_OBJECTS: Final = 10_000
_PAGE: Final = 500
"""Whole objects at a time."""
_METADATA_PAGE: Final = 2000
"""Their metadata alone, about 1 kB each."""
_METADATA: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
_UNSERVED: Final = frozenset({404, 405})
"""Gone, or not to be listed after all: nothing is there to be missed."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far a walk goes."""

    objects: int = MOST_OBJECTS
    seconds: float = 10.0
    at_once: int = 8


@dataclass(frozen=True, slots=True)
class Listing:
    """The objects of one resource, as far as they were looked at."""

    resource: ApiResource
    metadata: tuple[Mapping[str, Any], ...] = ()
    more: int = 0
    """How many there are beyond these, as far as the server says; at least 1 where there are any."""
    unreadable: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What a walk saw."""

    listings: tuple[Listing, ...] = ()

    @property
    def unreadable(self) -> tuple[str, ...]:
        """Return the plurals of what may not be read."""
        return tuple(sorted({one.resource.plural for one in self.listings if one.unreadable}))

    @property
    def missed(self) -> int:
        """Return how many objects were not looked at, at least."""
        return sum(one.more for one in self.listings)

    @property
    def hidden(self) -> tuple[str, ...]:
        """Return the kinds that were not looked through to their end."""
        return tuple(sorted({one.resource.kind.kind for one in self.listings if one.more}))

    @property
    def seen(self) -> int:
        """Return how many were."""
        return sum(len(one.metadata) for one in self.listings)


@dataclass(slots=True)
class _Budget:
    left: int
    end: float
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, wanted: int) -> int:
        """Return how many objects to ask for; 0 when enough are there or the time is up.

        Nothing is set aside: what is under way would else starve the rest, for objects that may not be there.
        """
        with self.lock:
            return 0 if time.monotonic() >= self.end else min(wanted, self.left)

    def take(self, count: int) -> int:
        """Return how many of the objects that came may be kept."""
        with self.lock:
            kept = min(count, self.left)
            self.left -= kept
            return kept


def look_through(
    cluster: Cluster,
    resources: Iterable[ApiResource],
    *,
    namespace: str,
    bounds: Bounds = Bounds(),
) -> Found:
    """Return the metadata of every object of these resources in a namespace (``""``: in all, and beyond)."""
    budget = _Budget(left=bounds.objects, end=time.monotonic() + bounds.seconds)
    wanted = list(resources)
    with ThreadPoolExecutor(max_workers=bounds.at_once) as pool:
        listings = pool.map(
            lambda resource: _list(cluster, resource, namespace=namespace, budget=budget), wanted
        )
        return Found(listings=tuple(listings))


def _list(cluster: Cluster, resource: ApiResource, *, namespace: str, budget: _Budget) -> Listing:
    kind = resource.kind
    path = object_path(
        group=kind.group,
        version=kind.version,
        resource=resource.plural,
        namespace=namespace if resource.namespaced else "",
    )
    metadata: list[Mapping[str, Any]] = []
    token, more = "", 0
    while True:
        limit = budget.ask(_METADATA_PAGE)
        if not limit:
            # At least one if nothing was looked at yet: what was not asked for may be there.
            return Listing(resource, tuple(metadata), more=max(more, 1))
        query = {"limit": str(limit), **({"continue": token} if token else {})}
        try:
            page = cluster.get(path, query=query, accept=_METADATA)
        except ApiError as error:
            return Listing(resource, tuple(metadata), more=more, unreadable=error.status not in _UNSERVED)
        except CommandError:
            # One API that does not answer must not hide what the others hold.
            return Listing(resource, tuple(metadata), more=more, unreadable=True)
        items, about = page.get("items") or [], page.get("metadata") or {}
        kept = budget.take(len(items))
        metadata += (one.get("metadata") or {} for one in items[:kept])
        token, more = str(about.get("continue") or ""), int(about.get("remainingItemCount") or 0)
        more = max(more, 1 if token else 0)
        if kept < len(items):
            return Listing(resource, tuple(metadata), more=more + len(items) - kept)
        if not token:
            return Listing(resource, tuple(metadata))


def list_pages(cluster: Cluster, path: str, *, most: int, unseen: list[str], what: str) -> list[JsonObject]:
    """Return whole objects, page by page; what can't be read, or is left, goes to ``unseen``."""
    items: list[JsonObject] = []
    token = ""
    while True:
        query = {"limit": str(min(_PAGE, most - len(items))), **({"continue": token} if token else {})}
        try:
            page = cluster.get(path, query=query)
        except ApiError as error:
            if error.status not in _UNSERVED:
                unseen.append(what)
            return items
        except CommandError:
            unseen.append(what)
            return items
        items += page.get("items") or []
        token = str((page.get("metadata") or {}).get("continue") or "")
        if not token:
            return items
        if len(items) >= most:
            unseen.append(f"all {what}")
            return items
