"""What was read of a cluster, as one value that every check is a function of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from peergate.cli.doctor.rbac import Rbac
from peergate.cli.doctor.reading import Reader
from peergate.gate.snapshot import Account, Snapshot
from peergate.model.names import OWNER_ANNOTATION, JsonObject
from peergate.settings import Settings

__all__ = ["Seen", "read_accounts", "read_namespaces", "read_rbac"]

_RBAC: Final = "/apis/rbac.authorization.k8s.io/v1"


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
    unreadable: Mapping[str, str] = field(default_factory=dict)
    cut: Sequence[str] = ()

    @property
    def protected(self) -> tuple[str, ...]:
        """Return the names of the protected namespaces."""
        label = self.settings.labels.protected
        return tuple(
            sorted(name for name, labels in self.snapshot.namespaces.items() if labels.get(label) == "true")
        )


def read_namespaces(reader: Reader) -> Mapping[str, Mapping[str, str]] | None:
    """Return the labels of every namespace; ``None`` if they can't be read."""
    items = reader.all("/api/v1/namespaces", metadata_only=True)
    if items is None:
        return None
    return {_name(item): dict(_metadata(item).get("labels") or {}) for item in items}


def read_accounts(reader: Reader, *, agent_label: str) -> Mapping[tuple[str, str], Account] | None:
    """Return every ServiceAccount as the gate keeps it; ``None`` if they can't be read."""
    items = reader.all("/api/v1/serviceaccounts", metadata_only=True)
    if items is None:
        return None
    return {
        (str(_metadata(item).get("namespace", "")), _name(item)): Account(
            uid=str(_metadata(item).get("uid", "")),
            tagged=(_metadata(item).get("labels") or {}).get(agent_label) == "true",
            owner=str((_metadata(item).get("annotations") or {}).get(OWNER_ANNOTATION, "")),
        )
        for item in items
    }


def read_rbac(reader: Reader) -> Rbac | None:
    """Return roles and bindings; ``None`` if one kind of them can't be read."""
    kinds = ("roles", "clusterroles", "rolebindings", "clusterrolebindings")
    found = [reader.all(f"{_RBAC}/{kind}") for kind in kinds]
    if any(items is None for items in found):
        return None
    roles, cluster_roles, bindings, cluster_bindings = (items or [] for items in found)
    return Rbac(
        roles=roles, cluster_roles=cluster_roles, bindings=bindings, cluster_bindings=cluster_bindings
    )


def _metadata(item: JsonObject) -> Mapping[str, Any]:
    found: Mapping[str, Any] = item.get("metadata") or {}
    return found


def _name(item: JsonObject) -> str:
    return str(_metadata(item).get("name", ""))
