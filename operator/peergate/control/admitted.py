"""Marks a ChangeRequest as used once its change was admitted; by the replica that admitted it, leader or not.

A mark that is lost (a killed process) leaves the request to end as stale. It is for readers: what is spent
is in the ledger.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from peergate.cluster.caches import RequestRecord
from peergate.cluster.client import Client
from peergate.cluster.endpoints import CHANGE_REQUESTS
from peergate.cluster.reflector import Key
from peergate.cluster.snapshots import Snapshots
from peergate.control.events import Happening, Poster, target_of
from peergate.control.requests import request_conditions
from peergate.model.decision import Allow, Decision
from peergate.model.lifecycle import Seen, next_state
from peergate.model.review import Review
from peergate.observe.metrics import Metrics

__all__ = ["Marker"]

_WAITING_MOST: Final = 1000


class Marker:
    """The admitted changes of one replica that wait to be marked."""

    def __init__(self, client: Client, snapshots: Snapshots, *, metrics: Metrics, poster: Poster) -> None:
        """Start empty; nothing is written before ``step``."""
        self._client = client
        self._snapshots = snapshots
        self._metrics = metrics
        self._poster = poster
        self._waiting: dict[Key, str] = {}
        self._wake: Callable[[], None] = lambda: None

    def on_work(self, wake: Callable[[], None]) -> None:
        """Have ``wake`` called whenever there is something for ``step`` to do."""
        self._wake = wake

    def tell(self, review: Review, decision: Decision) -> None:
        """Take note of a change that was admitted on approvals; a dry run admits nothing."""
        if not isinstance(decision, Allow) or decision.reason != "approved" or review.dry_run:
            return
        facts = decision.facts
        if facts.change is None or not facts.counted or len(self._waiting) >= _WAITING_MOST:
            return
        namespace = facts.change.object.namespace or self._snapshots.snapshot().config.namespace
        approvers = ", ".join(sorted({claim.approver for claim in facts.counted}))
        self._waiting[namespace, str(facts.change_id)] = approvers
        self._poster.post(
            Happening(
                reason="ChangeAdmitted",
                note=f"Admitted with the approval of {approvers}.",
                target=target_of(facts.change, kind=review.kind.kind),
                request=(namespace, str(facts.change_id)),
                requester=review.user.username,
                is_warning=False,
            )
        )
        self._wake()

    async def step(self) -> bool:
        """Mark what waits. Errors: Unavailable; what was not marked by then waits on."""
        while self._waiting:
            key = next(iter(self._waiting))
            await self._mark(key)
            self._waiting.pop(key, None)
        return False

    async def _mark(self, key: Key) -> None:
        held = self._snapshots.caches.requests.get(key)
        if held is None or not isinstance(held.value, RequestRecord):
            return
        record, now = held.value, self._client.clock.now()
        state = next_state(record.filed.state, Seen.ADMITTED)
        if state is None or state == record.filed.state:
            return
        namespace, name = key
        await self._client.patch(
            CHANGE_REQUESTS,
            namespace=namespace,
            name=name,
            subresource="status",
            body={
                # Of this very request: a new one of its name is another.
                "metadata": {"uid": held.uid},
                "status": {
                    "state": state,
                    "missing": "",
                    "conditions": request_conditions(state, seen=record.status, now=now),
                },
            },
        )
        if record.filed.state != "Approved":
            self._metrics.change_request_decided(state, after=now - record.filed_at)
