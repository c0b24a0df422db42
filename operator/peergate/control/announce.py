"""Events about the gate as a whole, on the operator's Lease (experience.md §3.6)."""

from __future__ import annotations

from peergate.cluster.client import Client, Miss
from peergate.cluster.endpoints import EVENTS, LEASES
from peergate.cluster.lease import LEASE_NAME
from peergate.errors import Unavailable

__all__ = ["Announcer"]

_NOTE_MOST = 1024


class Announcer:
    """Posts Events."""

    def __init__(self, client: Client, *, namespace: str, identity: str) -> None:
        self._client = client
        self._namespace = namespace
        self._identity = identity

    async def announce(self, reason: str, note: str) -> None:
        """Post a warning. Errors: Unavailable."""
        now = self._client.clock.now()
        answer = await self._client.create(
            EVENTS,
            namespace=self._namespace,
            body={
                "apiVersion": EVENTS.api_version,
                "kind": "Event",
                "metadata": {"generateName": f"{LEASE_NAME}-", "namespace": self._namespace},
                "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                "type": "Warning",
                "reason": reason,
                "action": "Watch",
                "note": note[:_NOTE_MOST],
                "reportingController": "peergate.dev",
                "reportingInstance": self._identity[:128],
                "regarding": {
                    "apiVersion": LEASES.api_version,
                    "kind": "Lease",
                    "namespace": self._namespace,
                    "name": LEASE_NAME,
                },
            },
        )
        if isinstance(answer, Miss):
            raise Unavailable("an Event was not posted", context=answer.name)
