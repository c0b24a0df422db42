"""Follow ChangeRequests as they change: one list, then one watch, never a poll.

A watch ends by itself every few minutes, and breaks when the API server restarts; then this starts over, with
a growing pause when it breaks at once.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from peergate.cli.kube import ApiError, Cluster
from peergate.cli.requests import Filed, read_request, request_path
from peergate.errors import CommandError

__all__ = ["FOREVER", "LISTED", "follow", "keep_watching", "pause_for"]

FOREVER: Final = math.inf
LISTED: Final = "LISTED"
"""The kind of event that a list is, beside the API's own ``ADDED MODIFIED DELETED``."""
_WATCH_SECONDS: Final = 300
_LONG_SECONDS: Final = 5.0
"""A watch that lasted this long was no failure."""
_LONGEST_PAUSE: Final = 30.0
_BUSY: Final = frozenset({429, 500, 502, 503, 504})


def keep_watching(
    cluster: Cluster,
    *,
    path: str,
    query: Mapping[str, str],
    begin: Callable[[], tuple[str, Any]],
    accept: str = "",
    until: float = FOREVER,
    seconds: int = _WATCH_SECONDS,
) -> Iterator[tuple[str, Any]]:
    """Yield what ``begin`` lists, then each change after it, as (kind of event, object); over and over.

    ``begin`` returns from which version the watch goes on, and what it listed.
    Units: ``until`` as ``time.monotonic`` counts; then it ends. ``seconds``: of one watch.
    Errors: CommandError of the first list, and for rights that are missing; an API server that is away later
        is waited for.
    """
    failures, first = 0, True
    while True:
        began = time.monotonic()
        try:
            version, listed = begin()
            first = False
            yield LISTED, listed
            left = until - time.monotonic()
            if left <= 0:
                return
            lasts = max(1, math.ceil(min(seconds, left)))
            asked = {**query, "resourceVersion": version}
            with cluster.watch(path, query=asked, accept=accept, seconds=lasts) as events:
                for event in events:
                    if event.get("type") == "ERROR":
                        break
                    yield str(event.get("type")), event["object"]
        except CommandError as error:
            if first or not _passes(error):
                raise
        failures = 0 if time.monotonic() - began > min(_LONG_SECONDS, seconds) else failures + 1
        if failures:
            pause_for(min(2.0 ** (failures - 1), _LONGEST_PAUSE), until=until)
        if time.monotonic() >= until:
            return


def follow(cluster: Cluster, *, namespace: str, name: str, until: float) -> Iterator[Filed | None]:
    """Yield the ChangeRequest as it is and each time it changes; ``None`` while there is none.

    Errors: as ``keep_watching``; Malformed for what is no ChangeRequest.
    """
    path, query = request_path(namespace, ""), {"fieldSelector": f"metadata.name={name}"}

    def begin() -> tuple[str, Any]:
        found = cluster.get(path, query=query)
        return str(found["metadata"]["resourceVersion"]), found.get("items") or []

    for kind, seen in keep_watching(cluster, path=path, query=query, begin=begin, until=until):
        if kind == LISTED:
            yield read_request(seen[0]) if seen else None
        else:
            yield None if kind == "DELETED" else read_request(seen)


def pause_for(seconds: float, *, until: float) -> None:
    """Wait so long, but not beyond the end."""
    time.sleep(max(0.0, min(seconds, until - time.monotonic())))


def _passes(error: CommandError) -> bool:
    """Tell whether the call may succeed later: no answer at all, or a server that is busy or starting."""
    if isinstance(error, ApiError):
        return error.status in _BUSY
    return error.exit_code == 1
