"""The same facts as on the screen, as JSON for reviewing agents and scripts.

Holds nothing that the requesting agent claimed: a reviewer judges effects, not rhetoric (experience.md §2.1).
"""

from __future__ import annotations

from typing import Any

from peergate.approval.change import change_members
from peergate.cli.dossier import Dossier, FiledPart
from peergate.cli.issue import Issued
from peergate.cli.masking import Hidden, NotFiled
from peergate.cli.pending import Pending
from peergate.cli.screen import options_in_words, what_happens
from peergate.cli.surroundings import Surroundings
from peergate.cli.undo import undo_of
from peergate.cli.variants import variants_of
from peergate.model.names import JsonObject
from peergate.model.wire import format_instant

__all__ = ["approval_document", "review_document"]


def review_document(dossier: Dossier, *, with_claim: bool = False) -> JsonObject:
    """Return what would be signed and what it does; keys are stable, Secret values hidden.

    What the agent says it wants it for is left out unless it is asked for.
    """
    reviewed, part = dossier.reviewed, dossier.filed
    pending, consequence = reviewed.pending, reviewed.consequence
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
            for one in reviewed.found
        ],
        "blastRadius": _blast(reviewed.around),
        "undo": list(undo_of(pending, found=reviewed.found, around=reviewed.around, now=dossier.now)),
        "saferVariants": [
            {"words": one.words, "command": one.command}
            for one in variants_of(pending, consequence=consequence, around=reviewed.around)
        ],
        "approvals": {
            "progress": dossier.standing.progress,
            "complete": dossier.standing.complete,
            "missing": dossier.standing.missing,
            "approvers": list(dossier.standing.identities),
            "notCounted": list(dossier.standing.not_counted),
        },
        "you": _you(dossier),
        "display": reviewed.display,
        **({} if part is None else {"request": _request(part, with_claim=with_claim)}),
    }


def _blast(around: Surroundings) -> JsonObject:
    return {
        **around.document,
        "namespaces": dict(around.places),
        "idleServices": list(around.idle),
        "loadBalancers": list(around.balancers),
        "disruptionBudgets": list(around.budgets),
        "autoscalers": list(around.scalers),
        "managers": list(around.managers),
        "snapshots": [
            {
                "name": one.name,
                "claim": one.claim,
                "taken": format_instant(one.taken),
                "inside": one.inside,
            }
            for one in around.snapshots
        ],
        "partial": list(around.partial),
    }


def _you(dossier: Dossier) -> JsonObject | None:
    me = dossier.me
    if me is None:
        return None
    return {
        "username": me.username,
        "approver": None if me.approver is None else me.approver.identity,
        "mayNot": dossier.may_not,
    }


def _request(part: FiledPart, *, with_claim: bool) -> JsonObject:
    filed, rejection = part.filed, part.filed.status.rejection
    document: JsonObject = {
        "namespace": filed.namespace,
        "name": filed.name,
        "state": part.state,
        "filedAt": format_instant(filed.spec.filed_at),
        "expires": format_instant(filed.spec.expires),
        "complete": part.whole,
        "agrees": not part.differs,
        "differs": list(part.differs),
        "writtenToSince": list(part.drift),
        "claimedPod": None
        if part.origin is None
        else {"name": part.origin.pod, "images": list(part.origin.images), "words": part.origin.words},
        "rejection": None
        if rejection is None
        else {
            "by": rejection.by,
            "reason": rejection.reason,
            "at": format_instant(rejection.at),
            "until": format_instant(rejection.until),
        },
        "history": {
            "attemptsLastHour": part.history.attempts,
            "requests": [
                {
                    "name": one.name,
                    "what": one.what,
                    "state": one.state,
                    "filedAt": format_instant(one.filed),
                }
                for one in part.history.past
            ],
            "rejections": [
                {"by": one.by, "reason": one.reason, "at": format_instant(one.at)}
                for one in part.history.refusals
            ],
            "partial": list(part.history.unseen),
        },
    }
    if with_claim:
        document["uncheckedClaim"] = {"reason": part.reason, "ticket": part.ticket}
    return document


def approval_document(pending: Pending, *, issued: Issued, annotation: str, progress: str) -> JsonObject:
    """Return what was signed, by whom, until when, and the envelope."""
    predicate = issued.verified.statement.predicate
    return {
        **_change(pending),
        "approver": predicate.approver,
        "keyId": issued.verified.key.public.id,
        "payload": issued.verified.payload,
        "issuedAt": format_instant(predicate.issued_at),
        "expires": format_instant(predicate.expires),
        "annotation": annotation,
        "progress": progress,
        "envelope": issued.value,
    }


def _change(pending: Pending) -> JsonObject:
    members = change_members(pending.change)
    members["requester"]["owner"] = pending.asker.owner
    return {"change": pending.id, "digest": pending.digest, **members}


def _shown(value: Any) -> Any:
    """Return the value for JSON, what is hidden in it as its length only."""
    if isinstance(value, Hidden):
        return {"hidden": True, "bytes": value.size}
    if isinstance(value, NotFiled):
        return {"hidden": True}
    if isinstance(value, dict):
        return {key: _shown(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shown(item) for item in value]
    return value
