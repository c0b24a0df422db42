"""Creations that do harm by existing (design.md §4): closed in protected namespaces, for a policy to open.

A CREATE has no binding, so no approval admits one (V1): a policy's ``allowCreate`` names the kinds that
agents may create. Only what the object itself shows is judged: whether a selector really finds orphans of
somebody else would take a view of the whole cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from peergate.gate.findings import Entry, Finding, Situation
from peergate.gate.podspecs import pod_specs
from peergate.gate.shape import mapping, sequence, text
from peergate.model.change import Effect
from peergate.model.review import Gate

__all__ = [
    "ENTRIES",
    "adopting_job",
    "device_taint",
    "displacing_pod",
    "ending_volume",
    "harmful_kind",
    "other_binding",
    "reaching_workload",
    "unknown_creation",
]

_MAY_BE_OPENED: Final = "a policy may open this kind to agents (allowCreate); else a person creates it."
_SCALES: Final = "would create something that scales a workload"
_CUTS_OFF: Final = "would create something that limits or cuts off others in its namespace"
_ADOPTS: Final = "would create something that adopts, and so deletes, the Pods of others"
_DISPLACES: Final = "would create a Pod that a workload keeps in place of one of its own"
_WORKLOADS_LABELS: Final = frozenset(
    {"pod-template-hash", "controller-uid", "batch.kubernetes.io/controller-uid"}
)
"""By which a Deployment's ReplicaSets, and Jobs, know their Pods: nobody writes one by hand."""
_COST_ANNOTATION: Final = "controller.kubernetes.io/pod-deletion-cost"
_DELETES: Final = "would create something that has others delete"
_HARMFUL: Final = {
    ("autoscaling", "horizontalpodautoscalers"): _SCALES,
    ("keda.sh", "scaledobjects"): _SCALES,
    ("networking.k8s.io", "networkpolicies"): _CUTS_OFF,
    ("", "resourcequotas"): _CUTS_OFF,
    ("", "limitranges"): _CUTS_OFF,
    ("", "endpoints"): _CUTS_OFF,
    ("discovery.k8s.io", "endpointslices"): _CUTS_OFF,
    ("apps", "replicasets"): _ADOPTS,
    ("", "replicationcontrollers"): _ADOPTS,
    ("velero.io", "deletebackuprequests"): _DELETES,
}
"""Also with an owner: what a ReplicaSet says of its controller is the agent's own word."""
_DELETING: Final = frozenset({"Delete", "Recycle"})
"""Policies of a volume, or of a snapshot's content, that has its storage deleted or emptied."""
_HOST_NAMESPACES: Final = ("hostNetwork", "hostPID", "hostIPC")
_CONTAINERS: Final = ("containers", "initContainers", "ephemeralContainers")


def harmful_kind(situation: Situation) -> Finding | None:
    """T10, DO12, T24: an autoscaler, a quota, a network policy, an adopter does harm by being there."""
    review = situation.review
    if review.gate is not Gate.NAMESPACED or review.subresource:
        return None
    why = _HARMFUL[review.resource.group, review.resource.resource]
    return Finding(Effect.FORBIDDEN, why=why, allowed=_MAY_BE_OPENED, closed=True)


def reaching_workload(situation: Situation) -> Finding | None:
    """T20, DO15: a Pod with its node's files, namespaces or devices, or a claim, reaches others' data.

    A StatefulSet names its claims by its templates and takes those that are there already: its Pods mount
    them, and with its retention policy they become its own, and go with it.
    """
    review = situation.review
    document = review.object or {}
    if review.gate is not Gate.NAMESPACED or not (
        mapping(document.get("spec")).get("volumeClaimTemplates")
        or any(_reaches(spec) for spec in pod_specs(document))
    ):
        return None
    return Finding(
        Effect.FORBIDDEN,
        why="would run a workload with access to its node or to a volume claim",
        allowed=_MAY_BE_OPENED,
        closed=True,
    )


def device_taint(situation: Situation) -> Finding | None:
    """T10: a DeviceTaintRule has a controller delete every Pod that uses the devices it selects."""
    if situation.review.subresource:
        return None
    return Finding(Effect.FORBIDDEN, why=_DELETES, allowed="a person creates it.")


