"""Leader election with one Lease: who lists agents, writes status, renews and sweeps.

Every replica verifies and answers; being leader only decides who does the housekeeping, so two leaders for a
moment would be a nuisance, never a hole. Times of other machines are never compared with ours: a lease counts
as free when its record has not changed for its whole duration by the local monotonic clock.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from peergate.cluster.client import Client, Miss
from peergate.cluster.endpoints import LEASES
from peergate.errors import Unavailable
from peergate.model.names import JsonObject

__all__ = ["LEASE_NAME", "Elector", "LeaseTiming"]

_log = logging.getLogger(__name__)

LEASE_NAME: Final = "peergate-leader"


@dataclass(frozen=True, slots=True)
class LeaseTiming:
    """How a lease is held, in seconds."""

    renew: float = 4.0
    """Between two renewals, and between two looks at another's lease."""
    duration: float = 15.0
    """How long others wait after the last renewal they saw."""

    @property
    def give_up(self) -> float:
        """Return after how long without a renewal a leader stops acting as one, well before others start."""
        return self.duration * 2 / 3

    @property
    def call(self) -> float:
        """Return the deadline of one call."""
        return min(5.0, self.renew / 2)


_DEFAULT_TIMING: Final = LeaseTiming()


class Elector:
    """One candidate."""

    def __init__(
        self,
        client: Client,
        *,
        namespace: str,
        identity: str,
        timing: LeaseTiming = _DEFAULT_TIMING,
        on_change: Callable[[bool], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take an identity that no other candidate has, e.g. the Pod's name and some random letters."""
        self._client = client
        self._namespace = namespace
        self._identity = identity
        self._timing = timing
        self._on_change = on_change
        self._clock = clock
        self._seen: tuple[object, ...] = ()
        self._seen_at = float("-inf")
        self._renewed_at = float("-inf")
        self._told = False

    def leads(self) -> bool:
        """Tell whether this candidate may act as leader now."""
        return self._clock() - self._renewed_at < self._timing.give_up

    async def run(self) -> None:
        """Stand for election until cancelled, then give the lease back."""
        try:
            while True:
                try:
                    await self._try()
                except Unavailable as error:
                    _log.warning("leader election: %s", error)
                self._tell()
                await asyncio.sleep(self._timing.renew * random.uniform(0.8, 1.0))  # noqa: S311 - spreads load
                self._tell()
        finally:
            await self._release()
            self._tell()

    def _tell(self) -> None:
        leads = self.leads()
        if leads != self._told:
            self._told = leads
            _log.info("%s", "leading" if leads else "no longer leading")
            if self._on_change is not None:
                self._on_change(leads)

    async def _try(self) -> None:
        began = self._clock()
        lease = await self._client.get(
            LEASES, namespace=self._namespace, name=LEASE_NAME, deadline=self._timing.call
        )
        if lease is None:
            answer = await self._client.create(
                LEASES,
                namespace=self._namespace,
                body=self._next_lease(None),
                deadline=self._timing.call,
            )
        elif self._may_take(lease):
            answer = await self._client.replace(
                LEASES, body=self._next_lease(lease), deadline=self._timing.call
            )
        else:
            # Somebody else holds it: whatever we believed, we don't lead.
            self._renewed_at = float("-inf")
            return
        if isinstance(answer, Miss):
            # Somebody was quicker; the next look tells who.
            self._renewed_at = float("-inf")
            return
        # Counted from before the call: others may count from any moment after it.
        self._renewed_at = began

    def _may_take(self, lease: JsonObject) -> bool:
        spec = lease.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        record = (holder, spec.get("renewTime"), spec.get("leaseTransitions"), lease["metadata"].get("uid"))
        if record != self._seen:
            self._seen, self._seen_at = record, self._clock()
        duration = spec.get("leaseDurationSeconds") or self._timing.duration
        return holder in {"", self._identity} or self._clock() - self._seen_at > duration

    def _next_lease(self, lease: JsonObject | None) -> JsonObject:
        before = (lease or {}).get("spec") or {}
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        kept = before.get("holderIdentity") == self._identity
        transitions = before.get("leaseTransitions") or 0
        return {
            "apiVersion": LEASES.api_version,
            "kind": "Lease",
            "metadata": (lease or {}).get("metadata") or {"name": LEASE_NAME, "namespace": self._namespace},
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": max(1, round(self._timing.duration)),
                "acquireTime": before.get("acquireTime") if kept else now,
                "renewTime": now,
                "leaseTransitions": transitions if kept or lease is None else transitions + 1,
            },
        }

    async def _release(self) -> None:
        """Empty the lease, so that the next leader need not wait; best effort."""
        if not self.leads():
            return
        self._renewed_at = float("-inf")
        try:
            lease = await self._client.get(
                LEASES, namespace=self._namespace, name=LEASE_NAME, deadline=self._timing.call
            )
            if lease is None or (lease.get("spec") or {}).get("holderIdentity") != self._identity:
                return
            lease["spec"]["holderIdentity"] = ""
            lease["spec"]["leaseDurationSeconds"] = 1
            await self._client.replace(LEASES, body=lease, deadline=self._timing.call)
        except Unavailable as error:
            _log.info("the lease was not given back: %s", error)
