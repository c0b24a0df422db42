"""Safer ways to the same end, which an approver may ask for instead (experience.md §2.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from peergate.cli.consequences import Consequence, Tier
from peergate.cli.pending import Pending
from peergate.cli.surroundings import Surroundings
from peergate.cli.text import plural

__all__ = ["variants_of"]

_WORKLOADS: Final = frozenset({"Deployment", "StatefulSet", "ReplicaSet", "ReplicationController"})


@dataclass(frozen=True, slots=True)
class Variant:
    """One way that does less harm."""

    words: str
    command: str = ""
    """What the agent would send; empty where that depends."""


def variants_of(pending: Pending, *, consequence: Consequence, around: Surroundings) -> tuple[Variant, ...]:
    """Return the safer variants of a deletion; none for an update."""
    if pending.change.operation != "DELETE" or pending.change.object.subresource:
        return ()
    kind, target = pending.target.resource.kind.kind, pending.target
    kubectl = f"kubectl -n {target.namespace}" if target.namespace else "kubectl"
    found = []
    if consequence.tier is Tier.IRREVERSIBLE and around.volumes:
        outside = ", kept outside of what goes" if around.scope == "inside" else ""
        count = plural(len(around.volumes), "volume")
        found.append(Variant(f"a VolumeSnapshot of the {count} first{outside}"))
    replicas = (target.object.get("spec") or {}).get("replicas")
    if kind in _WORKLOADS and replicas != 0:
        found.append(Variant("scale to zero first", f"{kubectl} scale {target.quoted} --replicas=0"))
    if kind == "CronJob":
        patch = """'{"spec":{"suspend":true}}'"""
        found.append(Variant("suspend it", f"{kubectl} patch {target.quoted} -p {patch}"))
    orphans = pending.change.options.get("propagationPolicy") == "Orphan"
    if around.counts and around.scope == "owned" and not orphans:
        found.append(Variant("leave what it owns", f"{kubectl} delete {target.quoted} --cascade=orphan"))
    if around.scope == "inside" and around.total:
        found.append(Variant("delete only those things in it that are meant, and keep the namespace"))
    if around.scope == "instances" and around.total:
        found.append(Variant("delete the objects of this kind first, and the kind when none is left"))
    return tuple(found)
