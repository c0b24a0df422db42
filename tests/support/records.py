"""ChangeRequests of changes, as the operator files them, without a cluster."""

from __future__ import annotations

import dataclasses
from typing import Any

from tests.support.gate import AGENT_UID, AUDIENCE, NOW

from peergate.approval.change import change_digest, change_id
from peergate.model.change import Change, ObjectRef, Requester
from peergate.model.names import Digest
from peergate.model.wire import format_instant

__all__ = ["DELETION", "UPDATE", "recorded"]

BOT = Requester("system:serviceaccount:agents:bot", AGENT_UID)
DELETION = Change(
    audience=AUDIENCE,
    operation="DELETE",
    object=ObjectRef("apps", "v1", "deployments", "", "shop", "web", "u1"),
    requester=BOT,
    projection="k8s-projection/v1",
    from_=Digest("a" * 64),
    to=None,
    options={"propagationPolicy": "Background"},
)
UPDATE = dataclasses.replace(DELETION, operation="UPDATE", to=Digest("b" * 64), options={})


def recorded(
    change: Change,
    *,
    annotations: dict[str, str] | None = None,
    status: dict[str, Any] | None = None,
    namespace: str = "shop",
    **spec: Any,
) -> dict[str, Any]:
    """Return the ChangeRequest of a change, filed now."""
    members: dict[str, Any] = {
        "audience": change.audience,
        "operation": change.operation,
        "object": dataclasses.asdict(change.object),
        "requester": {**dataclasses.asdict(change.requester), "owner": "team-platform"},
        "projection": change.projection,
        "from": change.from_,
        "options": dict(change.options),
        "effect": "Delete" if change.operation == "DELETE" else "Replace",
        "rules": ["built-in"],
        "complete": True,
        "summary": "delete Deployment shop/web",
        "filedAt": format_instant(NOW),
        "expires": "2026-11-24T12:00:00Z",
        **spec,
    }
    if change.to is not None:
        members["to"] = change.to
    metadata = {
        "name": change_id(change_digest(change)),
        "namespace": namespace,
        "uid": "uid-of-request",
        "resourceVersion": "1",
        "generation": 1,
        "creationTimestamp": format_instant(NOW),
        "annotations": annotations or {},
    }
    document = {
        "apiVersion": "peergate.dev/v1alpha1",
        "kind": "ChangeRequest",
        "metadata": metadata,
        "spec": members,
    }
    return document if status is None else {**document, "status": status}
