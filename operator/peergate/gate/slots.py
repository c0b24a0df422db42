"""Which approvals an agent may put on a ChangeRequest: only what is one, and at most one an approver.

A ChangeRequest has eight slots. An agent that could fill them with junk, or with copies, would keep peers
from signing; one that could overwrite a fresh approval with an older one would take it away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError

from peergate.approval.carriers import slot_of
from peergate.approval.recorded import recorded_target
from peergate.approval.verify import Refused, Target, Terms, verify_approval
from peergate.gate.filed import recorded_change
from peergate.gate.snapshot import Snapshot
from peergate.model.changerequest import ChangeRequestSpec

__all__ = ["slot_refusal"]

_BEFORE_ALL: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TIME_STEP: Final = 22
"""Up to V21 it is asked whether an approval is about this change; from V22 on, whether it still holds."""
_LONGEST: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class _Case:
    target: Target
    terms: Terms
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class _Fitting:
    """An approval of this change, signed by a registered approver; whether it still holds is not asked."""

    approver: str
    expires: datetime


def slot_refusal(
    key: str, *, before: Mapping[str, Any], after: Mapping[str, Any], spec: object, snapshot: Snapshot
) -> str:
    """Return why an agent may not write this slot of a ChangeRequest; empty when it may.

    ``before`` and ``after`` are the annotations as they are and would be, ``spec`` is the ChangeRequest's.
    Never raises.
    """
    try:
        read = ChangeRequestSpec.of_any_version(spec)
    except ValidationError:
        return "would put an approval on a ChangeRequest that can't be read"
    change = recorded_change(read)
    case = _Case(
        target=recorded_target(change, owner=read.requester.owner),
        terms=Terms(max_ttl=_LONGEST, projections=frozenset({change.projection})),
        snapshot=snapshot,
    )
    fresh = _fitting(after.get(key), case=case)
    if fresh is None:
        return "would overwrite or fill a slot with what is no approval of this change"
    there = _fitting(before.get(key), case=case)
    if there is not None and (there.approver != fresh.approver or there.expires >= fresh.expires):
        return "would overwrite an approval of a ChangeRequest"
    for name, value in after.items():
        if name == key or slot_of(name) is None:
            continue
        other = _fitting(value, case=case)
        if other is not None and other.approver == fresh.approver:
            return "would put a second approval of one approver on a ChangeRequest"
    return ""


def _fitting(value: object, *, case: _Case) -> _Fitting | None:
    if not isinstance(value, str):
        return None
    found = verify_approval(
        value,
        slot="-",
        target=case.target,
        keyring=case.snapshot.keyring,
        terms=case.terms,
        # Before every date of issue: what comes this far is refused at V22, and about this change.
        now=_BEFORE_ALL,
    )
    if isinstance(found, Refused) and found.step >= _TIME_STEP and found.expires is not None:
        return _Fitting(approver=found.approver, expires=found.expires)
    return None
