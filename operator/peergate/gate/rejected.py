"""A peer's no, and everything that it covers (V6; approval-format.md §9).

A rejection is on one exact change, but one approval can admit several: a Pod's deletion with any longer
grace, and with pointers to ignore an object in several states. Were only the very change rejected, a request
that gives a second more would pass under the approval that the no was about.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from peergate.approval.change import change_id
from peergate.approval.verify import Refused, Verified
from peergate.gate.filed import FiledRequest
from peergate.model.change import Change
from peergate.model.decision import Code

__all__ = ["rejection_of", "rejections_by_object", "without_leeway"]

_GRACE: Final = "minGracePeriodSeconds"
_LAST_STEP: Final = 24


def rejections_by_object(
    requests: Mapping[tuple[str, str], FiledRequest], *, namespace: str
) -> Mapping[str, tuple[FiledRequest, ...]]:
    """Return the rejected requests by the uid of their object, each list in the order of their changes.

    Only those that stand where the operator files them, by their own name; ``namespace`` is the operator's.
    """
    found: dict[str, list[FiledRequest]] = {}
    for (where, name), filed in requests.items():
        change = filed.rejected
        if change is None or where != (change.object.namespace or namespace):
            continue
        if name == change_id(filed.change):
            found.setdefault(change.object.uid, []).append(filed)
    return {uid: tuple(sorted(those, key=lambda filed: filed.change)) for uid, those in found.items()}


def rejection_of(change: Change, *, among: Iterable[FiledRequest], now: datetime) -> FiledRequest | None:
    """Return a rejection in force of this change, or of one that differs in nothing but the Pod's grace."""
    wanted = _without_grace(change)
    for filed in among:
        covers = filed.rejected is not None and _without_grace(filed.rejected) == wanted
        if covers and filed.is_rejected(now=now):
            return filed
    return None


def without_leeway(
    found: Iterable[Verified | Refused], *, change: Change, among: Iterable[FiledRequest], now: datetime
) -> tuple[tuple[Verified | Refused, ...], FiledRequest | None]:
    """Return the outcomes without approvals that might admit what was rejected too, and that rejection.

    That is those that ignore pointers, where another change of this object by this requester is rejected:
    which states of the object they admit can't be told from digests.
    """
    found = tuple(found)
    rejection = next((filed for filed in among if _is_akin(filed, change=change, now=now)), None)
    if rejection is None:
        return found, None
    return tuple(_refused(one) if _ignores(one) else one for one in found), rejection


def _without_grace(change: Change) -> Change:
    return replace(change, options={name: value for name, value in change.options.items() if name != _GRACE})


def _is_akin(filed: FiledRequest, *, change: Change, now: datetime) -> bool:
    rejected = filed.rejected
    return (
        rejected is not None
        and filed.is_rejected(now=now)
        and (rejected.operation, rejected.object, rejected.requester)
        == (change.operation, change.object, change.requester)
    )


def _ignores(outcome: Verified | Refused) -> bool:
    return isinstance(outcome, Verified) and bool(outcome.statement.predicate.ignore)


def _refused(outcome: Verified | Refused) -> Refused:
    expires = outcome.statement.predicate.expires if isinstance(outcome, Verified) else outcome.expires
    return Refused(
        code=Code.CHANGE_REJECTED,
        step=_LAST_STEP,
        slot=outcome.slot,
        payload=outcome.payload,
        expires=expires,
    )
