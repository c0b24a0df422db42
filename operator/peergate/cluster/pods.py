"""Live look-ups of the Pods that evictions and connections are about (approval-format.md V4).

Never cached and never shared: what is decided must hold for the Pod as it is. Anybody who reaches the
webhook's port can name Pods at will (kubernetes-facts.md T25), so all look-ups together are bounded.
"""

from __future__ import annotations

import asyncio
from typing import Final

from peergate.cluster.client import Client
from peergate.cluster.endpoints import PODS
from peergate.errors import Unavailable
from peergate.model.names import JsonObject

__all__ = ["PodFinder"]

_DEADLINE_SECONDS: Final = 2.0
"""Waiting included; well below the webhook's own deadline."""
_AT_ONCE: Final = 8
_WAITING_MOST: Final = 64


class PodFinder:
    """Asks the API server for single Pods."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    async def find(self, namespace: str, name: str) -> JsonObject | None:
        """Return the live Pod, ``None`` if there is none.

        Errors: Unavailable, within two seconds; also when too many look-ups are waiting already.
        """
        if self._waiting >= _WAITING_MOST:
            raise Unavailable("too many Pods are being looked up")
        self._waiting += 1
        try:
            async with asyncio.timeout(_DEADLINE_SECONDS), self._slots:
                return await self._client.get(
                    PODS, namespace=namespace, name=name, deadline=_DEADLINE_SECONDS
                )
        except TimeoutError as error:
            raise Unavailable("the Pod could not be looked up in time") from error
        finally:
            self._waiting -= 1
