"""Effects on the gate itself: Peergate's namespace, its resources, the labels that select (design.md §3, §4).

An agent never touches them, approval or not, whatever a policy's mode; the one opening is a ChangeRequest's
approvals, and its own request's reason and ticket.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from peergate.approval.canonical import canonically_equal
from peergate.approval.carriers import slot_of
from peergate.gate.findings import Entry, Finding, Situation
from peergate.gate.rejection import rejection_problem
from peergate.gate.shape import mapping, sequence
from peergate.gate.slots import slot_refusal
from peergate.model.change import Effect
from peergate.model.names import GROUP, REASON_ANNOTATION, TICKET_ANNOTATION
from peergate.model.review import Gate, User

__all__ = [
    "ENTRIES",
    "admission_configuration",
    "agents_namespace_deletion",
    "gates_kinds",
    "namespace_tags",
    "operators_namespace",
    "operators_rights",
    "peergate_resources",
    "rerouting",
]

_REASON_LIMIT: Final = 512
"""Characters of ``peergate.dev/reason`` and ``peergate.dev/ticket`` (experience.md §1.2)."""


def operators_namespace(situation: Situation) -> Finding | None:
    """T17: everything in the operator's namespace is the gate's own, its Lease and Secrets included."""
    review = situation.review
    in_own = review.gate is Gate.OWN or situation.namespace == situation.snapshot.config.namespace
    is_namespace_itself = (
        review.resource.group == ""
        and review.resource.resource == "namespaces"
        and (situation.old_metadata or situation.new_metadata).get("name")
        == situation.snapshot.config.namespace
    )
    if is_namespace_itself and review.operation != "CREATE":
        return Finding(Effect.FORBIDDEN, why="would change the namespace of the gate itself")
    if not in_own or _is_change_request(situation):
        return None
    return Finding(Effect.FORBIDDEN, why="would change something in the namespace of the gate itself")


def peergate_resources(situation: Situation) -> Finding | None:
    """T17, A37: approvers, policies and uses are closed; a ChangeRequest takes approvals and a reason."""
    review = situation.review
    if not _is_change_request(situation):
        return Finding(Effect.FORBIDDEN, why="would change the gate itself")
    if review.operation == "UPDATE" and not review.subresource:
        return _change_request_update(situation)
    if review.operation == "UPDATE" and review.subresource == "status":
        return _change_request_status(situation)
    return Finding(
        Effect.FORBIDDEN,
        why="would write a ChangeRequest, which only the operator files and ends",
        allowed="send the change itself; what it needs is filed by the gate.",
    )


def namespace_tags(situation: Situation) -> Finding | None:
    """T3: which namespaces are protected, and whose accounts are agents, is not an agent's to say."""
    review = situation.review
    config = situation.snapshot.config
    old = mapping(situation.old_metadata.get("labels"))
    new = mapping(situation.new_metadata.get("labels"))
    labels = (
        (config.protected_label, config.agents_label)
        if review.operation == "UPDATE"
        else (config.agents_label,)
    )
    if any(old.get(label) != new.get(label) for label in labels):
        return Finding(Effect.FORBIDDEN, why="would change which namespaces are protected or hold agents")
    return None


def agents_namespace_deletion(situation: Situation) -> Finding | None:
    """T15: its accounts go along; made anew they are untagged, while rights stay bound to their names."""
    if not (situation.review.operation == "DELETE" or _gets_an_owner(situation)):
        return None
    snapshot, name = situation.snapshot, situation.old_metadata.get("name")
    label = snapshot.config.agents_label
    old, cached = mapping(situation.old_metadata.get("labels")), snapshot.namespaces.get(str(name), {})
    if "true" in {old.get(label), cached.get(label)} or any(
        account.tagged for (namespace, _), account in snapshot.accounts.items() if namespace == name
    ):
        return Finding(Effect.FORBIDDEN, why="would delete a namespace along with the accounts of agents")
    return None


def _gets_an_owner(situation: Situation) -> bool:
    old = sequence(situation.old_metadata.get("ownerReferences"))
    return any(reference not in old for reference in sequence(situation.new_metadata.get("ownerReferences")))


def gates_kinds(situation: Situation) -> Finding | None:
    """T6, T17: the gate's own kinds, and who serves its group, are never an agent's to change."""
    review = situation.review
    groups = [
        mapping((document or {}).get("spec")).get("group") for document in (review.old_object, review.object)
    ]
    if GROUP not in groups:
        return None
    return Finding(Effect.FORBIDDEN, why="would change the kinds of the gate itself")


def rerouting(_: Situation) -> Finding:
    """T19: a new APIService takes an API group to a server that no admission covers; no approval binds it."""
    return Finding(Effect.FORBIDDEN, why="would have a part of the API served past the gate")


def admission_configuration(_: Situation) -> Finding:
    """T1, DO18: webhooks and policies decide what the gate sees; an API server that asks gets a no (C2)."""
    return Finding(Effect.FORBIDDEN, why="would change what admission checks")


