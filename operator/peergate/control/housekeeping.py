"""Everything the operator does besides answering reviews: what runs, and what wakes what."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from peergate.cluster.client import Client
from peergate.cluster.endpoints import LEASES
from peergate.cluster.filing import Registry
from peergate.cluster.lease import LEASE_NAME, Elector, LeaseTiming
from peergate.cluster.ledger import sweep
from peergate.cluster.snapshots import Snapshots
from peergate.control.admitted import Marker
from peergate.control.announce import Announcer
from peergate.control.approvers import ApproverStatuses
from peergate.control.certificates import CertificateKeeping, Tls
from peergate.control.clearing import sweep_requests
from peergate.control.companions import CompanionLook
from peergate.control.configuration import ConfigurationKeeping
from peergate.control.doors import DOORS_PACE, DoorWatch
from peergate.control.events import Happening, Poster
from peergate.control.filing import WORKERS, Filer
from peergate.control.keeping import Keeper, Pace
from peergate.control.policies import PolicyStatuses
from peergate.control.requests import RequestStatuses
from peergate.observe.metrics import DropCause, Metrics
from peergate.settings import Settings

__all__ = ["Housekeeping"]

_SWEEP_PACE: Final = Pace(every=300.0)
_TELLING_PACE: Final = Pace(every=5.0, settle=0.0)
_EVENTS_PACE: Final = Pace(every=1.0)
_REQUESTS_PACE: Final = Pace(every=5.0, rewrite_most=0.0)
"""Many requests that change one after another are no fight: nobody else writes what this step writes."""


class Housekeeping:
    """The caches, the election and the keepers of one replica."""

    def __init__(
        self,
        client: Client,
        settings: Settings,
        snapshots: Snapshots,
        *,
        metrics: Metrics,
        identity: str,
        tls: Tls | None = None,
        lease: LeaseTiming | None = None,
        pace: Pace | None = None,
    ) -> None:
        """Put the parts together; nothing runs yet.

        ``tls`` is given where certificates are self-signed; else they are somebody else's task, and so is the
        CA bundle.
        """
        self._client = client
        self._settings = settings
        self._snapshots = snapshots
        self._keepers: list[Keeper] = []
        pace = pace or Pace()
        self.elector = Elector(
            client,
            namespace=settings.namespace,
            identity=identity,
            timing=lease or LeaseTiming(),
            on_change=self._on_leader_change,
        )
        leads = self.elector.leads
        announcer = Announcer(client, namespace=settings.namespace, identity=identity)
        self.configuration = ConfigurationKeeping(
            client,
            settings,
            snapshots,
            leads=leads,
            metrics=metrics,
            ca_bundle=self._ca_bundle,
            announce=announcer.announce,
        )
        self.certificates = (
            CertificateKeeping(
                client,
                tls,
                namespace=settings.namespace,
                name=settings.tls.secret,
                leads=leads,
                published=lambda: self.configuration.published,
                metrics=metrics,
                utc_now=client.clock.now,
            )
            if tls is not None
            else None
        )
        self._configuration_keeper = self._keep("webhook configuration", self.configuration.step, pace=pace)
        self._companions = CompanionLook(client, settings)
        self._keep("companion policies", self._companion_step, pace=pace)
        if self.certificates is not None:
            # Looked at by the clock: a watch would need more rights on Secrets, and a renewal has time.
            self._keep("certificate", self._certificate_step, pace=pace)
        self.poster = Poster(client, snapshots, identity=identity)
        """Is told of every decision, and makes Events of some."""
        tell = self.poster.post
        policies = PolicyStatuses(client, snapshots, leads=leads, metrics=metrics, tell=tell)
        approvers = ApproverStatuses(client, snapshots, leads=leads, metrics=metrics, tell=tell)
        statuses = (
            self._keep("policy status", policies.step, pace=pace),
            self._keep("approver status", approvers.step, pace=pace),
        )
        self._keep("ledger sweep", self._sweep, pace=_SWEEP_PACE)
        self._keep(
            "doors",
            DoorWatch(
                client, settings, snapshots, leads=leads, metrics=metrics, announce=announcer.announce
            ).step,
            pace=DOORS_PACE,
        )
        self.filer = Filer(
            Registry(client, clock=client.clock.now),
            snapshots,
            metrics=metrics,
            on_drop=self._on_filing_dropped,
        )
        """Is told of every decision, and files what was refused."""
        self.marker = Marker(client, snapshots, metrics=metrics, poster=self.poster)
        """Is told of every decision, and marks what was admitted."""
        requests = RequestStatuses(client, snapshots, leads=leads, metrics=metrics, poster=self.poster)
        for number in range(WORKERS):
            self.filer.on_work(self._keep(f"filing {number + 1}", self.filer.step, pace=_TELLING_PACE).wake)
        self.marker.on_work(self._keep("admitted changes", self.marker.step, pace=_TELLING_PACE).wake)
        self.poster.on_work(self._keep("events", self.poster.step, pace=_EVENTS_PACE).wake)
        request_keeper = self._keep("change request status", requests.step, pace=_REQUESTS_PACE)
        for keeper in (self._configuration_keeper, *statuses, request_keeper):
            snapshots.subscribe(keeper.wake)

    def configuration_changed(self) -> None:
        """Have the live webhook configuration looked at soon."""
        self._configuration_keeper.wake()

    @property
    def bugs(self) -> int:
        """Return how many steps ended in an error that nobody foresaw."""
        return sum(keeper.bugs for keeper in self._keepers)

    async def run(self) -> None:
        """Run all of it until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._snapshots.run(), name="caches")
            group.create_task(self.elector.run(), name="election")
            for keeper in self._keepers:
                group.create_task(keeper.run(), name="keeper")

    def _keep(self, name: str, step: Callable[[], Awaitable[bool]], *, pace: Pace) -> Keeper:
        keeper = Keeper(name, step, pace=pace)
        self._keepers.append(keeper)
        return keeper

    def _on_leader_change(self, _: bool) -> None:  # noqa: FBT001 - as the elector calls it
        for keeper in self._keepers:
            keeper.wake()

    def _ca_bundle(self) -> bytes | None:
        return self.certificates.ca_bundle() if self.certificates is not None else None

    async def _certificate_step(self) -> bool:
        assert self.certificates is not None  # noqa: S101 - this step runs only where it is
        before = self.certificates.serving
        wrote = await self.certificates.step()
        if self.certificates.serving != before:
            self._configuration_keeper.wake()
        return wrote

    async def _companion_step(self) -> bool:
        before = self.configuration.companion
        self.configuration.companion = await self._companions.stand()
        if self.configuration.companion != before:
            self._configuration_keeper.wake()
        return False

    async def _sweep(self) -> bool:
        if self.elector.leads():
            # What a clock that runs ahead takes for run out, others still need.
            now = self._client.clock.earliest()
            await sweep(self._client, namespace=self._settings.namespace, now=now)
            await sweep_requests(self._client, self._snapshots, settings=self._settings, now=now)
        return False

    def _on_filing_dropped(self, cause: DropCause) -> None:
        lease = {
            "apiVersion": LEASES.api_version,
            "kind": "Lease",
            "namespace": self._settings.namespace,
            "name": LEASE_NAME,
        }
        note = f"Refused changes are not filed ({cause}); see the metric peergate_filing_dropped_total."
        self.poster.post(Happening(reason="FilingDropped", note=note, target=lease))
