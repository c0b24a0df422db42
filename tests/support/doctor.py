"""Clusters as the doctor reads them, in few words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from peergate.approval.keyring import build_keyring
from peergate.cli.doctor.agents import Known
from peergate.cli.doctor.finding import Finding
from peergate.cli.doctor.seen import Seen
from peergate.cli.text import visible
from peergate.gate.access import account_subject
from peergate.gate.policies import PolicyIndex
from peergate.gate.snapshot import Account, Snapshot, gate_config
from peergate.settings import Settings

__all__ = [
    "NOW",
    "PROTECTED",
    "account",
    "binding",
    "cluster_binding",
    "cluster_role",
    "known",
    "levels",
    "role",
    "seen",
]

_GROUP = "rbac.authorization.k8s.io"


def account(namespace: str, name: str) -> dict[str, Any]:
    """Return a ServiceAccount as a subject of a binding."""
    return {"kind": "ServiceAccount", "namespace": namespace, "name": name}


def role(namespace: str, name: str, rules: list[Any]) -> dict[str, Any]:
    """Return a Role."""
    return {"metadata": {"namespace": namespace, "name": name}, "rules": rules}


def cluster_role(name: str, rules: list[Any], *, labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return a ClusterRole."""
    return {"metadata": {"name": name, "labels": dict(labels or {})}, "rules": rules}


def binding(namespace: str, name: str, reference: str, *subjects: dict[str, Any]) -> dict[str, Any]:
    """Return a RoleBinding; ``reference`` is ``Role/x`` or ``ClusterRole/x``."""
    kind, _, target = reference.partition("/")
    return {
        "metadata": {"namespace": namespace, "name": name},
        "roleRef": {"apiGroup": _GROUP, "kind": kind, "name": target},
        "subjects": list(subjects),
    }


def cluster_binding(name: str, target: str, *subjects: dict[str, Any]) -> dict[str, Any]:
    """Return a ClusterRoleBinding."""
    return {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": _GROUP, "kind": "ClusterRole", "name": target},
        "subjects": list(subjects),
    }


NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PROTECTED = {"peergate.dev/protected": "true"}


def seen(
    *,
    settings: Mapping[str, Any] | None = None,
    namespaces: Mapping[str, Mapping[str, str]] | None = None,
    accounts: Mapping[str, Mapping[str, Any]] | None = None,
    **members: Any,
) -> Seen:
    """Return a cluster; accounts are ``namespace/name`` to what ``Account`` takes beside the uid."""
    read = Settings.model_validate(dict(settings or {}))
    return Seen(
        settings=read,
        settings_from="the defaults",
        snapshot=Snapshot(
            config=gate_config(read),
            audience="",
            keyring=build_keyring({}),
            policies=PolicyIndex(),
            namespaces=namespaces or {},
            accounts={
                (place.partition("/")[0], place.partition("/")[2]): Account(
                    **{"uid": place, "tagged": False, "owner": "", **of}
                )
                for place, of in (accounts or {}).items()
            },
        ),
        now=NOW,
        **members,
    )


def known(namespace: str, name: str, **members: Any) -> Known:
    """Return an agent's account."""
    subject = account_subject(namespace, name, uid=f"{namespace}/{name}")
    found = {"tag": "label", "account": (namespace, name), **members}
    return Known(display=visible(f"{namespace}/{name}"), subject=subject, **found)


def levels(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    """Return level and check of every finding."""
    return [(finding.level.value, finding.check) for finding in findings]
