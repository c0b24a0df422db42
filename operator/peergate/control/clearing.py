"""Clears ChangeRequests away that ended long ago."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from peergate.cluster.caches import RequestRecord
from peergate.cluster.client import Client
from peergate.cluster.endpoints import CHANGE_REQUESTS
from peergate.cluster.snapshots import Snapshots
from peergate.gate.filed import read_filed_request
from peergate.model.names import JsonObject
from peergate.settings import Settings

__all__ = ["sweep_requests"]

_SWEPT_MOST: Final = 500
_PAGE: Final = 100
"""Metadata decoded in one go, while reviews wait."""


async def sweep_requests(client: Client, snapshots: Snapshots, *, settings: Settings, now: datetime) -> int:
    """Delete ChangeRequests that have ended, at the latest, more than ``deleteAfter`` ago; return how many.

    Goes by the time of creation, so only metadata is listed. What is rejected stays until that has lapsed: a
    no that went away would let the approvals count that it outweighs. So each is read before it goes, as a
    cache may be empty yet or late, and goes only as it was read. At most 500 in one go. Errors: Unavailable.
    """
    kept = settings.change_requests.expire_after + settings.change_requests.delete_after
    looks = gone = 0
    async for page, _ in client.list_pages(CHANGE_REQUESTS, metadata_only=True, page=_PAGE):
        for document in page:
            metadata = document["metadata"]
            if datetime.fromisoformat(metadata["creationTimestamp"]) + kept >= now:
                continue
            held = snapshots.caches.requests.get((metadata["namespace"], metadata["name"]))
            record = held.value if held is not None else None
            if isinstance(record, RequestRecord) and record.filed.is_rejected(now=now):
                continue
            if looks >= _SWEPT_MOST:
                return gone
            looks += 1
            gone += await _clear_away(client, metadata=metadata, now=now)
    return gone


async def _clear_away(client: Client, *, metadata: JsonObject, now: datetime) -> bool:
    """Delete a request unless it is rejected, or is another one by now; tell whether it went."""
    namespace, name = metadata["namespace"], metadata["name"]
    live = await client.get(CHANGE_REQUESTS, namespace=namespace, name=name)
    if live is None or live["metadata"]["uid"] != metadata["uid"]:
        return False
    filed = read_filed_request(live)
    if filed is not None and filed.is_rejected(now=now):
        return False
    answer = await client.delete(
        CHANGE_REQUESTS,
        namespace=namespace,
        name=name,
        uid=metadata["uid"],
        resource_version=live["metadata"]["resourceVersion"],
    )
    return answer is None
