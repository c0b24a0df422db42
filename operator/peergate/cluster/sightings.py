"""Looks at what filed changes are about: whether the target is still the one that was asked about."""

from __future__ import annotations

import asyncio
from typing import Final, Literal

from peergate.approval.canonical import NotCanonical, TooLarge
from peergate.approval.projection import digest, project_delete, project_update
from peergate.cluster.client import Client, NotAllowed
from peergate.cluster.endpoints import Endpoint
from peergate.gate.record import kind_of, live_subresource
from peergate.model.change import Change
from peergate.model.names import JsonObject

__all__ = ["Sighting", "compare", "look_at"]

Sighting = Literal["same", "changed", "gone", "recreated", "arrived", "unknown"]
"""``arrived``: the object is what an update was to make of it. ``unknown``: it may not be looked at."""

_DEADLINE_SECONDS: Final = 3.0


async def look_at(change: Change, *, client: Client) -> Sighting:
    """Return how the live target compares with the change. Errors: Unavailable."""
    target = change.object
    try:
        live = await client.get(
            Endpoint(target.group, target.version, target.resource),
            namespace=target.namespace,
            name=target.name,
            subresource=live_subresource(change),
            deadline=_DEADLINE_SECONDS,
        )
    except NotAllowed:
        return "unknown"
    if live is None:
        return "gone"
    return await asyncio.to_thread(compare, change, live)


def compare(change: Change, live: JsonObject) -> Sighting:
    """Return how an object compares with the change. Never raises on what the API server returns.

    Whether an update's digests include the status is not recorded, so both ways are tried.
    """
    if (live.get("metadata") or {}).get("uid") != change.object.uid:
        return "recreated"
    kind = kind_of(live)
    try:
        if change.operation == "DELETE":
            found = {digest(project_delete(live, kind=kind, projection=change.projection))}
        else:
            without = {member: value for member, value in live.items() if member != "status"}
            found = {digest(project_update(live, other, kind=kind)[0]) for other in (live, without)}
    except (NotCanonical, TooLarge):
        return "changed"
    if change.from_ in found:
        return "same"
    return "arrived" if change.to in found else "changed"
