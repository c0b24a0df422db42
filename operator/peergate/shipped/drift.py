"""Whether a live webhook configuration is the one that was shipped (experience.md §3.2, §3.5)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from peergate.model.names import JsonObject
from peergate.shipped.webhookconfig import AGENTS_CONDITION

__all__ = ["checks_of"]


def checks_of(live: JsonObject, *, expected: JsonObject, ca_bundle: bytes | None) -> dict[str, bool]:
    """Return which parts of a live configuration are as shipped.

    Shape: ``present path rules ca failure_policy``; what was added to an entry is no fault, but a condition
    or an entry of somebody else is. ``ca`` is only compared where the bundle is ours.
    """
    entries = {entry.get("name"): entry for entry in live.get("webhooks") or []}
    pairs = [(entry, entries.get(entry["name"], {})) for entry in expected["webhooks"]]
    encoded = base64.b64encode(ca_bundle).decode("ascii") if ca_bundle is not None else None
    return {
        "present": entries.keys() == {entry["name"] for entry in expected["webhooks"]},
        "path": all(_path(wanted) == _path(found) for wanted, found in pairs),
        "rules": all(_reach(wanted) == _reach(found) for wanted, found in pairs),
        "ca": encoded is None
        or (bool(entries) and all(_client(entry).get("caBundle") == encoded for entry in entries.values())),
        "failure_policy": all(
            wanted.get("failurePolicy") == found.get("failurePolicy") for wanted, found in pairs
        ),
    }


def _client(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = entry.get("clientConfig") or {}
    return found


def _path(entry: Mapping[str, Any]) -> str:
    """Return the last two parts of where an entry leads, whether through a Service or an address."""
    client = _client(entry)
    path = str((client.get("service") or {}).get("path") or client.get("url") or "")
    return "/".join(path.split("/")[-2:])


def _reach(entry: Mapping[str, Any]) -> tuple[object, ...]:
    """Return what decides whom and what an entry sees."""
    return (
        entry.get("rules"),
        entry.get("namespaceSelector") or {},
        entry.get("objectSelector") or {},
        entry.get("matchPolicy"),
        [
            condition
            for condition in entry.get("matchConditions") or []
            if condition.get("name") != AGENTS_CONDITION
        ],
    )
