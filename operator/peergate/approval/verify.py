"""Verification of one approval: V7 to V24 of approval-format.md §7, in order.

Collects values and never raises on any input; a refusal removes this approval and nothing else. Quorum,
eligibility by class, group and kind of key, and the ledger are the gate's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from peergate.approval.binding import STEPS, Case
from peergate.approval.keyring import Keyring, RegisteredApprover, RegisteredKey
from peergate.approval.signed import Unsigned, open_signed
from peergate.approval.statement import Statement
from peergate.approval.target import Target, Terms
from peergate.model.decision import Code
from peergate.model.names import Digest

__all__ = ["Refused", "Target", "Terms", "Verified", "verify_approval"]


@dataclass(frozen=True, slots=True)
class Refused:
    """One approval that does not count, and why."""

    code: Code
    step: int
    """7 to 24: how far it got."""
    slot: str
    approver: str = ""
    """The identity whose key signed; empty as long as none is known."""
    payload: Digest | None = None
    """SHA-256 of the payload; ``None`` before V11."""
    expires: datetime | None = None
    """As signed; ``None`` before V14."""


@dataclass(frozen=True, slots=True)
class Verified:
    """One approval that holds, as far as it can be judged alone."""

    payload: Digest
    """SHA-256 of the payload: the identity of the approval, since envelopes are malleable (A11)."""
    statement: Statement
    approver: RegisteredApprover
    key: RegisteredKey
    slot: str


def verify_approval(
    value: str,
    *,
    slot: str,
    target: Target,
    keyring: Keyring,
    terms: Terms,
    now: datetime,
) -> Verified | Refused:
    """Return the approval in an annotation's value, or why it does not count.

    Units and limits: at most 8,192 bytes are read, at most 16 keys tried, limits before cryptography.
    Errors: none; never raises.
    Source: V7 to V24. Left to the gate: ``ApproverNotEligible`` of V24, V25, V26.
    """
    signed = open_signed(value, keyring=keyring)
    if isinstance(signed, Unsigned):
        return Refused(
            code=signed.code, step=signed.step, slot=slot, approver=signed.approver, payload=signed.payload
        )
    predicate = signed.statement.predicate
    case = Case(
        predicate=predicate,
        approver=signed.approver,
        key=signed.key,
        target=target,
        terms=terms,
        now=now,
    )
    for step, check in STEPS:
        code = check(case)
        if code is not None:
            return Refused(
                code=code,
                step=step,
                slot=slot,
                approver=signed.approver.identity,
                payload=signed.payload,
                expires=predicate.expires,
            )
    return Verified(
        payload=signed.payload,
        statement=signed.statement,
        approver=signed.approver,
        key=signed.key,
        slot=slot,
    )
