"""Whether a signed statement is about this change, by this approver, now (V14 to V24).

One function a step, each returning the code that refuses or ``None``; nothing here raises.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from peergate.approval.canonical import NotCanonical, TooLarge
from peergate.approval.keyring import RegisteredApprover, RegisteredKey
from peergate.approval.options import OptionsRefused, check_delete_options
from peergate.approval.pointers import PointerProblem, check_pointers, same_at
from peergate.approval.statement import Predicate
from peergate.approval.target import Target, Terms
from peergate.model.decision import Code

__all__ = ["STEPS", "Case"]

_SKEW: Final = timedelta(seconds=60)
"""How far ahead of ours the approver's clock may be; none on expiry (§9)."""


@dataclass(frozen=True, slots=True)
class Case:
    """One statement, verified, and what it is held against."""

    predicate: Predicate
    approver: RegisteredApprover
    """Whose key signed."""
    key: RegisteredKey
    target: Target
    terms: Terms
    now: datetime


def _approver(case: Case) -> Code | None:
    """V14: the statement names the identity whose key signed."""
    return None if case.predicate.approver == case.approver.identity else Code.APPROVER_MISMATCH


def _cluster(case: Case) -> Code | None:
    """V15: signed for this cluster (A15)."""
    return None if case.predicate.audience == case.target.audience else Code.WRONG_CLUSTER


def _operation(case: Case) -> Code | None:
    """V16: a deletion is no update (A28, A45)."""
    return None if case.predicate.operation == case.target.operation else Code.WRONG_OPERATION


def _object(case: Case) -> Code | None:
    """V17: the very object instance (A15, A16, A26, A27, A51)."""
    signed, asked = case.predicate.object, case.target.object
    if (signed.group, signed.resource, signed.subresource, signed.namespace, signed.name) != (
        asked.group,
        asked.resource,
        asked.subresource,
        asked.namespace,
        asked.name,
    ):
        return Code.WRONG_OBJECT
    if signed.version != asked.version:
        return Code.WRONG_VERSION
    return None if signed.uid == asked.uid else Code.OBJECT_REPLACED


def _requester(case: Case) -> Code | None:
    """V18: the very account (A24, A25, A46)."""
    return None if case.predicate.requested_by == case.target.requester else Code.WRONG_REQUESTER


def _projection(case: Case) -> Code | None:
    """V19: projection and ignore pointers are allowed (A21, A52)."""
    predicate = case.predicate
    if predicate.projection not in case.terms.projections:
        return Code.PROJECTION_NOT_ALLOWED
    if predicate.projection == "k8s-identity/v1" and predicate.ignore:
        return Code.IGNORE_NOT_ALLOWED
    try:
        check_pointers(predicate.ignore)
    except PointerProblem:
        return Code.IGNORE_NOT_ALLOWED
    return None if case.terms.ignore.issuperset(predicate.ignore) else Code.IGNORE_NOT_ALLOWED


def _digests(case: Case) -> Code | None:
    """V20: the object is as approved, and so is what it becomes (A12, A17 to A22, A42, A43)."""
    predicate, target = case.predicate, case.target
    try:
        digests = target.digests(predicate.projection, ignore=predicate.ignore)
    except PointerProblem:
        return Code.IGNORE_NOT_ALLOWED
    except (NotCanonical, TooLarge):
        # Without canonical form there is no digest that the signed one could equal.
        return Code.OBJECT_CHANGED
    if predicate.from_.sha256 != digests.from_:
        return Code.OBJECT_CHANGED
    if (None if predicate.to is None else predicate.to.sha256) != digests.to:
        return Code.CHANGE_DIFFERS
    if target.new is not None and not all(
        same_at(pointer, old=target.old, new=target.new) for pointer in predicate.ignore
    ):
        return Code.CHANGE_DIFFERS
    return None


def _options(case: Case) -> Code | None:
    """V21: no harsher deletion than the signed one (A23, A49)."""
    target = case.target
    if target.operation == "UPDATE":
        return None
    try:
        check_delete_options(
            case.predicate.options,
            options=target.options,
            old=target.old,
            is_pod=target.is_pod,
        )
    except OptionsRefused:
        return Code.OPTIONS_DIFFER
    return None if _eviction_names_the_pod(target) else Code.OPTIONS_DIFFER


def _eviction_names_the_pod(target: Target) -> bool:
    """Tell whether an eviction's precondition, if it has one, is the uid that was signed (§6.4)."""
    if target.object.subresource != "eviction":
        return True
    match target.options:
        case {"preconditions": {"uid": uid}} if uid is not None:
            return bool(uid == target.object.uid)
    return True


def _time(case: Case) -> Code | None:
    """V22: issued, not over, not longer than policy allows (A33)."""
    predicate = case.predicate
    if predicate.issued_at > case.now + _SKEW:
        return Code.NOT_YET_VALID
    if case.now >= predicate.expires:
        return Code.EXPIRED
    return Code.LIFETIME_TOO_LONG if predicate.expires - predicate.issued_at > case.terms.max_ttl else None


def _revocation(case: Case) -> Code | None:
    """V23: approver and key are in force; a disabled key beats dates (A33, A34)."""
    approver, record, issued = case.approver, case.key.record, case.predicate.issued_at
    if approver.disabled or record.disabled:
        return Code.KEY_REVOKED
    if any(
        moment is not None and issued < moment for moment in (approver.revoked_before, record.revoked_before)
    ):
        return Code.KEY_REVOKED
    if record.not_before is not None and case.now < record.not_before:
        return Code.KEY_EXPIRED
    if record.not_after is not None and case.now > record.not_after:
        return Code.KEY_EXPIRED
    return None


def _policy(case: Case) -> Code | None:
    """V24: the policy it was approved under, if it names one."""
    named = case.predicate.policy
    if named is None or case.terms.policies.get(named.name) == named.sha256:
        return None
    return Code.POLICY_CHANGED


def _independence(case: Case) -> Code | None:
    """V24: somebody else, answering to somebody else (§8 rules 1 and 2, A35)."""
    approver, username = case.approver, case.target.requester.username
    if approver.identity == username or username in approver.kubernetes_usernames:
        return Code.SELF_APPROVAL
    if approver.class_ == "agent" and case.target.requester_owner in {"", approver.owner}:
        return Code.SAME_OWNER
    return None


STEPS: Final[tuple[tuple[int, Callable[[Case], Code | None]], ...]] = (
    (14, _approver),
    (15, _cluster),
    (16, _operation),
    (17, _object),
    (18, _requester),
    (19, _projection),
    (20, _digests),
    (21, _options),
    (22, _time),
    (23, _revocation),
    (24, _policy),
    (24, _independence),
)
"""Steps of approval-format.md §7, in its order, which decides the code that is reported."""
