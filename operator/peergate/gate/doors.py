"""The rights that lead round the gate, as one table: what is asked, what it allows, how grave it is.

Read by ``peergate doctor`` and by the operator's own periodic look, so that both ask the same. Whether a
right is held says the API server's authorizer; here stands what follows from it.

Source: kubernetes-facts.md §7.1 and §7.2 (SAR1 to SAR20).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from peergate.gate.access import Right
from peergate.model.names import GROUP

__all__ = [
    "DOORS",
    "EVERYTHING",
    "Ask",
    "Door",
    "Weight",
    "held_doors",
    "named_rights",
    "part_of",
    "rights_asked",
    "weight_of",
]


class Weight(StrEnum):
    """What a right means while the gate stands as it should."""

    OPEN = "open"
    """No admission sees its use: whoever holds it walks round the gate."""
    SHUT = "shut"
    """The gate judges or refuses its use, as long as it is there; an agent does not need it."""
    WORK = "work"
    """An agent's ordinary work, which the gate judges request by request."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Verbs on resources of one API group."""

    verbs: tuple[str, ...]
    group: str
    resources: tuple[str, ...]
    weight: Weight
    namespaced: bool = False
    """Whether it is asked namespace by namespace as well; cluster-wide it is asked always."""
    title: str = ""
    """In place of the door's, where this part of it is something else."""
    allows: str = ""


@dataclass(frozen=True, slots=True)
class Door:
    """One check."""

    id: str
    """``SAR1``."""
    threats: tuple[str, ...]
    title: str
    """Names the right in a few words."""
    allows: str
    """What whoever holds it can do, as a sentence."""
    asks: tuple[Ask, ...]


EVERYTHING: Final = Right(verb="*", group="*", resource="*")
"""Asked first: whoever has this has all the others."""

_OPEN, _SHUT, _WORK = Weight.OPEN, Weight.SHUT, Weight.WORK
_RBAC: Final = "rbac.authorization.k8s.io"
_AUTHENTICATION: Final = "authentication.k8s.io"
_MODES: Final = ("user-info", "serviceaccount", "arbitrary-node", "associated-node")
_WRITES: Final = ("create", "update", "patch", "delete", "deletecollection")

