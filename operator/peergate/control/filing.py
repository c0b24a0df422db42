"""Files refused changes as ChangeRequests: after the answer, bounded, and only what is really there.

Every replica files what it refused. The name is the change's, creation is create-only, and what exists is
compared, so retries, requeues and replicas meet one object. Nothing here is needed for a verdict: what is
lost (a killed process, an API server that is away) is filed at the next refusal.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final, Protocol

import orjson

from peergate.cluster.filing import NotFiledError
from peergate.errors import PeergateError
from peergate.gate.record import Draft
from peergate.gate.snapshot import Backlog, RequestKey, Snapshot
from peergate.model.change import Change, Requester
from peergate.model.decision import Allow, Decision, Facts, Filing, Hold
from peergate.model.review import Review
from peergate.observe.metrics import DropCause, Metrics

__all__ = ["WORKERS", "Filer", "Files", "Known"]

_log = logging.getLogger(__name__)

_QUEUED_MOST: Final = 1024
"""Changes that wait to be filed or to be seen filed, of all requesters."""
_BYTES_MOST: Final = 32 << 20
"""Of wanted objects that wait."""
_OBJECT_BYTES: Final = 3 << 20
"""One of them has at most so many (kubernetes-facts.md C16)."""
WORKERS: Final = 4
"""How many steps run side by side."""
_WORKERS_EACH: Final = 2
"""In work at once for one requester: what it floods with never takes every turn."""
_TRIES: Final = 3
_UNSEEN_SECONDS: Final = 30.0
"""A filed request that no cache has shown by then is forgotten: somebody took it away again."""
_REMEMBERED_SECONDS: Final = 60.0
"""How long a first refusal is remembered; a hold lasts at most 45 s."""
_CLOSED_SECONDS: Final = 300.0
"""How long a kind that may not be looked at counts as such."""
_REMEMBERED_MOST: Final = 4096


class Files(Protocol):
    """``cluster.filing.Registry``."""

    async def file(self, draft: Draft, *, carried: dict[str, str]) -> str:
        """Return the uid of the ChangeRequest; raises NotFiledError, Unavailable."""


class Known(Protocol):
    """``cluster.snapshots.Snapshots``, as far as filing needs it."""

    def snapshot(self) -> Snapshot:
        """Return what is known now."""

    def tell_backlog(self, backlog: Backlog) -> None:
        """Have every later snapshot know of the backlog."""

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Have ``listener`` called after each new snapshot."""


@dataclass(slots=True)
class _Entry:
    key: RequestKey
    change: Change
    facts: Facts
    filing: Filing
    wanted: bytes | None
    """JSON of the wanted object; bytes, which take a fraction of the decoded form."""
    pod: str

    def draft(self) -> Draft:
        return Draft(
            change=self.change,
            facts=self.facts,
            filing=self.filing,
            wanted=None if self.wanted is None else orjson.loads(self.wanted),
            pod=self.pod,
        )


