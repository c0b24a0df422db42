"""ProtectionPolicy status: whether it is valid, whether anybody can satisfy it, and where it counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from peergate.approval.keyring import Keyring
from peergate.cluster.caches import PolicyRecord
from peergate.cluster.client import Client
from peergate.cluster.endpoints import POLICIES
from peergate.cluster.snapshots import Snapshots
from peergate.control.events import Happening
from peergate.control.news import policy_news
from peergate.control.status import Finding, conditions_of, write_status
from peergate.gate.census import Census, short_list
from peergate.gate.policies import CompiledPolicy
from peergate.gate.selectors import Labels, matches
from peergate.gate.snapshot import Snapshot
from peergate.model.names import JsonObject
from peergate.model.policy import LabelSelector
from peergate.observe.metrics import Metrics

__all__ = ["PolicyStatuses", "policy_findings", "policy_status"]

_NAMESPACES_MOST: Final = 10_000
_LOOK_AGAIN: Final = timedelta(minutes=10)


def policy_findings(
    policy: CompiledPolicy,
    *,
    census: Census,
    namespaces: Mapping[str, Labels],
    protected_label: str,
) -> list[Finding]:
    """Return the conditions ``Ready`` and ``NamespaceNotProtected``."""
    if policy.problem:
        ready = Finding(
            "Ready",
            holds=False,
            reason="Invalid",
            message=f"{policy.problem}. It is read at its strictest: nothing satisfies it.",
        )
    else:
        short = [sentence for rule in policy.rules if (sentence := census.shortage(rule))]
        ready = (
            Finding("Ready", holds=False, reason="Unsatisfiable", message=" ".join(short))
            if short
            else Finding("Ready", holds=True, reason="Valid")
        )
    unprotected = _selected_by_name(policy, namespaces, protected_label=protected_label)
    return [
        ready,
        Finding(
            "NamespaceNotProtected",
            holds=bool(unprotected),
            reason="Unprotected" if unprotected else "AllProtected",
            message=(
                f"It selects {short_list(unprotected)}, not labelled {protected_label}=true,"
                " where it has no effect."
                if unprotected
                else ""
            ),
        ),
    ]


def policy_status(record: PolicyRecord, *, snapshot: Snapshot, census: Census, now: datetime) -> JsonObject:
    """Return the status a ProtectionPolicy should have."""
    label = snapshot.config.protected_label
    findings = policy_findings(
        record.compiled,
        census=census,
        namespaces=snapshot.namespaces,
        protected_label=label,
    )
    replaced = sorted(
        name
        for name, labels in snapshot.namespaces.items()
        if labels.get(label) == "true" and matches(record.compiled.namespaces, labels)
    )
    return {
        "conditions": conditions_of(findings, seen=record.status, now=now),
        "namespaces": replaced[:_NAMESPACES_MOST],
    }


class PolicyStatuses:
    """Keeps the status of every ProtectionPolicy."""

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
        self._keyring: Keyring | None = None
        """Kept so that its id stays its own; comparing two of them would take longer than the work saved."""

    async def step(self) -> bool:
        """Write every status that is not as it should be; tell whether any was written.

        Policies meet namespaces here, which is the one product of two numbers that grow: it is computed only
        when either changed, or the keyring, and never so long that reviews wait. Errors: Unavailable.
        """
        if not self._snapshots.synced:
            return False
        now = self._client.clock.now()
        snapshot, cache = self._snapshots.snapshot(), self._snapshots.caches.policies
        basis = (
            id(snapshot.keyring),
            self._snapshots.caches.namespaces.changes,
            cache.changes,
            self._leads(),
        )
        if basis == self._basis and abs(now - self._looked_at) < _LOOK_AGAIN:
            return False
        census = Census(snapshot.keyring, now=now)
        ready: dict[str, bool] = {}
        wrote = False
        for (_, name), record in cache.values().items():
            await asyncio.sleep(0)
            wanted = policy_status(record, snapshot=snapshot, census=census, now=now)
            ready[name] = wanted["conditions"][0]["status"] == "True"
            if self._leads() and await write_status(
                self._client, POLICIES, name=name, seen=record.status, wanted=wanted
            ):
                wrote = True
                if (news := policy_news(name, record, wanted)) is not None:
                    self._tell(news)
        self._metrics.policies(ready)
        self._basis, self._looked_at, self._keyring = basis, now, snapshot.keyring
        return wrote


def _selected_by_name(
    policy: CompiledPolicy,
    namespaces: Mapping[str, Labels],
    *,
    protected_label: str,
) -> Iterable[str]:
    """Return the unprotected namespaces that the policy means; one that selects all means the protected."""
    if policy.namespaces == LabelSelector():
        return ()
    return [
        name
        for name, labels in namespaces.items()
        if labels.get(protected_label) != "true" and matches(policy.namespaces, labels)
    ]