DOORS: Final = (
    Door(
        "SAR1",
        ("T1",),
        "write admission configuration",
        "It can delete or edit the gate, or add a webhook that rewrites requests; no webhook is asked.",
        (
            Ask(
                _WRITES,
                "admissionregistration.k8s.io",
                (
                    "validatingwebhookconfigurations",
                    "mutatingwebhookconfigurations",
                    "validatingadmissionpolicies",
                    "validatingadmissionpolicybindings",
                    "mutatingadmissionpolicies",
                    "mutatingadmissionpolicybindings",
                ),
                _OPEN,
            ),
        ),
    ),
    Door(
        "SAR2",
        ("T2",),
        "impersonate",
        "It can act as somebody who is no agent, whom the gate is never asked about.",
        (
            Ask(("impersonate",), "", ("users", "groups"), _OPEN),
            Ask(("impersonate",), "", ("serviceaccounts",), _OPEN, namespaced=True),
            Ask(("impersonate",), _AUTHENTICATION, ("uids", "userextras"), _OPEN),
        ),
    ),
    Door(
        "SAR3",
        ("T2",),
        "impersonate, constrained: as whom",
        "Together with SAR4 it can act as somebody who is no agent.",
        (
            Ask(("impersonate:user-info",), _AUTHENTICATION, ("users", "groups", "uids"), _OPEN),
            Ask(
                ("impersonate:serviceaccount",), _AUTHENTICATION, ("serviceaccounts",), _OPEN, namespaced=True
            ),
            Ask(
                ("impersonate:arbitrary-node", "impersonate:associated-node"),
                _AUTHENTICATION,
                ("nodes",),
                _OPEN,
            ),
        ),
    ),
    Door(
        "SAR4",
        ("T2",),
        "impersonate, constrained: for what",
        "Together with SAR3 it can act as somebody who is no agent.",
        (
            Ask(
                tuple(f"impersonate-on:{mode}:{verb}" for mode in _MODES for verb in _WRITES),
                "*",
                ("*",),
                _OPEN,
                namespaced=True,
            ),
        ),
    ),
    Door(
        "SAR5",
        ("T2",),
        "mint tokens of accounts",
        "It could become another account; the gate refuses that as long as it is there.",
        (Ask(("create",), "", ("serviceaccounts/token",), _SHUT, namespaced=True),),
    ),
    Door(
        "SAR6",
        ("T15",),
        "change accounts",
        "It could untag itself or make an account anew; the gate refuses that as long as it is there.",
        (Ask(("update", "patch", "delete"), "", ("serviceaccounts",), _SHUT, namespaced=True),),
    ),
    Door(
        "SAR7",
        ("T2",),
        "read Secrets",
        "It can read tokens and keys of others and become them; no admission ever sees a read.",
        (
            Ask(("get", "list", "watch"), "", ("secrets",), _OPEN, namespaced=True),
            Ask(
                ("create",),
                "",
                ("secrets",),
                _SHUT,
                namespaced=True,
                title="create Secrets",
                allows="It could make a token of another account; the gate refuses that while it is there.",
            ),
        ),
    ),
    Door(
        "SAR8",
        ("T2",),
        "create workloads",
        "The gate refuses workloads that run as an account which is no agent's.",
        (
            Ask(("create",), "", ("pods",), _WORK, namespaced=True),
            Ask(("create",), "apps", ("deployments",), _WORK, namespaced=True),
            Ask(("create",), "batch", ("jobs", "cronjobs"), _WORK, namespaced=True),
        ),
    ),
    Door(
        "SAR9",
        ("T14",),
        "open connections into pods",
        "It could work from inside a pod; the gate refuses that as long as it is there.",
        (
            Ask(
                ("create", "get"),
                "",
                ("pods/exec", "pods/attach", "pods/portforward"),
                _SHUT,
                namespaced=True,
            ),
            Ask(("update", "patch"), "", ("pods/ephemeralcontainers",), _SHUT, namespaced=True),
        ),
    ),
    Door(
        "SAR10",
        ("T14", "T20"),
        "reach nodes by proxy",
        "It can run commands in every pod through the kubelet itself, past all admission.",
        (
            Ask(("create", "get", "update", "delete"), "", ("nodes/proxy",), _OPEN),
            Ask(
                ("create", "get", "update", "delete"),
                "",
                ("services/proxy", "pods/proxy"),
                _SHUT,
                namespaced=True,
                title="reach pods and services by proxy",
                allows="It could speak to whatever listens there; the gate refuses that where it looks.",
            ),
        ),
    ),
    Door(
        "SAR11",
        ("T7",),
        "evict pods",
        "The gate judges every eviction.",
        (Ask(("create",), "", ("pods/eviction",), _WORK, namespaced=True),),
    ),
    Door(
        "SAR12",
        ("T16",),
        "delete collections",
        "One request deletes many objects; the gate judges each, but those before the first refusal go.",
        (
            Ask(("deletecollection",), "*", ("*",), _SHUT, namespaced=True),
            Ask(
                ("deletecollection",),
                "",
                ("pods", "configmaps", "secrets", "services", "persistentvolumeclaims"),
                _SHUT,
                namespaced=True,
            ),
            Ask(("deletecollection",), "apps", ("deployments", "statefulsets"), _SHUT, namespaced=True),
        ),
    ),
    Door(
        "SAR13",
        ("T3", "T9"),
        "change namespaces",
        "It could take a namespace's protection away; the gate refuses that as long as it is there.",
        (
            Ask(
                ("update", "patch"),
                "",
                ("namespaces", "namespaces/status", "namespaces/finalize"),
                _SHUT,
            ),
        ),
    ),
    Door(
        "SAR14",
        ("T6", "T9", "T10"),
        "delete what much depends on",
        "One deletion takes much with it, unreviewed; the gate asks for a peer as long as it is there.",
        (
            Ask(("delete",), "", ("namespaces", "nodes", "persistentvolumes"), _SHUT),
            Ask(("delete",), "apiextensions.k8s.io", ("customresourcedefinitions",), _SHUT),
            Ask(("delete",), "apiregistration.k8s.io", ("apiservices",), _SHUT),
        ),
    ),
    Door(
        "SAR15",
        ("T2",),
        "escalate or bind roles",
        "It can give itself every right, also those that no admission sees.",
        (
            Ask(("escalate", "bind"), _RBAC, ("clusterroles",), _OPEN),
            Ask(("escalate", "bind"), _RBAC, ("roles",), _OPEN, namespaced=True),
        ),
    ),
    Door(
        "SAR16",
        ("T2",),
        "write role bindings",
        "It could give its rights to others; the gate refuses subjects that are no agents.",
        (
            Ask(("create", "update", "patch"), _RBAC, ("clusterrolebindings",), _SHUT),
            Ask(("create", "update", "patch"), _RBAC, ("rolebindings",), _SHUT, namespaced=True),
        ),
    ),
    Door(
        "SAR17",
        ("T2",),
        "approve certificates",
        "It could get a certificate of somebody else; the gate refuses that as long as it is there.",
        (
            Ask(("approve", "sign"), "certificates.k8s.io", ("signers",), _SHUT),
            Ask(("update", "patch"), "certificates.k8s.io", ("certificatesigningrequests/approval",), _SHUT),
        ),
    ),
    Door(
        "SAR18",
        ("T21",),
        "delete what can't be read",
        "It can delete objects that the API server can't decode, without any admission.",
        (
            Ask(("unsafe-delete-ignore-read-errors",), "*", ("*",), _OPEN, namespaced=True),
            Ask(("unsafe-delete-ignore-read-errors",), "", ("secrets",), _OPEN, namespaced=True),
        ),
    ),
    Door(
        "SAR19",
        ("T11",),
        "replace objects by PUT",
        "The gate judges PUT and PATCH alike.",
        (
            Ask(("update",), "", ("configmaps", "services"), _WORK, namespaced=True),
            Ask(("update",), "apps", ("deployments", "statefulsets"), _WORK, namespaced=True),
        ),
    ),
    Door(
        "SAR20",
        ("T17",),
        "write Peergate's own resources",
        "It could register approvers or loosen policies; the gate refuses that as long as it is there.",
        (
            Ask(
                ("create", "update", "patch", "delete"),
                GROUP,
                ("approvers", "protectionpolicies"),
                _SHUT,
            ),
            Ask(("create", "delete"), GROUP, ("approvaluses",), _SHUT, namespaced=True),
        ),
    ),
)
"""Every check, in the order of the documents."""

