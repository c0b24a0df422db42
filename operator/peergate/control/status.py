"""Conditions: what a status says about its object, changed only when it would say something else."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from peergate.cluster.caches import StatusSeen
from peergate.cluster.client import Client, Miss
from peergate.cluster.endpoints import Endpoint
from peergate.model.names import JsonObject
from peergate.model.wire import format_instant

__all__ = ["Finding", "conditions_of", "write_status"]

_log = logging.getLogger(__name__)

_MESSAGE_MOST: Final = 4096


@dataclass(frozen=True, slots=True)
class Finding:
    """One condition as it should be now."""

    type: str
    holds: bool
    reason: str
    """One word for programs."""
    message: str = ""
    """A sentence for people."""


def conditions_of(findings: Iterable[Finding], *, seen: StatusSeen, now: datetime) -> list[JsonObject]:
    """Return the conditions to write; ``lastTransitionTime`` moves only when a condition's status does."""
    before: dict[str, Any] = {
        condition.get("type"): condition for condition in seen.decoded().get("conditions") or []
    }
    return [
        {
            "type": finding.type,
            "status": (status := "True" if finding.holds else "False"),
            "reason": finding.reason,
            "message": finding.message[:_MESSAGE_MOST],
            "observedGeneration": seen.generation,
            "lastTransitionTime": (
                old["lastTransitionTime"]
                if (old := before.get(finding.type)) is not None and old.get("status") == status
                else format_instant(now)
            ),
        }
        for finding in findings
    ]


async def write_status(
    client: Client,
    endpoint: Endpoint,
    *,
    name: str,
    seen: StatusSeen,
    wanted: JsonObject,
) -> bool:
    """Write a status where it differs from what was seen; tell whether it was written.

    Members that ``wanted`` does not name are left alone. An object that went away meanwhile is no error.
    Errors: Unavailable.
    """
    live = seen.decoded()
    if all(live.get(member) == value for member, value in wanted.items()):
        return False
    answer = await client.patch(endpoint, name=name, subresource="status", body={"status": wanted})
    if isinstance(answer, Miss):
        _log.info("status of %s %s not written: %s", endpoint.resource, name, answer.name.lower())
        return False
    return True
