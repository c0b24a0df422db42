"""Effects that leave a workload with nothing that runs (T10): each is a deletion of every Pod.

Where a bound falls to less than it was, but not to zero, the operation's own meaning stands: a Replace.
"""

from __future__ import annotations

from typing import Final

from peergate.gate.findings import Entry, Finding, Situation
from peergate.gate.shape import mapping
from peergate.model.change import Effect

__all__ = ["ENTRIES", "autoscaler_to_zero", "scale_to_zero", "suspends_work"]

_DEFAULTED: Final = frozenset({"deployments", "statefulsets", "replicasets", "replicationcontrollers"})
"""Where a missing number of replicas is 1; in a Scale it is 0 (AR16)."""
_PAUSED_AT: Final = "autoscaling.keda.sh/paused-replicas"


def scale_to_zero(situation: Situation) -> Finding | None:
    """T10: no replicas is a deletion of every Pod; in a Scale a missing value is zero (AR16)."""
    review = situation.review
    missing: int | None = None
    if review.subresource == "scale":
        missing = 0
    elif review.resource.resource in _DEFAULTED:
        missing = 1
    old, new = (
        mapping((document or {}).get("spec")).get("replicas", missing)
        for document in (review.old_object, review.object)
    )
    return Finding(Effect.DELETE, note="scale to 0") if new == 0 and old != 0 else None


def autoscaler_to_zero(situation: Situation) -> Finding | None:
    """T10: an autoscaler that may or must go to zero does what ``/scale`` would (U2, DO6).

    That is a bound that newly is 0 (of a HorizontalPodAutoscaler a missing minimum is 1, of KEDA 0), and
    KEDA's pause at zero replicas.
    """
    review = situation.review
    old, new = (mapping((document or {}).get("spec")) for document in (review.old_object, review.object))
    if review.resource.group == "autoscaling":
        bounds = (("minReplicas", 1), ("maxReplicas", 1))
    else:
        bounds = (("minReplicaCount", 0), ("maxReplicaCount", 100))
    if any(new.get(bound, usual) == 0 != old.get(bound, usual) for bound, usual in bounds):
        return Finding(Effect.DELETE, note="scale to 0")
    before, after = (
        mapping(metadata.get("annotations")).get(_PAUSED_AT)
        for metadata in (situation.old_metadata, situation.new_metadata)
    )
    return Finding(Effect.DELETE, note="scale to 0") if after == "0" != before else None


def suspends_work(situation: Situation) -> Finding | None:
    """T10: a Job that is suspended, or may run nothing in parallel, loses its Pods; a CronJob makes none."""
    review = situation.review
    old, new = (mapping((document or {}).get("spec")) for document in (review.old_object, review.object))
    suspended = new.get("suspend") is True is not old.get("suspend")
    idle = new.get("parallelism") == 0 != old.get("parallelism")
    return Finding(Effect.DELETE, note="suspends work") if suspended or idle else None


ENTRIES: Final = (
    Entry(scale_to_zero, ("UPDATE",)),
    Entry(
        autoscaler_to_zero,
        ("UPDATE",),
        (("autoscaling", "horizontalpodautoscalers"), ("keda.sh", "scaledobjects")),
    ),
    Entry(suspends_work, ("UPDATE",), (("batch", "jobs"), ("batch", "cronjobs"))),
)
