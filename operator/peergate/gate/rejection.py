"""Who may reject a change: an enabled approver, in its own name, once (design.md §3)."""

from __future__ import annotations

from peergate.gate.shape import mapping
from peergate.gate.snapshot import Snapshot
from peergate.model.review import Review

__all__ = ["rejection_problem"]


def rejection_problem(review: Review, *, snapshot: Snapshot) -> str:
    """Return why this user may not write ``status.rejection`` of a ChangeRequest as it does; empty if it may.

    Unchanged is always fine. The operator ends requests, rejected ones too.
    """
    old = mapping(mapping((review.old_object or {}).get("status")).get("rejection"))
    new = mapping(mapping((review.object or {}).get("status")).get("rejection"))
    if old == new or review.user.username == snapshot.config.operator_username:
        return ""
    if old:
        return "a rejection is set once"
    identity = new.get("by")
    approver = snapshot.keyring.approvers.get(identity) if isinstance(identity, str) else None
    if approver is None or approver.disabled:
        return "status.rejection.by is not an enabled Approver"
    if review.user.username not in approver.kubernetes_usernames:
        return "status.rejection.by is another approver than the user who writes it"
    requester = mapping(mapping((review.old_object or {}).get("spec")).get("requester"))
    if approver.class_ == "agent" and requester.get("owner", "") in {"", approver.owner}:
        return "an agent does not reject for its own owner's agents"
    return ""
