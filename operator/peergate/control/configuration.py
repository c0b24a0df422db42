"""Keeps the live webhook configuration exact and trusted, and reports what else is wrong with it.

The configuration is the chart's: it is never made or removed here. Two of its fields are the operator's, each
with a field manager of its own: the condition ``agents`` and, with self-signed certificates, the CA bundle.
"""

from __future__ import annotations

import base64
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from peergate.cluster.client import Client, Miss
from peergate.cluster.endpoints import WEBHOOK_CONFIGURATIONS
from peergate.cluster.snapshots import Snapshots
from peergate.control.agents import AgentList, AgentsPlan
from peergate.errors import Unavailable
from peergate.model.names import JsonObject
from peergate.observe.metrics import Metrics
from peergate.settings import Settings
from peergate.shipped.drift import checks_of
from peergate.shipped.listed import live_conditions
from peergate.shipped.webhookconfig import (
    AGENTS_CONDITION,
    AGENTS_FIELD_MANAGER,
    Exact,
    Wide,
    render,
    service_client_config,
)

__all__ = ["CA_FIELD_MANAGER", "ConfigurationKeeping", "bundle_patch"]

_log = logging.getLogger(__name__)

CA_FIELD_MANAGER: Final = "peergate-ca"
"""Field manager of the CA bundle, and of nothing else."""


class ConfigurationKeeping:
    """One look at the live configuration, and what follows from it."""

    def __init__(
        self,
        client: Client,
        settings: Settings,
        snapshots: Snapshots,
        *,
        leads: Callable[[], bool],
        metrics: Metrics,
        ca_bundle: Callable[[], bytes | None],
        announce: Callable[[str, str], Awaitable[None]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the CA bundle to publish as a function; it returns ``None`` where that is not our task.

        ``announce`` posts an Event of a reason and a text on the operator's Lease.
        """
        self._client = client
        self._settings = settings
        self._snapshots = snapshots
        self._leads = leads
        self._metrics = metrics
        self._ca_bundle = ca_bundle
        self._announce = announce
        self._clock = clock
        self._agents = AgentList(settings)
        self._expected = render(settings, client_config=service_client_config(settings))
        self._announced = ""
        self.published: bytes | None = None
        """The CA bundle that every entry was last seen with."""
        self.companion: bool | None = None
        """Whether the companion policies stand, as somebody else looked; ``None``: there are to be none."""

    async def step(self) -> bool:
        """Look, report, and mend what is ours; tell whether anything was written. Errors: Unavailable."""
        live = await self._client.get(WEBHOOK_CONFIGURATIONS, name=self._settings.webhook.configuration)
        if live is None:
            _log.warning("webhook configuration %s is absent", self._settings.webhook.configuration)
            self.published = None
            self._report({"present": False})
            self._metrics.gate(exact=False)
            return False
        bundle = self._ca_bundle()
        checks = checks_of(live, expected=self._expected, ca_bundle=bundle)
        self._report(checks)
        self.published = bundle if checks["ca"] else None
        wrote = False
        if bundle is not None and not checks["ca"] and self._leads():
            wrote = await self._apply(bundle_patch(live, ca_bundle=bundle), manager=CA_FIELD_MANAGER)
        return await self._keep_agents(live) or wrote

    def _report(self, checks: Mapping[str, bool]) -> None:
        companion = {} if self.companion is None else {"companion": self.companion}
        self._metrics.webhook_configuration({**checks, **companion})

    async def _keep_agents(self, live: JsonObject) -> bool:
        snapshot = self._snapshots.snapshot()
        if not self._snapshots.synced or snapshot.stale:
            # Who is tagged can't be told now. What is listed stays; nothing is taken for gone.
            return False
        plan = self._agents.plan(snapshot, live=live, now=self._clock())
        self._metrics.gate(exact=plan.exact)
        self._metrics.agents(listed=plan.listed, unlisted=plan.unlisted, no_effect=plan.no_effect)
        if not self._leads():
            return False
        wrote = False
        if plan.patch is not None:
            wrote = await self._apply(plan.patch, manager=AGENTS_FIELD_MANAGER)
            if wrote and not isinstance(plan.narrowing, Exact):
                await self._take_away(live["metadata"]["name"])
        await self._announce_width(plan)
        return wrote

    async def _apply(self, patch: JsonObject, *, manager: str) -> bool:
        answer = await self._client.apply(WEBHOOK_CONFIGURATIONS, body=patch, field_manager=manager)
        if isinstance(answer, Miss):
            _log.info("webhook configuration changed while it was written; looking again")
            return False
        _log.info("webhook configuration: wrote what %s manages", manager)
        return True

    async def _take_away(self, name: str) -> None:
        """Remove conditions that somebody else co-owns: applying without them leaves those in force."""
        live = await self._client.get(WEBHOOK_CONFIGURATIONS, name=name)
        if live is None or not any(live_conditions(live).values()):
            return
        entries = [
            {
                **entry,
                "matchConditions": [
                    condition
                    for condition in entry.get("matchConditions") or []
                    if condition.get("name") != AGENTS_CONDITION
                ],
            }
            for entry in live["webhooks"]
        ]
        # With the resourceVersion that was read: a change in between is a conflict, and looked at again.
        version = live["metadata"]["resourceVersion"]
        await self._client.patch(
            WEBHOOK_CONFIGURATIONS,
            name=name,
            body={"metadata": {"resourceVersion": version}, "webhooks": entries},
        )

    async def _announce_width(self, plan: AgentsPlan) -> None:
        message = plan.narrowing.message if isinstance(plan.narrowing, Wide) else ""
        if message != self._announced:
            try:
                if message:
                    await self._announce("GateWide", message)
            except Unavailable as error:
                # The gate itself is as it should be; the next look tries again.
                _log.warning("GateWide was not announced: %s", error)
                return
            self._announced = message


def bundle_patch(live: JsonObject, *, ca_bundle: bytes) -> JsonObject:
    """Return what to apply as ``CA_FIELD_MANAGER`` so that every entry has this bundle."""
    encoded = base64.b64encode(ca_bundle).decode("ascii")
    return {
        "apiVersion": WEBHOOK_CONFIGURATIONS.api_version,
        "kind": "ValidatingWebhookConfiguration",
        # With the uid it is a precondition: a configuration that went away is not made here.
        "metadata": {"name": live["metadata"]["name"], "uid": live["metadata"]["uid"]},
        "webhooks": [
            {"name": entry["name"], "clientConfig": {"caBundle": encoded}}
            for entry in live.get("webhooks") or []
        ],
    }
