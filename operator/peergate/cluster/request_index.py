"""What a snapshot knows of ChangeRequests, of which there may be tens of thousands: kept as they change.

To look at all of them for every one that changes would take the event loop, or the interpreter's lock, from
reviews for tens of milliseconds each time.
"""

from __future__ import annotations

import asyncio
from typing import Final, TypeAlias

from peergate.cluster.caches import EndedRequest, RequestRecord
from peergate.cluster.layered import Layered
from peergate.cluster.reflector import Held, Key
from peergate.gate.filed import FiledRequest
from peergate.gate.rejected import rejections_by_object
from peergate.gate.snapshot import RequestKey
from peergate.model.change import Requester
from peergate.model.lifecycle import ENDED

__all__ = ["RequestIndex"]

_AT_ONCE: Final = 50
"""Requests gone through before reviews get their turn."""

_Cached: TypeAlias = Held[RequestRecord | EndedRequest]


class RequestIndex:
    """The requests that count, rejections by object and open ones by requester: values that never change."""

    def __init__(self, *, namespace: str) -> None:
        """Start empty; ``namespace`` is the operator's."""
        self._namespace = namespace
        self._moved: dict[RequestKey, FiledRequest | None] = {}
        self._carrying: list[FiledRequest] = []
        self._rejected: dict[str, dict[RequestKey, FiledRequest]] = {}
        self.counting: Layered[RequestKey, FiledRequest] = Layered()
        """Those that have not ended, or carry something."""
        self.rejections: Layered[str, tuple[FiledRequest, ...]] = Layered()
        self.opened: Layered[Requester, int] = Layered()
        """Overdue ones count until they are marked as ended."""

    def note(self, key: Key, _: _Cached | None, after: _Cached | None) -> None:
        """Take note of a change of the cache; it shows after the next ``refresh``."""
        record = after.value if after is not None else None
        self._moved[key] = record.filed if isinstance(record, RequestRecord) else None

    async def refresh(self) -> None:
        """Take in what was noted so far; one call at a time."""
        moved, self._moved = self._moved, {}
        opened: dict[Requester, int | None] = {}
        objects: set[str] = set()
        for number, (key, filed) in enumerate(moved.items(), start=1):
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
            if filed is not None and filed.annotations:
                self._carrying.append(filed)
            before = self.counting.get(key)
            for one, step in ((before, -1), (filed, 1)):
                if one is None:
                    continue
                if one.rejection is None and one.state not in ENDED:
                    known = opened.get(one.requester, self.opened.get(one.requester)) or 0
                    opened[one.requester] = (known + step) or None
                if one.rejected is not None:
                    uid = one.rejected.object.uid
                    objects.add(uid)
                    those = self._rejected.setdefault(uid, {})
                    those.pop(key, None)
                    if step > 0:
                        those[key] = one
        self.opened = self.opened.but(opened)
        self.rejections = self.rejections.but({uid: self._rejections_of(uid) for uid in objects})
        self.counting = self.counting.but(moved)

    def take_carrying(self) -> list[FiledRequest]:
        """Return what carries approvals and changed by ``refresh`` since this was last asked."""
        carrying, self._carrying = self._carrying, []
        return carrying

    def _rejections_of(self, uid: str) -> tuple[FiledRequest, ...] | None:
        those = self._rejected[uid]
        if not those:
            del self._rejected[uid]
        return rejections_by_object(those, namespace=self._namespace).get(uid)
