"""What a request would really do: one table, each entry a small function.

An entry looks at one request of an agent and answers with a ``Finding`` or ``None`` ("not my business"). All
entries are asked; the gravest answer wins, and where none answers the operation's own meaning counts
(``_default``): what nobody recognises denies an agent. Entries need nothing but the review and, for who is
whose agent, the snapshot.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from peergate.approval.projection import unchanged
from peergate.gate import identities, own
from peergate.gate.findings import Finding, Situation, gravest
from peergate.gate.shape import mapping
from peergate.model.change import Effect
from peergate.model.review import Gate

__all__ = ["ENTRIES", "finding_for"]


def drops_finalizer(situation: Situation) -> Finding | None:
    """T12: removing a finalizer completes a deletion, or skips the clean-up it waits for."""
    if situation.review.operation != "UPDATE":
        return None
    dropped = set(situation.old_strings("finalizers")) - set(situation.new_strings("finalizers"))
    return Finding(Effect.DELETE, note="drops finalizers") if dropped else None


def foreign_owner(situation: Situation) -> Finding | None:
    """T5: an owner that is missing, or goes, takes the object along through the garbage collector."""
    if situation.review.operation != "UPDATE":
        return None
    old = situation.old_metadata.get("ownerReferences") or []
    new = situation.new_metadata.get("ownerReferences") or []
    added = [reference for reference in new if reference not in old]
    return Finding(Effect.DELETE, note="foreign owner") if added else None


_SCALABLE: Final = frozenset({"deployments", "statefulsets", "replicasets", "replicationcontrollers"})


def scale_to_zero(situation: Situation) -> Finding | None:
    """T10: no replicas is a deletion of every Pod; in a Scale a missing value is zero (AR16)."""
    review = situation.review
    if review.operation != "UPDATE" or review.object is None or review.old_object is None:
        return None
    if review.subresource == "scale":
        missing = 0
    elif review.subresource == "" and review.resource.resource in _SCALABLE:
        missing = 1
    else:
        return None
    old, new = (
        mapping(document.get("spec")).get("replicas", missing)
        for document in (review.old_object, review.object)
    )
    return Finding(Effect.DELETE, note="scale to 0") if new == 0 and old != 0 else None


def empties_data(situation: Situation) -> Finding | None:
    """T11: a ConfigMap or Secret without its data is as good as gone."""
    review = situation.review
    if (
        review.operation != "UPDATE"
        or review.resource.group
        or review.resource.resource not in {"configmaps", "secrets"}
    ):
        return None
    old, new = review.old_object or {}, review.object or {}
    for member in ("data", "binaryData"):
        if old.get(member) and not new.get(member):
            return Finding(Effect.REPLACE, note="empties data")
    return None


def harmless_update(situation: Situation) -> Finding | None:
    """Approval-format.md §1.4: neither desired state nor status changes, so approvals can be attached."""
    review = situation.review
    if review.operation != "UPDATE" or review.old_object is None or review.object is None:
        return None
    if unchanged(review.old_object, review.object, kind=review.kind):
        return Finding(Effect.HARMLESS)
    return None


def opaque_connection(situation: Situation) -> Finding | None:
    """T14: what happens inside exec, attach, portforward or proxy is invisible; no v1 approval admits it."""
    if situation.review.operation != "CONNECT":
        return None
    return Finding(Effect.FORBIDDEN, why="would open a connection whose content no review can show")


def unknown_creation(situation: Situation) -> Finding | None:
    """Refuse a CREATE on a subresource (eviction, binding, ...): none has a binding here (V1)."""
    review = situation.review
    if review.operation != "CREATE" or not review.subresource or identities.is_token_request(review):
        return None
    return Finding(Effect.FORBIDDEN, why=f"uses {situation.resource_text}, which no approval covers")


ENTRIES: Final[tuple[Callable[[Situation], Finding | None], ...]] = (
    own.operators_namespace,
    own.peergate_resources,
    own.namespace_tags,
    own.agents_namespace_deletion,
    identities.account_changes,
    identities.tokens,
    identities.token_secrets,
    identities.role_bindings,
    identities.workload_account,
    identities.certificates,
    identities.debug_containers,
    opaque_connection,
    unknown_creation,
    drops_finalizer,
    foreign_owner,
    scale_to_zero,
    empties_data,
    harmless_update,
)
"""The table. Order does not matter: the gravest finding wins, ties go to the first."""


def finding_for(situation: Situation) -> Finding:
    """Return what the request would do. Never raises for a review that has its objects."""
    findings = [finding for entry in ENTRIES if (finding := entry(situation)) is not None]
    found = gravest(findings) if findings else _default(situation)
    if situation.review.gate is Gate.IDENTITY and found.effect is not Effect.FORBIDDEN:
        # Outside protected namespaces only becoming somebody else matters, and no entry saw that.
        return Finding(Effect.HARMLESS)
    return found


def _default(situation: Situation) -> Finding:
    """Return what the operation means by itself."""
    match situation.review.operation:
        case "DELETE":
            note = "one of a collection" if situation.review.is_collection_item else ""
            return Finding(Effect.DELETE, note=note)
        case "UPDATE":
            return Finding(Effect.REPLACE)
        case "CREATE":
            return Finding(Effect.HARMLESS)
        case _:
            return Finding(Effect.FORBIDDEN, why="is an operation that is not known")
