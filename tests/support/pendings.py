"""A change that waits for a signature, as the command line holds it, made without a cluster."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from peergate.approval.change import change_digest, change_id
from peergate.cli.consequences import Consequence, Tier
from peergate.cli.diff import Difference
from peergate.cli.discovery import ApiResource
from peergate.cli.dossier import Dossier, Place, Reviewed
from peergate.cli.pending import Pending
from peergate.cli.surroundings import Surroundings
from peergate.cli.targets import Target
from peergate.gate.matching import Match
from peergate.gate.policies import BUILT_IN, CompiledRule
from peergate.model.change import Change, ObjectRef, Requester
from peergate.model.names import Digest
from peergate.model.review import Kind

__all__ = ["NOW", "dossier_of", "pending_of"]

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
BOT = Requester(username="system:serviceaccount:agents:bot", uid="b7a2c1d0")


def pending_of(
    kind: Kind,
    name: str = "web",
    *,
    namespace: str = "shop",
    live: Mapping[str, Any] | None = None,
    operation: str = "DELETE",
    subresource: str = "",
    options: Mapping[str, Any] | None = None,
    requester: Requester = BOT,
    rules: Sequence[CompiledRule] = (BUILT_IN,),
) -> Pending:
    """Return a change to one object; ``live`` are members of it beside its name.

    With subresource ``scale`` the object is seen through its Scale. What a decision needs and a screen does
    not is left empty.
    """
    plural = f"{kind.kind.lower()}s"
    metadata = {"name": name, "uid": f"uid-of-{name}", **({"namespace": namespace} if namespace else {})}
    members = dict(live or {})
    whole = {**members, "metadata": {**metadata, **members.get("metadata", {})}}
    scale = {
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": metadata,
        "spec": {"replicas": replicas} if (replicas := members.get("spec", {}).get("replicas")) else {},
    }
    is_scale = subresource == "scale"
    change = Change(
        audience="k8s:here",
        operation=cast("Any", operation),
        object=ObjectRef(kind.group, kind.version, plural, subresource, namespace, name, f"uid-of-{name}"),
        requester=requester,
        projection="k8s-projection/v1",
        from_=Digest("0" * 64),
        to=None if operation == "DELETE" else Digest("1" * 64),
        options=dict(options or {}),
    )
    digest = change_digest(change)
    nothing: dict[str, Any] = {field.name: None for field in dataclasses.fields(Pending)}
    match: dict[str, Any] = {field.name: None for field in dataclasses.fields(Match)}
    return Pending(
        **{
            **nothing,
            "target": Target(
                resource=ApiResource(kind, plural, kind.kind.lower(), (), namespaced=bool(namespace)),
                live=scale if is_scale else whole,
                subresource=subresource,
                whole=whole if is_scale else None,
            ),
            "change": change,
            "digest": digest,
            "id": change_id(digest),
            "match": Match(**{**match, "enforced": tuple(rules)}),
        }
    )


def dossier_of(
    pending: Pending,
    *,
    tier: Tier = Tier.DISRUPTIVE,
    what: str = "stops 3 pods",
    found: Sequence[Difference] = (),
) -> Dossier:
    """Return what an approver is shown of it."""
    reviewed = Reviewed(
        pending=pending,
        consequence=Consequence(tier=tier, what=what),
        found=tuple(found),
        around=Surroundings(),
    )
    return Dossier(
        reviewed=reviewed,
        place=Place(cluster="prod-eu", context="alice@prod-eu"),
        now=NOW,
        standing=cast("Any", None),
    )