class Filer:
    """The queue of one replica and its workers."""

    def __init__(
        self,
        registry: Files,
        known: Known,
        *,
        metrics: Metrics,
        on_drop: Callable[[DropCause], None] = lambda _: None,
        retry_seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start empty; nothing is filed before ``step``.

        ``on_drop`` is told of what is not filed. The second try comes ``retry_seconds`` after the first,
        the third after twice that.
        """
        self._registry = registry
        self._known = known
        self._metrics = metrics
        self._on_drop = on_drop
        self._retry_seconds = retry_seconds
        self._clock = clock
        self._since: dict[RequestKey, datetime] = {}
        self._remembered: deque[tuple[float, RequestKey]] = deque()
        self._queued: dict[RequestKey, _Entry] = {}
        self._of: dict[Requester, int] = {}
        self._turns: OrderedDict[Requester, deque[_Entry]] = OrderedDict()
        self._busy: dict[Requester, int] = {}
        self._unseen: dict[RequestKey, float] = {}
        self._closed: dict[tuple[str, str], float] = {}
        self._checked: OrderedDict[RequestKey, str] = OrderedDict()
        self._bytes = 0
        self._full = False
        self._workers: list[Callable[[], None]] = []
        self._tell()
        known.subscribe(self.look)

    @property
    def waiting(self) -> int:
        """Return how many changes wait to be filed, or to be seen filed."""
        return len(self._queued)

    def accept(self, review: Review, decision: Decision) -> None:
        """Take note of a decision, in memory alone: from now on the next one knows of it."""
        if isinstance(decision, Allow):
            return
        deny = decision.refusal if isinstance(decision, Hold) else decision
        if deny.not_filed is not None:
            self._drop(deny.not_filed)
        facts, filing = deny.facts, deny.filing
        if filing is None or facts.change is None:
            return
        key = (filing.namespace, str(facts.change_id))
        if key in self._queued or (filing.uid and self._checked.get(key) == filing.uid):
            return
        is_update = facts.change.operation == "UPDATE"
        entry = _Entry(
            key=key,
            change=facts.change,
            facts=facts,
            filing=filing,
            wanted=orjson.dumps(review.object) if is_update else None,
            pod=review.user.pod,
        )
        requester = facts.change.requester
        self._queued[key] = entry
        self._of[requester] = self._of.get(requester, 0) + 1
        self._bytes += len(entry.wanted or b"")
        self._turns.setdefault(requester, deque()).append(entry)
        self._remember(key, filing.filed_at)
        self._measure()

    def go(self, _: Review, decision: Decision) -> None:
        """Have the workers look: the answer is on its way."""
        if self._turns and not isinstance(decision, Allow):
            self._call_workers()

    def on_work(self, wake: Callable[[], None]) -> None:
        """Have ``wake`` called whenever there may be something for ``step`` to do."""
        self._workers.append(wake)

    async def step(self) -> bool:
        """File what waits, one after another, until nothing is left that this worker may take.

        A step for ``keeping.Keeper``, of which ``WORKERS`` run side by side. Errors: none that is foreseen.
        """
        while (entry := self._next()) is not None:
            requester = entry.change.requester
            self._busy[requester] = self._busy.get(requester, 0) + 1
            cause: DropCause | None = "api"
            try:
                cause = await self._file(entry)
            finally:
                _count_down(self._busy, requester)
                self._done(entry, cause)
        return False

    def look(self) -> None:
        """Let go of what a new snapshot shows as filed, and of what is too old to matter."""
        snapshot, now = self._known.snapshot(), self._clock()
        for key, filed_at in tuple(self._unseen.items()):
            filed = snapshot.requests.get(key)
            seen = filed is not None and filed.uid == self._checked.get(key)
            if seen or now - filed_at > _UNSEEN_SECONDS:
                del self._unseen[key]
                self._let_go(self._queued[key])
        while self._remembered and self._remembered[0][0] <= now:
            _, key = self._remembered.popleft()
            if key not in self._queued:
                self._since.pop(key, None)
        for resource in [resource for resource, until in self._closed.items() if until <= now]:
            del self._closed[resource]

    def _done(self, entry: _Entry, cause: DropCause | None) -> None:
        if cause is None:
            self._unseen[entry.key] = self._clock()
            self._bytes -= len(entry.wanted or b"")
            entry.wanted = None
            self._measure()
            self.look()
        else:
            self._drop(cause)
            self._let_go(entry)
        if self._turns:
            self._call_workers()

    def _drop(self, cause: DropCause) -> None:
        self._metrics.filing_dropped(cause)
        self._on_drop(cause)

    def _call_workers(self) -> None:
        for wake in self._workers:
            wake()

    def _next(self) -> _Entry | None:
        """Take the next entry, each requester in its turn."""
        for requester, entries in self._turns.items():
            if self._busy.get(requester, 0) < _WORKERS_EACH:
                entry = entries.popleft()
                del self._turns[requester]
                if entries:
                    self._turns[requester] = entries
                return entry
        return None

    async def _file(self, entry: _Entry) -> DropCause | None:
        carried: dict[str, str] = {}
        for again in range(_TRIES):
            if again:
                await asyncio.sleep(self._retry_seconds * again)
            try:
                uid = await self._registry.file(entry.draft(), carried=carried)
            except NotFiledError as error:
                if error.cause == "rights":
                    self._close(entry.change)
                return error.cause
            except PeergateError as error:
                _log.warning("%s/%s is not filed: %s", *entry.key, error)
            else:
                self._checked[entry.key] = uid
                self._checked.move_to_end(entry.key)
                if len(self._checked) > _REMEMBERED_MOST:
                    self._checked.popitem(last=False)
                return None
        return "api"

    def _close(self, change: Change) -> None:
        resource = change.object.resource
        if change.object.subresource == "scale":
            resource = f"{resource}/scale"
        self._closed[change.object.group, resource] = self._clock() + _CLOSED_SECONDS

    def _remember(self, key: RequestKey, since: datetime) -> None:
        if key not in self._since:
            self._since[key] = since
            self._remembered.append((self._clock() + _REMEMBERED_SECONDS, key))
        while len(self._remembered) > _REMEMBERED_MOST:
            _, oldest = self._remembered.popleft()
            if oldest not in self._queued:
                self._since.pop(oldest, None)

    def _let_go(self, entry: _Entry) -> None:
        del self._queued[entry.key]
        self._bytes -= len(entry.wanted or b"")
        _count_down(self._of, entry.change.requester)
        self._measure()

    def _measure(self) -> None:
        full = len(self._queued) >= _QUEUED_MOST or self._bytes > _BYTES_MOST - _OBJECT_BYTES
        if full != self._full:
            self._full = full
            self._tell()

    def _tell(self) -> None:
        self._known.tell_backlog(
            Backlog(
                since=MappingProxyType(self._since),
                queued=self._queued.keys(),
                of=MappingProxyType(self._of),
                closed=self._closed.keys(),
                full=self._full,
            )
        )


def _count_down(counts: dict[Requester, int], requester: Requester) -> None:
    counts[requester] -= 1
    if not counts[requester]:
        del counts[requester]
