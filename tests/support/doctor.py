"""Clusters as the doctor reads them, in few words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["account", "binding", "cluster_binding", "cluster_role", "role"]

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
