"""What the people who answer for a cluster should hear of: who may approve changed, a policy stopped working.

An Approver's key is what protects everything else, so every change of one is told (experience.md §3.6), by
whoever it was made. Told once for each generation, by the leader, and again only if it fell before the status
was written.
"""

from __future__ import annotations

from typing import Any, Final

from peergate.cluster.caches import ApproverRecord, PolicyRecord
from peergate.cluster.endpoints import APPROVERS, POLICIES
from peergate.control.events import Happening
from peergate.model.names import JsonObject

__all__ = ["approver_news", "approver_removed", "policy_news"]

_PEOPLE: Final = "approvers and policies"
"""Counted apart: what agents cause in numbers must not keep this from being told."""
_KEYS_MOST: Final = 8
"""Fingerprints that a note names; the rest is a number."""


def approver_news(name: str, record: ApproverRecord, wanted: JsonObject) -> Happening | None:
    """Return that an Approver was registered or changed; ``None`` if its status has told of it already."""
    before = _condition(record.status.decoded(), "Ready")
    if before is not None and before.get("observedGeneration") == record.status.generation:
        return None
    ready = _condition(wanted, "Ready") or {}
    verb = "was registered" if before is None else "changed"
    spec = record.spec
    owner = f"owner {spec.owner}" if spec is not None and spec.owner else "no owner"
    who = "it can't be read" if spec is None else f"{spec.identity}, {spec.class_}, {owner}"
    return Happening(
        reason="ApproverChanged",
        note=(
            f"Approver {name} {verb}: {who}; {_keys(wanted['fingerprints'])}."
            f" {ready.get('reason')}. {ready.get('message', '')}".rstrip()
            + "\nWho may approve is who protects: look at the audit log for who did it, unless you know."
        ),
        target=_reference(APPROVERS.api_version, "Approver", name),
        requester=_PEOPLE,
        occasion=str(record.status.generation),
    )


def approver_removed(name: str) -> Happening:
    """Return that an Approver is gone, and what it signed with it."""
    return Happening(
        reason="ApproverChanged",
        note=(
            f"Approver {name} was removed: nothing that it signed counts any more."
            "\nLook at the audit log for who did it, unless you know."
        ),
        target=_reference(APPROVERS.api_version, "Approver", name),
        requester=_PEOPLE,
        occasion="removed",
    )


def policy_news(name: str, record: PolicyRecord, wanted: JsonObject) -> Happening | None:
    """Return that a ProtectionPolicy is not ready; ``None`` while it is, or if its status said so already."""
    before, ready = _condition(record.status.decoded(), "Ready"), _condition(wanted, "Ready")
    if ready is None or ready["status"] == "True":
        return None
    if before is not None and all(before.get(member) == ready[member] for member in ("status", "message")):
        return None
    return Happening(
        reason="PolicyNotReady",
        note=f"ProtectionPolicy {name} is not ready: {ready['reason']}. {ready['message']}".strip(),
        target=_reference(POLICIES.api_version, "ProtectionPolicy", name),
        requester=_PEOPLE,
        occasion=str(record.status.generation),
    )


def _keys(fingerprints: list[str]) -> str:
    if not fingerprints:
        return "no key that can be used"
    more = len(fingerprints) - _KEYS_MOST
    return f"keys {', '.join(fingerprints[:_KEYS_MOST])}" + (f" and {more} more" if more > 0 else "")


def _condition(status: JsonObject, kind: str) -> dict[str, Any] | None:
    return next((one for one in status.get("conditions") or [] if one.get("type") == kind), None)


def _reference(api_version: str, kind: str, name: str) -> JsonObject:
    return {"apiVersion": api_version, "kind": kind, "name": name}
