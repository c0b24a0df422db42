"""Approver status: whether its keys can be used, and if not, which one and why, in words."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from peergate.approval.keyring import Keyring
from peergate.cluster.caches import ApproverRecord
from peergate.cluster.client import Client
from peergate.cluster.endpoints import APPROVERS
from peergate.cluster.snapshots import Snapshots
from peergate.control.events import Happening
from peergate.control.news import approver_news, approver_removed
from peergate.control.status import Finding, conditions_of, write_status
from peergate.model.names import JsonObject
from peergate.observe.metrics import Metrics

__all__ = ["ApproverStatuses", "approver_finding", "approver_status"]

_LOOK_AGAIN: Final = timedelta(minutes=10)
_AT_ONCE: Final = 100


def approver_finding(name: str, record: ApproverRecord, *, keyring: Keyring, now: datetime) -> Finding:
    """Return whether an Approver has a key that counts now."""
    if record.spec is None:
        return Finding("Ready", holds=False, reason="Invalid", message=record.problem)
    sentences = " ".join(keyring.problems.get(name, ()))
    if record.spec.disabled:
        return Finding("Ready", holds=False, reason="Disabled", message="The approver is disabled.")
    approver = keyring.approvers.get(record.spec.identity)
    if approver is None or approver.name != name or not approver.keys:
        return Finding("Ready", holds=False, reason="NoUsableKey", message=sentences)
    if not any(
        not key.record.disabled and (key.record.not_after is None or now < key.record.not_after)
        for key in approver.keys
    ):
        return Finding(
            "Ready",
            holds=False,
            reason="NoUsableKey",
            message=f"Every key is disabled or expired. {sentences}".strip(),
        )
    if sentences:
        return Finding("Ready", holds=True, reason="SomeKeysUnusable", message=sentences)
    return Finding("Ready", holds=True, reason="Valid")


def approver_status(name: str, record: ApproverRecord, *, keyring: Keyring, now: datetime) -> JsonObject:
    """Return the status an Approver should have."""
    approver = keyring.approvers.get(record.spec.identity) if record.spec is not None else None
    usable = approver.keys if approver is not None and approver.name == name else ()
    return {
        "conditions": conditions_of(
            [approver_finding(name, record, keyring=keyring, now=now)], seen=record.status, now=now
        ),
        "fingerprints": [key.public.id for key in usable],
    }


class ApproverStatuses:
    """Keeps the status of every Approver."""

    def __init__(
        self,
        client: Client,
        snapshots: Snapshots,
        *,
        leads: Callable[[], bool],
        metrics: Metrics,
        tell: Callable[[Happening], None],
    ) -> None:
        self._client = client
        self._tell = tell
        self._snapshots = snapshots
        self._leads = leads
        self._metrics = metrics
        self._basis: tuple[object, ...] = ()
        self._looked_at = datetime.min.replace(tzinfo=UTC)
        self._ready: dict[str, bool] = {}
        self._keyring: Keyring | None = None
        """Kept so that its id stays its own; comparing two of them would take longer than the work saved."""

    async def step(self) -> bool:
        """Write every status that is not as it should be; tell whether any was written.

        Ten thousand Approvers are looked at only when one of them changed, or time may have ended a key, and
        never so long that reviews wait. Errors: Unavailable.
        """
        if not self._snapshots.synced:
            return False
        now = self._client.clock.now()
        keyring, cache = self._snapshots.snapshot().keyring, self._snapshots.caches.approvers
        basis = (id(keyring), cache.changes, self._leads())
        if basis == self._basis and abs(now - self._looked_at) < _LOOK_AGAIN:
            return False
        ready: dict[str, bool] = {}
        wrote = False
        for number, ((_, name), held) in enumerate(cache.items().items(), start=1):
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
            record = held.value
            if not self._snapshots.knows_approver(name, uid=held.uid, generation=record.status.generation):
                # The next snapshot does, and wakes this again; until then nothing true can be said.
                ready[name] = self._ready.get(name, False)
                continue
            wanted = approver_status(name, record, keyring=keyring, now=now)
            ready[name] = wanted["conditions"][0]["status"] == "True"
            if not self._leads():
                continue
            if await write_status(self._client, APPROVERS, name=name, seen=record.status, wanted=wanted):
                wrote = True
                if (news := approver_news(name, record, wanted)) is not None:
                    self._tell(news)
        if self._leads():
            for name in self._ready.keys() - ready.keys():
                self._tell(approver_removed(name))
        if ready != self._ready:
            # All gauges are written anew, which takes a while for thousands of them.
            self._metrics.approvers(ready)
        self._basis, self._looked_at, self._keyring, self._ready = basis, now, keyring, ready
        return wrote
