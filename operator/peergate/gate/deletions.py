"""Effects of an UPDATE by which an object, or what belongs to it, is deleted later by somebody else.

The garbage collector, the TTL controller, a StatefulSet or the node controller acts then, and no review of
theirs is ever refused (kubernetes-facts.md §2): the agent's own request is the one to judge.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from peergate.gate.findings import Entry, Finding, Situation
from peergate.gate.shape import mapping, sequence
from peergate.model.change import Effect

__all__ = [
    "ENTRIES",
    "deletes_claims",
    "drops_finalizer",
    "drops_history",
    "ends_by_itself",
    "evicts_pods",
    "foreign_owner",
    "frees_volume",
    "relabels_pod",
    "rolls_back",
]

_ROLLBACK: Final = "deprecated.deployment.rollback.to"
_LIFETIMES: Final = ("ttlSecondsAfterFinished", "activeDeadlineSeconds")
_HISTORY: Final = ("revisionHistoryLimit", "successfulJobsHistoryLimit", "failedJobsHistoryLimit")
_DELETING: Final = ("Delete", "Recycle")


def drops_finalizer(situation: Situation) -> Finding | None:
    """T12, T9: removing a finalizer completes a deletion, or skips the clean-up it waits for."""
    dropped = set(situation.old_strings("finalizers")) - set(situation.new_strings("finalizers"))
    return Finding(Effect.DELETE, note="drops finalizers") if dropped else None


def foreign_owner(situation: Situation) -> Finding | None:
    """T5: an owner that is missing, or goes, takes the object along through the garbage collector."""
    old = sequence(situation.old_metadata.get("ownerReferences"))
    new = sequence(situation.new_metadata.get("ownerReferences"))
    added = [reference for reference in new if reference not in old]
    return Finding(Effect.DELETE, note="foreign owner") if added else None


def ends_by_itself(situation: Situation) -> Finding | None:
    """T10: a Job, a Pod or a sandbox that gets less time ends without a request (U9, DO11)."""
    old, new = _specs(situation)
    sooner = any(_is_less(new.get(member), old.get(member)) for member in _LIFETIMES)
    shut_down = new.get("shutdownTime") is not None and new.get("shutdownTime") != old.get("shutdownTime")
    return Finding(Effect.DELETE, note="ends by itself") if sooner or shut_down else None


def drops_history(situation: Situation) -> Finding | None:
    """T10: a history of none deletes the ReplicaSets to roll back to, and the Jobs that are over (U11)."""
    old, new = _specs(situation)
    emptied = any(new.get(member) == 0 != old.get(member) for member in _HISTORY)
    return Finding(Effect.DELETE, note="drops history") if emptied else None


def deletes_claims(situation: Situation) -> Finding | None:
    """T10: a StatefulSet whose claims go with it, or with its replicas, deletes data later (U8)."""
    old, new = (mapping(spec.get("persistentVolumeClaimRetentionPolicy")) for spec in _specs(situation))
    newly = any(new.get(when) == "Delete" != old.get(when) for when in ("whenDeleted", "whenScaled"))
    return Finding(Effect.DELETE, note="deletes claims") if newly else None


def frees_volume(situation: Situation) -> Finding | None:
    """T10: a volume that is to be deleted with its claim, or loses the claim it is bound to (U7)."""
    old, new = _specs(situation)
    member = "persistentVolumeReclaimPolicy"
    reclaims = new.get(member) in _DELETING and new.get(member) != old.get(member)
    unbinds = new.get("claimRef") != old.get("claimRef")
    return Finding(Effect.DELETE, note="frees the volume") if reclaims or unbinds else None


def rolls_back(situation: Situation) -> Finding | None:
    """T10: this annotation alone makes the controller put an old template back (AR18, U6)."""
    old, new = (
        mapping(metadata.get("annotations")).get(_ROLLBACK)
        for metadata in (situation.old_metadata, situation.new_metadata)
    )
    return Finding(Effect.DELETE, note="rollback") if new is not None and new != old else None


def evicts_pods(situation: Situation) -> Finding | None:
    """T10: a NoExecute taint makes the node controller delete every Pod that does not tolerate it (AR35)."""
    old, new = (list(_no_execute(spec.get("taints"))) for spec in _specs(situation))
    return Finding(Effect.DELETE, note="evicts pods") if any(taint not in old for taint in new) else None


def relabels_pod(situation: Situation) -> Finding | None:
    """T10: a Pod whose labels change may leave its controller, which replaces it, or meet another (U13)."""
    controlled = any(
        mapping(reference).get("controller") is True
        for reference in sequence(situation.old_metadata.get("ownerReferences"))
    )
    old, new = (
        mapping(metadata.get("labels")) for metadata in (situation.old_metadata, situation.new_metadata)
    )
    return Finding(Effect.DELETE, note="relabels a pod") if controlled and old != new else None


def _specs(situation: Situation) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    review = situation.review
    return mapping((review.old_object or {}).get("spec")), mapping((review.object or {}).get("spec"))


def _is_less(new: object, old: object) -> bool:
    """Tell whether a time limit is new or shorter; one that is no number counts as both."""
    if new is None or new == old:
        return False
    return not (type(new) is int and type(old) is int and new > old)


def _no_execute(taints: object) -> Iterable[tuple[object, object]]:
    for member in sequence(taints):
        taint = mapping(member)
        if taint.get("effect") == "NoExecute":
            yield taint.get("key"), taint.get("value")


ENTRIES: Final = (
    Entry(drops_finalizer, ("UPDATE",)),
    Entry(foreign_owner, ("UPDATE",)),
    Entry(ends_by_itself, ("UPDATE",), (("batch", "jobs"), ("", "pods"), ("agents.x-k8s.io", "sandboxes"))),
    Entry(
        drops_history,
        ("UPDATE",),
        (("apps", "deployments"), ("apps", "statefulsets"), ("apps", "daemonsets"), ("batch", "cronjobs")),
    ),
    Entry(deletes_claims, ("UPDATE",), (("apps", "statefulsets"),)),
    Entry(frees_volume, ("UPDATE",), (("", "persistentvolumes"),)),
    Entry(rolls_back, ("UPDATE",), (("apps", "deployments"), ("extensions", "deployments"))),
    Entry(evicts_pods, ("UPDATE",), (("", "nodes"),)),
    Entry(relabels_pod, ("UPDATE",), (("", "pods"),)),
)