_TOGETHER: Final = frozenset({"SAR3", "SAR4"})


def rights_asked(door: Door, *, namespace: str = "") -> tuple[Right, ...]:
    """Return what is asked about: cluster-wide, or in a namespace what makes sense there."""
    return tuple(
        Right(verb=verb, group=ask.group, resource=resource, namespace=namespace)
        for ask in door.asks
        if ask.namespaced or not namespace
        for resource in ask.resources
        for verb in ask.verbs
    )


def named_rights(*, configuration: str) -> tuple[Right, ...]:
    """Return rights on single objects that open doors by themselves.

    A rule with ``resourceNames`` gives no right on the resource as a whole; asking for that does not show it.
    """
    return (
        *(
            Right(
                verb=verb,
                group="admissionregistration.k8s.io",
                resource="validatingwebhookconfigurations",
                name=configuration,
            )
            for verb in ("update", "patch", "delete")
        ),
        Right(verb="impersonate", group="", resource="groups", name="system:masters"),
    )


def held_doors(held: Iterable[Right]) -> Mapping[str, tuple[Right, ...]]:
    """Return the ids of the checks that these rights fail, each with the rights that do so.

    Shape: in the order of ``DOORS``; whoever holds ``EVERYTHING`` fails each, with that right alone.
    """
    rights = sorted(set(held))
    if EVERYTHING in rights:
        return {door.id: (EVERYTHING,) for door in DOORS}
    found = {
        door.id: tuple(right for right in rights if any(_is_about(ask, right=right) for ask in door.asks))
        for door in DOORS
    }
    return {name: mine for name, mine in found.items() if mine}


def part_of(door: Door, *, right: Right) -> Ask:
    """Return the part of a check that a right belongs to; it must belong to one."""
    return next(ask for ask in door.asks if _is_about(ask, right=right))


def weight_of(door: Door, *, right: Right, failed: Collection[str]) -> Weight:
    """Return how grave it is that somebody holds this right of a check.

    ``failed`` are the ids of all checks that this somebody fails: of constrained impersonation one half
    alone opens nothing (kubernetes-facts.md I4).
    """
    if door.id in _TOGETHER and not _TOGETHER.issubset(failed):
        return Weight.SHUT
    return part_of(door, right=right).weight


def _is_about(ask: Ask, *, right: Right) -> bool:
    return right.verb in ask.verbs and right.group == ask.group and right.resource in ask.resources