def adopting_job(situation: Situation) -> Finding | None:
    """T10: a Job that chooses its selector itself adopts Pods that nobody owns, and ends them."""
    review = situation.review
    spec = mapping((review.object or {}).get("spec"))
    if review.gate is not Gate.NAMESPACED or review.subresource or not spec.get("manualSelector"):
        return None
    return Finding(Effect.FORBIDDEN, why=_ADOPTS, allowed=_MAY_BE_OPENED, closed=True)


def displacing_pod(situation: Situation) -> Finding | None:
    """T10: a workload adopts a Pod that looks like its own, and ends one that it holds dear less.

    The Pods of Deployments and Jobs carry labels that nobody else needs; an annotation says which of them go
    first.
    """
    review = situation.review
    metadata = situation.new_metadata
    marked = not _WORKLOADS_LABELS.isdisjoint(mapping(metadata.get("labels"))) or _COST_ANNOTATION in mapping(
        metadata.get("annotations")
    )
    if review.gate is not Gate.NAMESPACED or review.subresource or not marked:
        return None
    return Finding(Effect.FORBIDDEN, why=_DISPLACES, allowed=_MAY_BE_OPENED, closed=True)


def ending_volume(situation: Situation) -> Finding | None:
    """T10, DO11: an object that stands for storage which is there already, and deletes it at its own end.

    Its claim may be in an open namespace, where an agent ends it, and so the storage, without a review.
    """
    spec = mapping((situation.review.object or {}).get("spec"))
    if not _DELETING.intersection(
        text(spec.get(member)) for member in ("persistentVolumeReclaimPolicy", "deletionPolicy")
    ):
        return None
    return Finding(
        Effect.FORBIDDEN,
        why="would create an object that deletes storage when it is released",
        allowed="the same with the policy Retain, or a claim that has storage made for it.",
    )


def unknown_creation(situation: Situation) -> Finding | None:
    """Refuse a CREATE on a subresource (a binding, ...): none but an eviction has one of ours (V1)."""
    review = situation.review
    if not review.subresource or situation.is_eviction or _is_token_request(situation):
        return None
    return Finding(Effect.FORBIDDEN, why=f"uses {situation.resource_text}, which no approval covers")


def other_binding(situation: Situation) -> Finding | None:
    """T14: a Binding sends a waiting Pod to a node, as ``pods/binding`` does by its own name."""
    return Finding(Effect.FORBIDDEN, why=f"uses {situation.resource_text}, which no approval covers")


def _is_token_request(situation: Situation) -> bool:
    """Tell whether this asks for a token of a ServiceAccount (AR30), which ``identities`` judges."""
    return situation.resource_text == "serviceaccounts/token" and not situation.review.resource.group


def _reaches(spec: Mapping[str, Any]) -> bool:
    volumes = (mapping(volume) for volume in sequence(spec.get("volumes")))
    return (
        any(spec.get(member) is True for member in _HOST_NAMESPACES)
        or any("hostPath" in volume or "persistentVolumeClaim" in volume for volume in volumes)
        or _is_privileged(mapping(spec.get("securityContext")))
        or any(
            _is_privileged(mapping(mapping(container).get("securityContext")))
            for member in _CONTAINERS
            for container in sequence(spec.get(member))
        )
    )


def _is_privileged(context: Mapping[str, Any]) -> bool:
    """Tell whether a security context gives the node: on Windows that is a host process."""
    return (
        context.get("privileged") is True or mapping(context.get("windowsOptions")).get("hostProcess") is True
    )


ENTRIES: Final = (
    Entry(harmful_kind, ("CREATE",), tuple(_HARMFUL)),
    Entry(device_taint, ("CREATE",), (("resource.k8s.io", "devicetaintrules"),)),
    Entry(adopting_job, ("CREATE",), (("batch", "jobs"),)),
    Entry(displacing_pod, ("CREATE",), (("", "pods"),)),
    Entry(reaching_workload, ("CREATE",)),
    Entry(
        ending_volume,
        ("CREATE",),
        (
            ("", "persistentvolumes"),
            ("snapshot.storage.k8s.io", "volumesnapshotcontents"),
            ("groupsnapshot.storage.k8s.io", "volumegroupsnapshotcontents"),
        ),
    ),
    Entry(unknown_creation, ("CREATE",), everywhere=True),
    Entry(other_binding, ("CREATE",), (("", "bindings"),)),
)
