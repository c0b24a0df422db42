"""Say what a change does, whether it can be undone, and so how slow signing it must be (experience.md §2.3).

The tier is computed here from the objects, never taken from the agent. What is not known counts as
irreversible.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from peergate.cli.diff import Difference, Sign
from peergate.cli.masking import LAST_APPLIED
from peergate.cli.surroundings import Surroundings
from peergate.cli.text import plural, visible
from peergate.model.names import JsonObject
from peergate.model.review import Kind

__all__ = ["Consequence", "Tier", "least_tier", "of_delete", "of_update"]


class Tier(StrEnum):
    """How much may be lost, and so how much friction there is."""

    REVERSIBLE = "reversible"
    DISRUPTIVE = "disruptive"
    IRREVERSIBLE = "irreversible"

    @property
    def words(self) -> str:
        """Return the words on the screen."""
        return {"reversible": "REVERSIBLE", "disruptive": "DISRUPTIVE"}.get(self.value, "NOT REVERSIBLE")


_RANK: Final = {Tier.REVERSIBLE: 0, Tier.DISRUPTIVE: 1, Tier.IRREVERSIBLE: 2}


@dataclass(frozen=True, slots=True)
class Consequence:
    """What comes of the change."""

    tier: Tier
    what: str
    """The last part of the headline: ``3 volume claims, reclaim Delete``."""
    notes: tuple[str, ...] = ()
    """More that an approver must know, each one sentence."""


_LOST: Final[dict[tuple[str, str], str]] = {
    ("", "Namespace"): "everything in it is deleted too",
    ("", "Secret"): "its values are gone; a copy is needed to restore it",
    ("apiextensions.k8s.io", "CustomResourceDefinition"): "every object of this kind is deleted too",
}
_STATELESS: Final = frozenset(
    {
        ("", "ConfigMap"),
        ("", "Endpoints"),
        ("", "Event"),
        ("", "LimitRange"),
        ("", "Node"),
        ("", "Pod"),
        ("", "PodTemplate"),
        ("", "ReplicationController"),
        ("", "ResourceQuota"),
        ("", "Service"),
        ("", "ServiceAccount"),
        ("apiregistration.k8s.io", "APIService"),
        ("apps", "ControllerRevision"),
        ("apps", "DaemonSet"),
        ("apps", "Deployment"),
        ("apps", "ReplicaSet"),
        ("autoscaling", "HorizontalPodAutoscaler"),
        ("batch", "CronJob"),
        ("batch", "Job"),
        ("coordination.k8s.io", "Lease"),
        ("discovery.k8s.io", "EndpointSlice"),
        ("events.k8s.io", "Event"),
        ("networking.k8s.io", "Ingress"),
        ("networking.k8s.io", "IngressClass"),
        ("networking.k8s.io", "NetworkPolicy"),
        ("policy", "PodDisruptionBudget"),
        ("rbac.authorization.k8s.io", "ClusterRole"),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
        ("rbac.authorization.k8s.io", "Role"),
        ("rbac.authorization.k8s.io", "RoleBinding"),
        ("scheduling.k8s.io", "PriorityClass"),
        ("storage.k8s.io", "StorageClass"),
    }
)
"""Kinds whose manifest is all there is to them: applying it again brings them back, with a new uid."""

_WORKLOADS: Final = frozenset(
    {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController"}
)


_STORES: Final = frozenset(
    {
        ("", "Namespace"),
        ("", "PersistentVolume"),
        ("", "PersistentVolumeClaim"),
        ("", "Secret"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
    }
)
"""Kinds that a change can cost data of."""


def least_tier(*, operation: str, effect: str, group: str, kind: str) -> Tier:
    """Return the tier as far as a list can tell it, from the kind alone; an empty kind is an unknown one."""
    if operation != "DELETE":
        if (group, kind) in _STORES:
            return Tier.IRREVERSIBLE
        return Tier.DISRUPTIVE if effect == "Delete" else Tier.REVERSIBLE
    known = (group, kind) in _STATELESS or (group, kind) == ("apps", "StatefulSet")
    return Tier.DISRUPTIVE if known else Tier.IRREVERSIBLE


def of_delete(
    *,
    kind: Kind,
    live: JsonObject,
    cascade: str,
    around: Surroundings,
) -> Consequence:
    """Return what deleting the object does.

    ``cascade`` is ``Background``, ``Foreground``, ``Orphan`` or empty.
    """
    key = (kind.group, kind.kind)
    notes = _delete_notes(live=live, cascade=cascade, around=around)
    owner = _controller(live)
    if key in _LOST:
        return Consequence(Tier.IRREVERSIBLE, _LOST[key], notes)
    if key in {("", "PersistentVolumeClaim"), ("", "PersistentVolume")}:
        return _volume_delete(around, notes=notes)
    if key == ("apps", "StatefulSet"):
        return _set_delete(live, around=around, cascade=cascade, notes=notes)
    if owner and key in _STATELESS:
        return Consequence(Tier.DISRUPTIVE, f"its controller, {owner}, makes a new one", notes)
    if key not in _STATELESS:
        return Consequence(
            Tier.IRREVERSIBLE, "what its controller tears down with it is not known here", notes
        )
    if kind.kind in _WORKLOADS and cascade != "Orphan":
        return Consequence(Tier.DISRUPTIVE, f"stops {_pods(live)}; nothing recreates it", notes)
    return Consequence(Tier.DISRUPTIVE, "nothing recreates it", notes)


def _pods(live: JsonObject) -> str:
    replicas = (live.get("spec") or {}).get("replicas")
    if not isinstance(replicas, int):
        return "all its pods"
    return plural(replicas, "pod") if replicas else "no pods"


def _controller(live: JsonObject) -> str:
    for owner in (live.get("metadata") or {}).get("ownerReferences") or ():
        if owner.get("controller") is True:
            return visible(f"{owner.get('kind', '')} {owner.get('name', '')}", limit=120)
    return ""


def _delete_notes(*, live: JsonObject, cascade: str, around: Surroundings) -> tuple[str, ...]:
    notes: list[str] = []
    metadata = live.get("metadata") or {}
    if metadata.get("deletionTimestamp"):
        notes.append("It is being deleted already.")
    if metadata.get("finalizers"):
        names = ", ".join(visible(str(name), limit=80) for name in metadata["finalizers"])
        notes.append(f"Finalizers run first: {names}.")
    if cascade == "Orphan":
        notes.append("What it owns stays, without an owner.")
    notes += [f"PARTIAL: may not read {name}; counted as the worst case." for name in around.unseen]
    return tuple(notes)


def _volume_delete(around: Surroundings, *, notes: tuple[str, ...]) -> Consequence:
    volume = around.volumes[0] if around.volumes else None
    size = f", {visible(volume.size, limit=40)}" if volume is not None and volume.size else ""
    if volume is not None and volume.reclaim == "Retain":
        return Consequence(Tier.DISRUPTIVE, f"the data stays on the volume{size}, reclaim Retain", notes)
    reclaim = volume.reclaim if volume is not None and volume.reclaim else "unknown"
    return Consequence(
        Tier.IRREVERSIBLE, f"the data is lost{size}, reclaim {visible(reclaim, limit=40)}", notes
    )


def _set_delete(
    live: JsonObject,
    *,
    around: Surroundings,
    cascade: str,
    notes: tuple[str, ...],
) -> Consequence:
    policy = ((live.get("spec") or {}).get("persistentVolumeClaimRetentionPolicy") or {}).get("whenDeleted")
    count = len(around.volumes)
    stops = "its pods stay" if cascade == "Orphan" else f"stops {_pods(live)}"
    if policy == "Delete" and (count or around.unseen):
        sizes = ", ".join(visible(one.size, limit=40) for one in around.volumes if one.size)
        reclaim = sorted({one.reclaim or "unknown" for one in around.volumes}) or ["unknown"]
        claims = plural(count, "volume claim") if count else "its volume claims"
        go = "goes" if count == 1 else "go"
        kept = all(one.reclaim == "Retain" for one in around.volumes) and not around.unseen
        shown = f" ({sizes})" if sizes else ""
        tail = f"{claims} {go} too{shown}, reclaim {visible('/'.join(reclaim), limit=80)}"
        return Consequence(Tier.DISRUPTIVE if kept else Tier.IRREVERSIBLE, f"{stops}; {tail}", notes)
    if count:
        return Consequence(
            Tier.DISRUPTIVE,
            f"{stops}; {plural(count, 'volume claim')} {'stays' if count == 1 else 'stay'}",
            notes,
        )
    return Consequence(Tier.DISRUPTIVE, f"{stops}; nothing recreates it", notes)


def of_update(
    *,
    kind: Kind,
    live: JsonObject,
    found: tuple[Difference, ...],
) -> Consequence:
    """Return what the differences do; the worst of them decides the tier."""
    judged = [_judge(kind, live=live, one=one) for one in found]
    tier = max((tier for tier, _ in judged), key=_RANK.__getitem__, default=Tier.REVERSIBLE)
    words = list(dict.fromkeys(text for one_tier, text in judged if one_tier is tier and text))
    rest = [text for one_tier, text in judged if one_tier is not tier and text]
    removed = sum(one.sign is Sign.REMOVED for one in found)
    notes = [f"Also: {text}." for text in dict.fromkeys(rest) if text not in words]
    if removed:
        notes.insert(0, f"Removes {plural(removed, 'member')}; see the lines with a minus.")
    if (live.get("metadata") or {}).get("deletionTimestamp"):
        notes.append("It is being deleted already.")
    return Consequence(tier, "; ".join(words) or "changes its configuration", tuple(notes))


def _judge(kind: Kind, *, live: JsonObject, one: Difference) -> tuple[Tier, str]:
    head, second = one.path[0], one.path[1] if len(one.path) > 1 else ""
    if head == "metadata":
        return _judge_metadata(live, one=one, second=second)
    if head == "status":
        return Tier.DISRUPTIVE, "rewrites its status, which controllers act on"
    if (kind.group, kind.kind) == ("", "Secret"):
        if one.sign is Sign.ADDED:
            return Tier.REVERSIBLE, "adds a Secret value"
        return Tier.IRREVERSIBLE, "the present Secret values are lost"
    if (kind.group, kind.kind) == ("", "ConfigMap") and head in {"data", "binaryData"}:
        gone = one.sign is Sign.REMOVED and not second
        return (Tier.DISRUPTIVE, "empties its data") if gone else (Tier.REVERSIBLE, "changes configuration")
    if kind.kind in {"CustomResourceDefinition", "PersistentVolume", "PersistentVolumeClaim", "Namespace"}:
        return Tier.IRREVERSIBLE, f"changes a {kind.kind}, which can cost stored data"
    if kind.kind in _WORKLOADS and second == "replicas":
        return _judge_replicas(one)
    if kind.kind in _WORKLOADS and second == "template":
        return Tier.DISRUPTIVE, "restarts its pods"
    return Tier.DISRUPTIVE, f"changes {visible(head, limit=60)}"


def _judge_metadata(live: JsonObject, *, one: Difference, second: str) -> tuple[Tier, str]:
    if second == "finalizers" and one.sign is not Sign.ADDED:
        if (live.get("metadata") or {}).get("deletionTimestamp"):
            return Tier.IRREVERSIBLE, "drops finalizers, which lets its deletion finish"
        return Tier.DISRUPTIVE, "drops finalizers"
    if second == "ownerReferences" and one.sign is not Sign.REMOVED:
        return Tier.IRREVERSIBLE, "gives it another owner, with which it can be garbage-collected"
    if second == "ownerReferences":
        return Tier.DISRUPTIVE, "takes its owner away"
    if LAST_APPLIED in one.path:
        return Tier.REVERSIBLE, ""
    return Tier.REVERSIBLE, f"changes {visible(second, limit=60)}"


def _judge_replicas(one: Difference) -> tuple[Tier, str]:
    old, new = _count(one.old), _count(one.new)
    if old is None or new is None:
        return Tier.DISRUPTIVE, "changes the number of its pods"
    if new == 0:
        return Tier.DISRUPTIVE, "scales to 0: stops all its pods"
    return (
        (Tier.REVERSIBLE, f"scales up from {old} to {new}")
        if new > old
        else (Tier.DISRUPTIVE, f"scales down from {old} to {new}")
    )


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
