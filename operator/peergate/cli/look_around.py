"""Gather what hangs on an object: what it owns, holds or stands for, who depends on it (experience.md §2.1).

Every look has a bound; what may not be read is named. Nothing here is signed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from peergate.cli.dependents import dependents_of
from peergate.cli.discovery import ApiResource, discover
from peergate.cli.kinds import comes_back
from peergate.cli.kube import Cluster, object_path
from peergate.cli.surroundings import Surroundings
from peergate.cli.targets import Target
from peergate.cli.traffic import Pods, autoscalers, balancers, budgets, idle_services, managers_of
from peergate.cli.volumes import claims_in, claims_of_set, snapshots_of, volume_itself, volumes_behind
from peergate.cli.walk import MOST_OBJECTS, Found, Listing, list_pages, look_through
from peergate.gate.shape import mapping
from peergate.model.names import JsonObject

__all__ = ["look_around"]

_PASSING: Final = frozenset({"componentstatuses", "endpoints", "events"})
"""They tell of other objects, and nobody misses them."""
_OWNS_PODS: Final = frozenset(
    {
        ("apps", "DaemonSet"),
        ("apps", "Deployment"),
        ("apps", "ReplicaSet"),
        ("apps", "StatefulSet"),
        ("batch", "CronJob"),
        ("batch", "Job"),
        ("", "ReplicationController"),
    }
)


def look_around(cluster: Cluster, *, target: Target, wanted: JsonObject | None) -> Surroundings:
    """Return what hangs on the target; ``wanted`` is what it would become, ``None`` for a deletion.

    Errors: CommandError when the cluster does not answer.
    """
    kind = target.resource.kind
    key = (kind.group, kind.kind)
    base = Surroundings(managers=managers_of(target.object))
    if key == ("", "PersistentVolume"):
        return replace(base, volumes=(volume_itself(target.object),))
    if key == ("", "Namespace") and wanted is None:
        return _inside(cluster, target=target, base=base)
    if key == ("apiextensions.k8s.io", "CustomResourceDefinition"):
        return _instances(cluster, target=target, base=base)
    if wanted is not None and key not in _OWNS_PODS:
        return base
    return _owned(cluster, target=target, wanted=wanted, base=base)


def _walkable(resources: Iterable[ApiResource], *, namespaced: bool) -> list[ApiResource]:
    """Return each resource once, at the version that the server prefers.

    What does not come back is looked at first: a flood of something else must not use up the bound.
    """
    chosen: dict[tuple[str, str], ApiResource] = {}
    for resource in resources:
        if resource.listable and resource.plural not in _PASSING and resource.namespaced >= namespaced:
            chosen.setdefault((resource.kind.group, resource.plural), resource)
    return sorted(chosen.values(), key=_gravity)


def _gravity(resource: ApiResource) -> int:
    kind = resource.kind.kind
    if kind == "PersistentVolumeClaim":
        return 0
    return 3 if comes_back(kind) else 2 if kind == "Secret" else 1


def _inside(cluster: Cluster, *, target: Target, base: Surroundings) -> Surroundings:
    namespace = target.name
    found = look_through(cluster, _walkable(discover(cluster), namespaced=True), namespace=namespace)
    unseen = [*found.unreadable]
    claims = claims_in(cluster, namespace=namespace, unseen=unseen)
    volumes = volumes_behind(cluster, claims, unseen=unseen)
    gone = frozenset(str(one.get("uid")) for listing in found.listings for one in listing.metadata)
    return replace(
        base,
        scope="inside",
        counts=_counts(found.listings),
        missed=found.missed,
        hidden=found.hidden,
        volumes=volumes,
        balancers=balancers(_services(cluster, namespace, unseen=unseen), gone=gone),
        snapshots=snapshots_of(
            cluster,
            namespace=namespace,
            claims=(one.claim for one in volumes),
            inside=True,
            unseen=unseen,
        ),
        unseen=_once(unseen),
    )


def _instances(cluster: Cluster, *, target: Target, base: Surroundings) -> Surroundings:
    spec = mapping(target.object.get("spec"))
    names = mapping(spec.get("names"))
    served = [
        resource
        for resource in discover(cluster)
        if (resource.kind.group, resource.plural) == (spec.get("group"), names.get("plural"))
    ]
    found = look_through(cluster, served[:1], namespace="")
    places: dict[str, int] = {}
    for listing in found.listings:
        for metadata in listing.metadata:
            place = str(metadata.get("namespace") or "")
            places[place] = places.get(place, 0) + 1
    return replace(
        base,
        scope="instances",
        counts=_counts(found.listings),
        places=dict(sorted(places.items(), key=lambda one: (-one[1], one[0]))),
        missed=found.missed,
        hidden=found.hidden,
        unseen=found.unreadable,
    )


def _owned(
    cluster: Cluster, *, target: Target, wanted: JsonObject | None, base: Surroundings
) -> Surroundings:
    kind, uid = target.resource.kind, str(target.object["metadata"]["uid"])
    key, namespace = (kind.group, kind.kind), target.namespace
    # Anything may be an owner: a ConfigMap that others name as theirs takes them along.
    resources = _walkable(discover(cluster), namespaced=bool(namespace))
    found = look_through(cluster, resources, namespace=namespace)
    unseen = [*found.unreadable]
    owned = dependents_of(uid, found=found)
    going = owned.uids | {uid} if wanted is None else owned.uids
    around = replace(
        base,
        scope="owned",
        counts=owned.counts,
        tree=owned.tree,
        kept=owned.kept,
        missed=found.missed,
        hidden=found.hidden,
    )
    if namespace and (key in _OWNS_PODS or "Pod" in owned.counts or key in {("", "Pod"), ("", "Service")}):
        stops = wanted is None or _is_stopped(target, wanted)
        around = _depending(
            cluster, target=target, found=found, going=going, around=around, stops=stops, unseen=unseen
        )
    if wanted is None:
        around = _with_volumes(cluster, target=target, going=going, around=around, unseen=unseen)
    return replace(around, unseen=_once(unseen))


def _is_stopped(target: Target, wanted: JsonObject) -> bool:
    """Tell whether no pod is left; in a Scale a missing number is zero (AR16)."""
    missing = 1 if target.whole is None else 0
    return bool(mapping(wanted.get("spec")).get("replicas", missing) == 0)


def _depending(
    cluster: Cluster,
    *,
    target: Target,
    found: Found,
    going: frozenset[str],
    around: Surroundings,
    stops: bool,
    unseen: list[str],
) -> Surroundings:
    """Return the surroundings with what depends on the pods that go."""
    namespace, kind = target.namespace, target.resource.kind
    pods = _pods(target, found=found, going=going)
    scaled = autoscalers(
        _list(cluster, "autoscaling", "v2", "horizontalpodautoscalers", namespace, unseen=unseen),
        named={(kind.kind, target.name)},
    )
    if not stops:
        return replace(around, scalers=scaled)
    services = _services(cluster, namespace, unseen=unseen)
    covered = _list(cluster, "policy", "v1", "poddisruptionbudgets", namespace, unseen=unseen)
    return replace(
        around,
        idle=idle_services(services, pods=pods, gone=going),
        balancers=balancers(services, gone=going),
        budgets=budgets(covered, pods=pods),
        scalers=scaled,
    )


def _pods(target: Target, *, found: Found, going: frozenset[str]) -> Pods:
    """Return the pods that go and those that stay; before any is there, what the template would make."""
    listed = [
        metadata
        for listing in found.listings
        if (listing.resource.kind.group, listing.resource.plural) == ("", "pods")
        for metadata in listing.metadata
    ]
    gone = tuple(_labels(one) for one in listed if one.get("uid") in going)
    template = mapping(mapping(target.object.get("spec")).get("template"))
    if not gone and (target.resource.kind.group, target.resource.kind.kind) in _OWNS_PODS:
        gone = (_labels(mapping(template.get("metadata"))),)
    return Pods(going=gone, staying=tuple(_labels(one) for one in listed if one.get("uid") not in going))


def _with_volumes(
    cluster: Cluster, *, target: Target, going: frozenset[str], around: Surroundings, unseen: list[str]
) -> Surroundings:
    """Return the surroundings with the volumes that the object has, or that go with what it owns."""
    kind = target.resource.kind
    if (kind.group, kind.kind) == ("", "PersistentVolumeClaim"):
        claims = [target.object]
    elif (kind.group, kind.kind) == ("apps", "StatefulSet") or "PersistentVolumeClaim" in around.counts:
        held = claims_in(cluster, namespace=target.namespace, unseen=unseen)
        owned = [claim for claim in held if claim["metadata"].get("uid") in going]
        claims = owned + [claim for claim in claims_of_set(target.object, held) if claim not in owned]
    else:
        return around
    volumes = volumes_behind(cluster, claims, unseen=unseen)
    if not volumes:
        return around
    snapshots = snapshots_of(
        cluster,
        namespace=target.namespace,
        claims=(one.claim for one in volumes),
        inside=False,
        unseen=unseen,
    )
    return replace(around, volumes=volumes, snapshots=snapshots)


def _services(cluster: Cluster, namespace: str, *, unseen: list[str]) -> list[JsonObject]:
    return _list(cluster, "", "v1", "services", namespace, unseen=unseen)


def _list(
    cluster: Cluster, group: str, version: str, resource: str, namespace: str, *, unseen: list[str]
) -> list[JsonObject]:
    path = object_path(group=group, version=version, resource=resource, namespace=namespace)
    return list_pages(cluster, path, most=MOST_OBJECTS, unseen=unseen, what=resource)


def _counts(listings: Iterable[Listing]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for listing in listings:
        total = len(listing.metadata) + (listing.more if listing.metadata else 0)
        if total:
            kind = listing.resource.kind.kind
            counts[kind] = counts.get(kind, 0) + total
    return dict(sorted(counts.items()))


def _labels(metadata: Mapping[str, Any]) -> Mapping[str, str]:
    return mapping(metadata.get("labels"))


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
