"""ChangeRequest documents for tests without a cluster."""

from __future__ import annotations

from typing import Any

from peergate.approval.change import change_digest, change_id
from peergate.gate.filed import recorded_change
from peergate.model.changerequest import ChangeRequestSpec

__all__ = ["request_document"]


def request_document(
    *, place: str = "shop", status: dict[str, Any] | None = None, **spec: Any
) -> dict[str, Any]:
    """Return a ChangeRequest about a StatefulSet's deletion, named by its change; ``spec`` overrides."""
    full: dict[str, Any] = {
        "audience": "k8s:6f2c0d8e-7c42-4a58-9a0a-2d7b5d0c8f11",
        "operation": "DELETE",
        "object": {
            "group": "apps",
            "version": "v1",
            "resource": "statefulsets",
            "subresource": "",
            "namespace": "shop",
            "name": "db",
            "uid": "0a6b2a52-6e13-4a5e-8f5b-7b4b7f6a6d90",
        },
        "requester": {
            "username": "system:serviceaccount:agents:bot",
            "uid": "b7a2c1d0-3f0e-4a4b-9c9c-5d1f0a9be201",
            "owner": "team-platform",
        },
        "projection": "k8s-projection/v1",
        "from": "0" * 64,
        "options": {"propagationPolicy": "Background"},
        "effect": "Delete",
        "rules": ["built-in"],
        "summary": "delete StatefulSet shop/db",
        "filedAt": "2026-11-23T11:30:00Z",
        "expires": "2026-11-24T11:30:00Z",
        **spec,
    }
    change = recorded_change(ChangeRequestSpec.model_validate(full))
    return {
        "apiVersion": "peergate.dev/v1alpha1",
        "kind": "ChangeRequest",
        "metadata": {
            "name": change_id(change_digest(change)),
            "namespace": place,
            "uid": "9e0e6f0e-1111-4a4b-9c9c-5d1f0a9be201",
            "resourceVersion": "7",
            "creationTimestamp": "2026-11-23T11:30:00Z",
        },
        "spec": full,
        **({} if status is None else {"status": status}),
    }
