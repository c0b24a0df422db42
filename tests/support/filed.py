"""A ChangeRequest as the operator files it, put there by an administrator."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.changes import Desk, id_of, path_of

from peergate.model.change import Change
from peergate.model.wire import format_instant

__all__ = ["filed"]

_OPERATORS_NAMESPACE = "peergate-system"


def filed(
    desk: Desk, change: Change, *, owner: str = "team-platform", post: bool = True, **members: Any
) -> dict[str, Any]:
    """Return the ChangeRequest of a change, filed unless ``post`` is false.

    ``members`` of the spec override what the operator would write, also where that is a lie; the name stays.
    """
    now = datetime.now(UTC).replace(microsecond=0)
    target = change.object
    spec: dict[str, Any] = {
        "audience": change.audience,
        "operation": change.operation,
        "object": {
            name: getattr(target, name)
            for name in ("group", "version", "resource", "subresource", "namespace", "name", "uid")
        },
        "requester": {
            "username": change.requester.username,
            "uid": change.requester.uid,
            "owner": owner,
        },
        "projection": change.projection,
        "from": change.from_,
        "options": dict(change.options),
        "effect": "Delete" if change.operation == "DELETE" else "Replace",
        "rules": ["built-in"],
        "summary": f"{change.operation.lower()} {target.resource} {target.name}",
        "filedAt": format_instant(now),
        "expires": format_instant(now + timedelta(hours=24)),
    }
    if change.to is not None:
        spec["to"] = change.to
    spec |= members
    metadata = {"name": id_of(change), "namespace": target.namespace or _OPERATORS_NAMESPACE}
    body = {
        "apiVersion": "peergate.dev/v1alpha1",
        "kind": "ChangeRequest",
        "metadata": metadata,
        "spec": spec,
    }
    if not post:
        return body
    path = path_of(
        "changerequests", metadata["name"], namespace=metadata["namespace"], api="peergate.dev/v1alpha1"
    )
    return desk.create(path, body)
