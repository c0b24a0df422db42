"""Whether a live webhook configuration is the one that was shipped (experience.md §3.2, §3.5)."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from peergate.model.names import JsonObject
from peergate.shipped.webhookconfig import AGENTS_CONDITION

__all__ = ["Difference", "checks_of", "differences"]


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
        _shipped_conditions(entry),
    )


def _shipped_conditions(entry: Mapping[str, Any]) -> list[object]:
    return [
        condition
        for condition in entry.get("matchConditions") or []
        if condition.get("name") != AGENTS_CONDITION
    ]


@dataclass(frozen=True, slots=True)
class Difference:
    """One member of one entry that is not as shipped."""

    entry: str
    member: str
    """``absent`` where there is no such entry, ``foreign`` where it is somebody else's; else the field."""


_MEMBERS: Final[Mapping[str, Callable[[Mapping[str, Any]], object]]] = {
    "service": lambda entry: _client(entry).get("service"),
    "path": _path,
    "rules": lambda entry: entry.get("rules"),
    "namespaceSelector": lambda entry: entry.get("namespaceSelector") or {},
    "objectSelector": lambda entry: entry.get("objectSelector") or {},
    "matchPolicy": lambda entry: entry.get("matchPolicy"),
    "matchConditions": _shipped_conditions,
    "failurePolicy": lambda entry: entry.get("failurePolicy"),
    "sideEffects": lambda entry: entry.get("sideEffects"),
    "timeoutSeconds": lambda entry: entry.get("timeoutSeconds"),
}


def differences(live: JsonObject, *, expected: JsonObject) -> tuple[Difference, ...]:
    """Return what of a live configuration is not as shipped, in the order of the shipped entries.

    Neither the CA bundle nor the condition ``agents`` is looked at; both are the operator's. Where an entry
    is reached by an address, there is no Service to compare.
    """
    entries = {str(entry.get("name")): entry for entry in live.get("webhooks") or []}
    wanted = {str(entry["name"]): entry for entry in expected["webhooks"]}
    found = []
    for name, entry in wanted.items():
        if name not in entries:
            found.append(Difference(name, "absent"))
            continue
        by_address = "url" in _client(entries[name])
        found += [
            Difference(name, member)
            for member, of in _MEMBERS.items()
            if of(entry) != of(entries[name]) and not (member == "service" and by_address)
        ]
    return (*found, *(Difference(name, "foreign") for name in entries if name not in wanted))
