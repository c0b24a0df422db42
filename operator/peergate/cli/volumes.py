"""The volumes that go or stay with an object, what becomes of the data on them, and their last snapshots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from peergate.cli.kube import ApiError, Cluster, object_path
from peergate.cli.surroundings import Snapshot, Volume
from peergate.cli.text import visible
from peergate.cli.walk import MOST_OBJECTS, list_pages
from peergate.errors import CommandError
from peergate.gate.shape import mapping, sequence
from peergate.model.names import JsonObject

__all__ = ["claims_in", "claims_of_set", "snapshots_of", "volume_itself", "volumes_behind"]

_ONE_BY_ONE: Final = 8
"""Up to so many volumes are read singly; above that their list is read once."""
_SNAPSHOTS: Final = "/apis/snapshot.storage.k8s.io/v1/namespaces/{namespace}/volumesnapshots"


def claims_in(cluster: Cluster, *, namespace: str, unseen: list[str]) -> list[JsonObject]:
    """Return the claims of a namespace."""
    path = object_path(group="", version="v1", resource="persistentvolumeclaims", namespace=namespace)
    return list_pages(cluster, path, most=MOST_OBJECTS, unseen=unseen, what="persistentvolumeclaims")


def claims_of_set(live: JsonObject, claims: Iterable[JsonObject]) -> list[JsonObject]:
    """Return the claims that a StatefulSet's templates have made, by their names."""
    name = str(mapping(live.get("metadata")).get("name"))
    templates = sequence(mapping(live.get("spec")).get("volumeClaimTemplates"))
    prefixes = tuple(f"{mapping(mapping(one).get('metadata')).get('name', '')}-{name}-" for one in templates)
    return [
        claim
        for claim in claims
        if any(_ordinal(str(claim["metadata"]["name"]), prefix) for prefix in prefixes)
    ]


def volumes_behind(
    cluster: Cluster, claims: Sequence[JsonObject], *, unseen: list[str]
) -> tuple[Volume, ...]:
    """Return what is behind the claims; what can't be read goes to ``unseen``."""
    bound = {str(mapping(claim.get("spec")).get("volumeName") or "") for claim in claims} - {""}
    policies = _policies(cluster, bound, unseen=unseen)
    return tuple(_volume(claim, policies=policies) for claim in claims)


def volume_itself(live: JsonObject) -> Volume:
    """Return a PersistentVolume as one."""
    spec = mapping(live.get("spec"))
    return Volume(
        claim=str(mapping(spec.get("claimRef")).get("name", "")),
        size=str(mapping(spec.get("capacity")).get("storage", "")),
        reclaim=str(spec.get("persistentVolumeReclaimPolicy", "")),
    )


def snapshots_of(
    cluster: Cluster, *, namespace: str, claims: Iterable[str], inside: bool, unseen: list[str]
) -> tuple[Snapshot, ...]:
    """Return the last usable snapshot of each claim; none where the cluster has no snapshots."""
    wanted = set(claims)
    last: dict[str, Snapshot] = {}
    path = _SNAPSHOTS.format(namespace=namespace)
    for one in list_pages(cluster, path, most=MOST_OBJECTS, unseen=unseen, what="volumesnapshots"):
        claim = str(mapping(mapping(one.get("spec")).get("source")).get("persistentVolumeClaimName") or "")
        status = mapping(one.get("status"))
        taken = _instant(status.get("creationTime"))
        if claim not in wanted or taken is None or status.get("readyToUse") is not True:
            continue
        if claim not in last or last[claim].taken < taken:
            name = visible(str(mapping(one.get("metadata")).get("name")), limit=253)
            last[claim] = Snapshot(name=name, claim=visible(claim, limit=253), taken=taken, inside=inside)
    return tuple(last[claim] for claim in sorted(last))


def _instant(value: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def _ordinal(name: str, prefix: str) -> bool:
    return name.startswith(prefix) and name[len(prefix) :].isdigit()


def _policies(cluster: Cluster, names: set[str], *, unseen: list[str]) -> Mapping[str, str]:
    """Return the reclaim policy of each volume, by its name."""
    root = object_path(group="", version="v1", resource="persistentvolumes", namespace="")
    if len(names) > _ONE_BY_ONE:
        listed = list_pages(cluster, root, most=MOST_OBJECTS, unseen=unseen, what="persistentvolumes")
        return {str(one["metadata"]["name"]): volume_itself(one).reclaim for one in listed}
    policies: dict[str, str] = {}
    for name in sorted(names):
        path = object_path(group="", version="v1", resource="persistentvolumes", namespace="", name=name)
        try:
            policies[name] = volume_itself(cluster.get(path)).reclaim
        except (ApiError, CommandError):
            if "persistentvolumes" not in unseen:
                unseen.append("persistentvolumes")
    return policies


def _volume(claim: JsonObject, *, policies: Mapping[str, str]) -> Volume:
    spec, status = mapping(claim.get("spec")), mapping(claim.get("status"))
    asked = mapping(mapping(spec.get("resources")).get("requests")).get("storage", "")
    return Volume(
        claim=str(claim["metadata"]["name"]),
        size=str(mapping(status.get("capacity")).get("storage", asked)),
        reclaim=policies.get(str(spec.get("volumeName") or ""), ""),
    )
