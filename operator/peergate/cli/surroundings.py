"""Look up what goes with an object: volumes and what becomes of them (experience.md §2.1, blast radius).

What may not be read is named as such, and counts as the worst case.
"""

from __future__ import annotations

from dataclasses import dataclass

from peergate.cli.kube import ApiError, Cluster, object_path
from peergate.model.names import JsonObject
from peergate.model.review import Kind

__all__ = ["Surroundings", "Volume", "look_around"]


@dataclass(frozen=True, slots=True)
class Volume:
    """One claim and the volume behind it."""

    claim: str
    size: str
    """``120Gi`` as stated by claim or volume; empty if unknown."""
    reclaim: str
    """``Delete``, ``Retain``, ``Recycle``; empty if unknown."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What hangs on the object, as far as the approver may see."""

    volumes: tuple[Volume, ...] = ()
    unseen: tuple[str, ...] = ()
    """What could not be read, e.g. ``persistentvolumeclaims``."""


def look_around(cluster: Cluster, *, kind: Kind, live: JsonObject) -> Surroundings:
    """Return the volumes that belong to a StatefulSet, a claim or a volume; nothing for other kinds."""
    metadata = live.get("metadata") or {}
    namespace, name = metadata.get("namespace", ""), metadata.get("name", "")
    match (kind.group, kind.kind):
        case ("apps", "StatefulSet"):
            return _claims_of_set(cluster, live=live, namespace=namespace, name=name)
        case ("", "PersistentVolumeClaim"):
            unseen: list[str] = []
            volume = _volume(cluster, claim=live, unseen=unseen)
            return Surroundings(volumes=(volume,), unseen=tuple(unseen))
        case ("", "PersistentVolume"):
            spec = live.get("spec") or {}
            claimed = (spec.get("claimRef") or {}).get("name", "")
            size = (spec.get("capacity") or {}).get("storage", "")
            reclaim = spec.get("persistentVolumeReclaimPolicy", "")
            return Surroundings(volumes=(Volume(claim=claimed, size=str(size), reclaim=str(reclaim)),))
        case _:
            return Surroundings()


def _claims_of_set(cluster: Cluster, *, live: JsonObject, namespace: str, name: str) -> Surroundings:
    templates = (live.get("spec") or {}).get("volumeClaimTemplates") or []
    prefixes = tuple(f"{(one.get('metadata') or {}).get('name', '')}-{name}-" for one in templates)
    if not prefixes:
        return Surroundings()
    path = object_path(group="", version="v1", resource="persistentvolumeclaims", namespace=namespace)
    try:
        claims = cluster.get(path).get("items") or []
    except ApiError:
        return Surroundings(unseen=("persistentvolumeclaims",))
    unseen: list[str] = []
    volumes = [
        _volume(cluster, claim=claim, unseen=unseen)
        for claim in claims
        if any(_ordinal(claim["metadata"]["name"], prefix) for prefix in prefixes)
    ]
    return Surroundings(volumes=tuple(volumes), unseen=tuple(dict.fromkeys(unseen)))


def _ordinal(name: str, prefix: str) -> bool:
    return name.startswith(prefix) and name[len(prefix) :].isdigit()


def _volume(cluster: Cluster, *, claim: JsonObject, unseen: list[str]) -> Volume:
    spec, status = claim.get("spec") or {}, claim.get("status") or {}
    asked = ((spec.get("resources") or {}).get("requests") or {}).get("storage", "")
    size = (status.get("capacity") or {}).get("storage", asked)
    reclaim = ""
    bound = spec.get("volumeName", "")
    if bound:
        path = object_path(group="", version="v1", resource="persistentvolumes", namespace="", name=bound)
        try:
            volume = cluster.get(path)
            reclaim = str((volume.get("spec") or {}).get("persistentVolumeReclaimPolicy", ""))
        except ApiError:
            unseen.append("persistentvolumes")
    return Volume(claim=str(claim["metadata"]["name"]), size=str(size), reclaim=reclaim)
