"""The same facts as on the screen, as JSON for reviewing agents and scripts.

Holds nothing that the requesting agent claimed: a reviewer judges effects, not rhetoric (experience.md §2.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from peergate.cli.consequences import Consequence
from peergate.cli.diff import Difference
from peergate.cli.issue import Issued
from peergate.cli.masking import Hidden
from peergate.cli.pending import Pending
from peergate.cli.screen import options_in_words, what_happens
from peergate.model.names import APPROVAL_SLOT_PREFIX, JsonObject
from peergate.model.wire import format_instant

__all__ = ["approval_document", "review_document"]


def review_document(
    pending: Pending,
    consequence: Consequence,
    found: Sequence[Difference],
) -> JsonObject:
    """Return what would be signed and what it does; keys are stable, Secret values hidden."""
    return {
        **_change(pending),
        "tier": consequence.tier.value,
        "sentence": what_happens(pending, consequence=consequence),
        "notes": [*consequence.notes, *options_in_words(pending)],
        "rules": [rule.name for rule in pending.match.enforced],
        "protected": pending.protected,
        "differences": [
            {
                "sign": one.sign.value,
                "path": one.shown_path,
                **({"old": _shown(one.old)} if one.sign.value != "+" else {}),
                **({"new": _shown(one.new)} if one.sign.value != "-" else {}),
            }
            for one in found
        ],
    }


def approval_document(pending: Pending, *, issued: Issued, slot: str, progress: str) -> JsonObject:
    """Return what was signed, by whom, until when, and the envelope."""
    predicate = issued.verified.statement.predicate
    return {
        **_change(pending),
        "approver": predicate.approver,
        "keyId": issued.verified.key.public.id,
        "payload": issued.verified.payload,
        "issuedAt": format_instant(predicate.issued_at),
        "expires": format_instant(predicate.expires),
        "annotation": APPROVAL_SLOT_PREFIX + slot,
        "progress": progress,
        "envelope": issued.value,
    }


def _change(pending: Pending) -> JsonObject:
    change = pending.change
    return {
        "change": pending.id,
        "digest": pending.digest,
        "audience": change.audience,
        "operation": change.operation,
        "object": {
            "group": change.object.group,
            "version": change.object.version,
            "resource": change.object.resource,
            "subresource": change.object.subresource,
            "namespace": change.object.namespace,
            "name": change.object.name,
            "uid": change.object.uid,
        },
        "requester": {
            "username": change.requester.username,
            "uid": change.requester.uid,
            "owner": pending.asker.owner,
        },
        "projection": change.projection,
        "from": change.from_,
        **({} if change.to is None else {"to": change.to}),
        "options": dict(change.options),
    }


def _shown(value: Any) -> Any:
    """Return the value for JSON, what is hidden in it as its length only."""
    if isinstance(value, Hidden):
        return {"hidden": True, "bytes": value.size}
    if isinstance(value, dict):
        return {key: _shown(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shown(item) for item in value]
    return value
