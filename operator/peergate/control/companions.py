"""Whether the companion policies stand as the settings have them; the chart writes them, this reads."""

from __future__ import annotations

from typing import Final

from peergate.cluster.client import Client
from peergate.cluster.endpoints import POLICY_BINDINGS, VALIDATING_POLICIES
from peergate.model.names import JsonObject
from peergate.settings import Settings
from peergate.shipped.companions import companion_policies
from peergate.shipped.standing import Standing, compare_companions

__all__ = ["CompanionLook"]

_MOST: Final = 2_000
"""Policies and bindings read; a cluster has few."""


class CompanionLook:
    """Looks at ValidatingAdmissionPolicies and their bindings."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        self._expected = companion_policies(settings)

    async def stand(self) -> bool | None:
        """Return whether all are there, unchanged and bound; ``None`` where these settings have none.

        Errors: Unavailable.
        """
        if not self._expected:
            return None
        live: list[JsonObject] = []
        for endpoint in (VALIDATING_POLICIES, POLICY_BINDINGS):
            async for items, _ in self._client.list_pages(endpoint):
                live += items
                if len(live) >= _MOST:
                    break
        found = compare_companions(self._expected, live=live)
        return all(one.standing is Standing.BOUND for one in found)
