"""The approvals of one change, sorted into those that count and those that do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from peergate.approval.keyring import Keyring
from peergate.approval.verify import Refused, Verified
from peergate.gate.policies import CompiledRule
from peergate.gate.quorum import eligible
from peergate.model.decision import Claim, Code, NotCounted
from peergate.model.names import APPROVAL_SLOT_PREFIX, Digest
from peergate.model.wire import format_instant

__all__ = ["Tally", "best_of_each", "tally_of"]

_LEDGER_STEP: Final = 26
_ELIGIBILITY_STEP: Final = 24


@dataclass(frozen=True, slots=True)
class Tally:
    """The approvals, sorted into those that count and those that do not."""

    verified: tuple[Verified, ...]
    claims: tuple[Claim, ...]
    not_counted: tuple[NotCounted, ...]
    """The furthest first."""
    ended: datetime | None
    """When the furthest that did not count ended or was spent."""


def best_of_each(outcomes: Sequence[Verified | Refused]) -> tuple[Verified | Refused, ...]:
    """Return the best outcome of every distinct payload: equal payloads are one approval (§1.3)."""
    best: dict[object, Verified | Refused] = {}
    for position, outcome in enumerate(outcomes):
        key: object = outcome.payload if outcome.payload is not None else position
        if key not in best or _rank(outcome) > _rank(best[key]):
            best[key] = outcome
    return tuple(best.values())


def _rank(outcome: Verified | Refused) -> tuple[int, str]:
    """Return how far an approval got, ties by slot."""
    return (outcome.step if isinstance(outcome, Refused) else _LEDGER_STEP + 1, outcome.slot)


def tally_of(
    found: Sequence[Verified | Refused],
    *,
    rules: Sequence[CompiledRule],
    spent: Mapping[Digest, datetime],
    keyring: Keyring,
) -> Tally:
    """Return what counts under at least one of the rules, and why the rest does not."""
    counting: list[Verified] = []
    failed: list[tuple[int, str, NotCounted, datetime | None]] = []
    for outcome in found:
        if isinstance(outcome, Refused):
            step, code, ended = outcome.step, outcome.code, outcome.expires
        elif outcome.payload in spent:
            step, code, ended = _LEDGER_STEP, Code.ALREADY_USED, spent[outcome.payload]
        elif not any(eligible(outcome, rule=rule) for rule in rules):
            step, code, ended = _ELIGIBILITY_STEP, Code.APPROVER_NOT_ELIGIBLE, None
        else:
            counting.append(outcome)
            continue
        failed.append((step, outcome.payload or "", _not_counted(outcome, code, keyring=keyring), ended))
    counting.sort(key=lambda approval: approval.payload)
    failed.sort(key=lambda entry: (-entry[0], entry[1], entry[2].slot, entry[2].code))
    return Tally(
        verified=tuple(counting),
        claims=tuple(_claim(approval) for approval in counting),
        not_counted=tuple(entry[2] for entry in failed),
        ended=failed[0][3] if failed else None,
    )


def _not_counted(outcome: Verified | Refused, code: Code, *, keyring: Keyring) -> NotCounted:
    return NotCounted(
        slot=outcome.slot,
        code=code,
        annotation=f"{APPROVAL_SLOT_PREFIX}{outcome.slot}",
        approver=_approver_name(outcome, keyring=keyring),
        payload=outcome.payload,
        key_type=outcome.key.public.type if isinstance(outcome, Verified) else "",
    )


def _approver_name(outcome: Verified | Refused, *, keyring: Keyring) -> str:
    """Return the name of the Approver object whose key signed, which is shorter than the identity."""
    if isinstance(outcome, Verified):
        return outcome.approver.name
    approver = keyring.approvers.get(outcome.approver)
    return approver.name if approver is not None else ""


def _claim(approval: Verified) -> Claim:
    return Claim(
        payload=approval.payload,
        slot=approval.slot,
        approver=approval.approver.name,
        key_id=approval.key.public.id,
        expires=format_instant(approval.statement.predicate.expires),
        key_type=approval.key.public.type,
    )
