"""Say what a change does, whether it can be undone, and so how slow signing it must be (experience.md §2.3).

The tier is computed here from the objects, never taken from the agent. What is not known counts as
irreversible.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from peergate.cli.diff import Difference, Sign
from peergate.cli.kinds import STATELESS, WORKLOADS, comes_back
from peergate.cli.masking import LAST_APPLIED
from peergate.cli.surroundings import Surroundings, total_size
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
_FEW: Final = 5
"""Differences that are seen at a glance."""


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
    known = (group, kind) in STATELESS or (group, kind) == ("apps", "StatefulSet")
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
    notes = _delete_notes(live=live, cascade=cascade)
    owner = _controller(live)
    if key in _LOST:
        return Consequence(Tier.IRREVERSIBLE, _lost(_LOST[key], around=around), notes)
    if key in {("", "PersistentVolumeClaim"), ("", "PersistentVolume")}:
        return _volume_delete(around, notes=notes)
    if key == ("apps", "StatefulSet"):
        return _set_delete(live, around=around, cascade=cascade, notes=notes)
    taken = _taken_along(around) if cascade != "Orphan" else ""
    if taken:
        return Consequence(Tier.IRREVERSIBLE, taken, notes)
    if owner and key in STATELESS:
        return Consequence(Tier.DISRUPTIVE, f"its controller, {owner}, makes a new one", notes)
    if key not in STATELESS:
        return Consequence(
            Tier.IRREVERSIBLE, "what its controller tears down with it is not known here", notes
        )
    if kind.kind in WORKLOADS and cascade != "Orphan":
        return Consequence(Tier.DISRUPTIVE, f"stops {_pods(live)}; nothing recreates it", notes)
    return Consequence(Tier.DISRUPTIVE, "nothing recreates it", notes)


def _lost(words: str, *, around: Surroundings) -> str:
    """Return what is lost, counted where it could be counted."""
    volumes = ""
    if around.volumes:
        sizes = total_size([one.size for one in around.volumes if one.size])
        size = f", {sizes}" if sizes else ""
        volumes = f"; {plural(len(around.volumes), 'volume claim')}{size}, reclaim {_reclaim(around)}"
    if around.scope == "inside" and around.counts:
        kinds = plural(len(around.counts), "kind")
        return f"{_counted(around)} of {kinds} go too{volumes}"
    if around.scope == "instances":
        places = f" in {plural(len(around.places), 'namespace')}" if "" not in around.places else ""
        total = "no object of this kind exists" if not around.total and not around.missed else ""
        return total or f"{_counted(around)} of this kind{places} go too"
    return words


def _counted(around: Surroundings) -> str:
    more = " or more" if around.missed or around.unseen else ""
    return f"{around.total}{more} {'object' if around.total == 1 and not more else 'objects'}"


def _reclaim(around: Surroundings) -> str:
    found = sorted({one.reclaim or "unknown" for one in around.volumes}) or ["unknown"]
    return visible("/".join(found), limit=80)


def _taken_along(around: Surroundings) -> str:
    """Return what the object owns that no manifest and no controller brings back; empty if nothing."""
    grave = [(kind, count) for kind, count in around.counts.items() if not comes_back(kind)]
    if grave:
        shown = ", ".join(f"{count} {visible(kind, limit=80)}" for kind, count in grave[:4])
        return f"takes {shown} along, which it owns"
    # Whoever wants to hide what goes along may make more objects than anybody looks through.
    hidden = [visible(kind, limit=80) for kind in around.hidden if not comes_back(kind)]
    return f"may take {', '.join(hidden[:4])} along: too many to look through" if hidden else ""


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


def _delete_notes(*, live: JsonObject, cascade: str) -> tuple[str, ...]:
    notes: list[str] = []
    metadata = live.get("metadata") or {}
    if metadata.get("deletionTimestamp"):
        notes.append("It is being deleted already.")
    if metadata.get("finalizers"):
        names = ", ".join(visible(str(name), limit=80) for name in metadata["finalizers"])
        notes.append(f"Finalizers run first: {names}.")
    if cascade == "Orphan":
        notes.append("What it owns stays, without an owner.")
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
    goes = policy == "Delete" or "PersistentVolumeClaim" in around.counts
    if goes and (count or around.volumes_unseen):
        sizes = total_size([one.size for one in around.volumes if one.size])
        claims = plural(count, "volume claim") if count else "its volume claims"
        go = "goes" if count == 1 else "go"
        kept = all(one.reclaim == "Retain" for one in around.volumes) and not around.volumes_unseen
        shown = f" ({sizes})" if sizes else ""
        tail = f"{claims} {go} too{shown}, reclaim {_reclaim(around)}"
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
    if removed and len(found) > _FEW:
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
    if (kind.kind in WORKLOADS or kind.kind == "Scale") and second == "replicas":
        return _judge_replicas(one)
    if kind.kind in WORKLOADS and second == "template":
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
    # A Scale without a number has none (AR16).
    old = 0 if one.sign is Sign.ADDED else _count(one.old)
    new = 0 if one.sign is Sign.REMOVED else _count(one.new)
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