def operators_rights(situation: Situation) -> Finding | None:
    """T17: without the rights that are bound to it the operator sees nothing and refuses every agent."""
    username = situation.snapshot.config.operator_username
    for member in sequence((situation.review.old_object or {}).get("subjects")):
        subject = mapping(member)
        name = f"system:serviceaccount:{subject.get('namespace')}:{subject.get('name')}"
        if subject.get("kind") == "ServiceAccount" and name == username:
            return Finding(Effect.FORBIDDEN, why="would change the rights of the gate itself")
    return None


def _is_change_request(situation: Situation) -> bool:
    resource = situation.review.resource
    return resource.group == GROUP and resource.resource == "changerequests"


def _change_request_update(situation: Situation) -> Finding:
    review = situation.review
    old, new = review.old_object or {}, review.object or {}
    if not canonically_equal(_without_annotations(old), _without_annotations(new)):
        return Finding(Effect.FORBIDDEN, why="would change what a ChangeRequest says")
    before = mapping(situation.old_metadata.get("annotations"))
    after = mapping(situation.new_metadata.get("annotations"))
    requester = mapping(mapping(old.get("spec")).get("requester"))
    is_requester = (
        requester.get("username") == review.user.username and requester.get("uid") == review.user.uid
    )
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) == after.get(key):
            continue
        refusal = _annotation_refusal(
            key,
            value=after.get(key),
            is_requester=is_requester,
            is_approver=_is_approver_account(review.user, situation=situation),
        )
        if not refusal and slot_of(key) is not None:
            refusal = slot_refusal(
                key, before=before, after=after, spec=old.get("spec"), snapshot=situation.snapshot
            )
        if refusal:
            return Finding(Effect.FORBIDDEN, why=refusal)
    return Finding(Effect.HARMLESS)


def _change_request_status(situation: Situation) -> Finding:
    """Let an approver that is an agent reject; everything else of a status is the operator's."""
    review = situation.review
    old, new = review.old_object or {}, review.object or {}
    if not canonically_equal(_without_rejection(old), _without_rejection(new)):
        return Finding(Effect.FORBIDDEN, why="would change what a ChangeRequest says")
    if canonically_equal(old.get("status"), new.get("status")):
        return Finding(Effect.HARMLESS)
    if rejection_problem(review, snapshot=situation.snapshot):
        return Finding(Effect.FORBIDDEN, why="would reject a change as somebody else, or for its own owner")
    return Finding(Effect.HARMLESS)


def _annotation_refusal(
    key: str,
    *,
    value: str | None,
    is_requester: bool,
    is_approver: bool,
) -> str:
    """Return why an agent may not write this annotation of a ChangeRequest; empty when it may (§3)."""
    if slot_of(key) is not None:
        if not (is_requester or is_approver):
            return "would put an approval on a request that is not its own"
        return ""
    if key in {REASON_ANNOTATION, TICKET_ANNOTATION}:
        if not is_requester:
            return "would give a reason for a request that is not its own"
        if value is not None and len(value) > _REASON_LIMIT:
            return f"would give a reason of more than {_REASON_LIMIT} characters"
        return ""
    return "would change what a ChangeRequest says"


def _is_approver_account(user: User, *, situation: Situation) -> bool:
    return user.username in situation.snapshot.keyring.by_username


def _without_rejection(document: Mapping[str, Any]) -> Mapping[str, Any]:
    status = {
        member: value for member, value in mapping(document.get("status")).items() if member != "rejection"
    }
    return {**_without_server_set(document), "status": status}


def _without_annotations(document: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = {
        member: value
        for member, value in mapping(document.get("metadata")).items()
        if member != "annotations"
    }
    return _without_server_set({**document, "metadata": metadata})


def _without_server_set(document: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = {
        member: value
        for member, value in mapping(document.get("metadata")).items()
        # Every write changes these by itself (approval-format.md §6.6).
        if member not in {"managedFields", "resourceVersion", "generation"}
    }
    return {**document, "metadata": metadata}


_NAMESPACES: Final = ("", "namespaces")
_ANY: Final = ("CREATE", "UPDATE", "DELETE", "CONNECT")
_API_SERVICES: Final = ("apiregistration.k8s.io", "apiservices")

ENTRIES: Final = (
    Entry(operators_namespace, _ANY, everywhere=True),
    Entry(peergate_resources, _ANY, ((GROUP, "*"),), everywhere=True),
    Entry(namespace_tags, ("CREATE", "UPDATE"), (_NAMESPACES,), everywhere=True),
    Entry(agents_namespace_deletion, ("UPDATE", "DELETE"), (_NAMESPACES,), everywhere=True),
    Entry(
        gates_kinds,
        ("CREATE", "UPDATE", "DELETE"),
        (("apiextensions.k8s.io", "customresourcedefinitions"), _API_SERVICES),
        everywhere=True,
    ),
    Entry(rerouting, ("CREATE",), (_API_SERVICES,), everywhere=True),
    Entry(admission_configuration, _ANY, (("admissionregistration.k8s.io", "*"),), everywhere=True),
    Entry(
        operators_rights,
        ("UPDATE", "DELETE"),
        tuple(("rbac.authorization.k8s.io", plural) for plural in ("rolebindings", "clusterrolebindings")),
        everywhere=True,
    ),
)
