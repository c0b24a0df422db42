"""What was read of a cluster, as one value that every check is a function of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from peergate.cli.doctor.rbac import Rbac
from peergate.gate.snapshot import Snapshot
from peergate.model.names import JsonObject
from peergate.settings import Settings

__all__ = ["Seen"]


@dataclass(frozen=True, slots=True)
class Seen:
    """A cluster, as far as it could be read; ``None`` stands for what could not."""

    settings: Settings
    settings_from: str
    """Where the settings come from, in words."""
    snapshot: Snapshot
    """Who is an agent and what is protected, as the gate's own functions read it."""
    now: datetime
    """By the clock of this machine."""
    rbac: Rbac | None = None
    configuration: JsonObject | None = None
    """The live webhook configuration of Peergate."""
    companions: Sequence[JsonObject] | None = None
    """ValidatingAdmissionPolicies and their bindings."""
    mutating: Sequence[JsonObject] | None = None
    """MutatingWebhookConfigurations."""
    mutating_policies: Sequence[JsonObject] | None = None
    """MutatingAdmissionPolicies."""
    policies: Sequence[JsonObject] | None = None
    """ProtectionPolicies."""
    approvers: Sequence[JsonObject] | None = None
    deployments: Sequence[JsonObject] | None = None
    """Of the operator's namespace, as the next two."""
    endpoint_slices: Sequence[JsonObject] | None = None
    budgets: Sequence[JsonObject] | None = None
    """PodDisruptionBudgets."""
    lease: JsonObject | None = None
    """The operator's Lease."""
    api_services: Sequence[JsonObject] | None = None
    look_alikes: Sequence[JsonObject] | None = None
    """Pods that carry a label of agents in use elsewhere."""
    deciders: Mapping[str, Sequence[JsonObject]] = field(default_factory=dict)
    """By resource: objects that make controllers change other namespaces; metadata only."""
    server_time: datetime | None = None
    """By the clock of the API server, at the time of ``now``."""
    unreadable: Mapping[str, str] = field(default_factory=dict)
    cut: Sequence[str] = ()

    @property
    def protected(self) -> tuple[str, ...]:
        """Return the names of the protected namespaces."""
        label = self.settings.labels.protected
        return tuple(
            sorted(name for name, labels in self.snapshot.namespaces.items() if labels.get(label) == "true")
        )
