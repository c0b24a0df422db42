"""Read the API server's audit log."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.harness.waiting import wait_until

__all__ = ["AuditEvent", "read_audit", "wait_for_audit"]


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One request, as the API server logged it at its end."""

    verb: str
    username: str
    resource: str
    """With its subresource, as in ``pods/eviction``; empty for a non-resource URL."""
    namespace: str
    name: str
    code: int
    annotations: Mapping[str, str]
    """Audit annotations, also those of webhooks (``<webhook name>/<key>``)."""
    raw: Mapping[str, Any]


def read_audit(log: Path) -> Iterator[AuditEvent]:
    """Yield the events in the order of the log; a line that is still being written is left out."""
    if not log.exists():
        return
    with log.open(encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n"):
                yield _event(json.loads(line))


def wait_for_audit(
    log: Path,
    *,
    wanted: Callable[[AuditEvent], bool],
    within: float = 10.0,
) -> AuditEvent:
    """Return the first event that is wanted, as soon as it is in the log.

    Errors:
        TimeoutError: it is not there after ``within`` seconds.
    """
    found: list[AuditEvent] = []

    def there() -> bool:
        found.extend(event for event in read_audit(log) if wanted(event))
        return bool(found)

    wait_until("such an event is in the audit log", there, within=within)
    return found[0]


def _event(raw: Mapping[str, Any]) -> AuditEvent:
    target = raw.get("objectRef", {})
    resource = target.get("resource", "")
    if target.get("subresource"):
        resource += "/" + target["subresource"]
    return AuditEvent(
        verb=raw.get("verb", ""),
        username=raw.get("user", {}).get("username", ""),
        resource=resource,
        namespace=target.get("namespace", ""),
        name=target.get("name", ""),
        code=raw.get("responseStatus", {}).get("code", 0),
        annotations=raw.get("annotations", {}),
        raw=raw,
    )
