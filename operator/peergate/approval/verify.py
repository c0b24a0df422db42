"""Verification of one approval: V7 to V24 of approval-format.md §7, in order.

Collects values and never raises on any input; a refusal removes this approval and nothing else. Quorum,
eligibility by class, group and kind of key, and the ledger are the gate's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256

from cryptography.exceptions import InvalidSignature

from peergate.approval.binding import STEPS, Case
from peergate.approval.envelope import Envelope, EnvelopeRefused, pae, parse_envelope
from peergate.approval.keyring import Keyring, RegisteredApprover, RegisteredKey
from peergate.approval.sshsig import FLAG_USER_PRESENT, FLAG_USER_VERIFIED, is_sshsig, parse_sshsig
from peergate.approval.statement import (
    Statement,
    StatementMalformed,
    StatementUnsupported,
    parse_statement,
)
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
    try:
        envelope = parse_envelope(value)
    except EnvelopeRefused as refusal:
        return Refused(code=refusal.code, step=refusal.step, slot=slot)
    payload = Digest(sha256(envelope.payload).hexdigest())
    found = _find_signer(envelope, keyring=keyring)
    if isinstance(found, Code):
        return Refused(code=found, step=11, slot=slot, payload=payload)
    key, flags = found
    approver = keyring.approvers[key.identity]
    refused = Refused(
        code=Code.USER_PRESENCE_MISSING,
        step=12,
        slot=slot,
        approver=approver.identity,
        payload=payload,
    )
    if not _flags_suffice(key, flags=flags):
        return refused
    # V13: the verified bytes, parsed here and nowhere else (A7).
    try:
        statement = parse_statement(envelope.payload)
    except StatementMalformed:
        return replace(refused, code=Code.APPROVAL_MALFORMED, step=13)
    except StatementUnsupported:
        return replace(refused, code=Code.UNSUPPORTED_TYPE, step=13)
    case = Case(
        predicate=statement.predicate,
        approver=approver,
        key=key,
        target=target,
        terms=terms,
        now=now,
    )
    for step, check in STEPS:
        code = check(case)
        if code is not None:
            return replace(refused, code=code, step=step, expires=statement.predicate.expires)
    return Verified(payload=payload, statement=statement, approver=approver, key=key, slot=slot)


def _find_signer(envelope: Envelope, *, keyring: Keyring) -> tuple[RegisteredKey, int] | Code:
    """Return the registered key that verifies PAE, with the flags of a hardware key (V11).

    What verifies is the identity from here on; what was sent only says where to look (A1, A8).
    """
    signature = envelope.signature
    if is_sshsig(signature):
        try:
            embedded = keyring.by_wire.get(parse_sshsig(signature).public_key)
        except ValueError:
            return Code.SIGNATURE_INVALID
        if embedded is None:
            return Code.UNKNOWN_APPROVER
        # If it is registered for raw signatures, its own verification refuses an SSHSIG (P10).
        candidates: tuple[RegisteredKey, ...] = (embedded,)
        hint_unknown = False
    else:
        candidates = keyring.candidates(signature=signature, key_id=envelope.key_id)
        hint_unknown = bool(envelope.key_id) and envelope.key_id not in keyring.by_id
    message = pae(envelope.payload)
    for key in candidates:
        try:
            return key, key.public.verify(signature=signature, pae=message)
        except (InvalidSignature, ValueError):
            continue
    return Code.UNKNOWN_APPROVER if hint_unknown else Code.SIGNATURE_INVALID


def _flags_suffice(key: RegisteredKey, *, flags: int) -> bool:
    """Tell whether a hardware key showed what its record demands (V12, A36)."""
    if not key.public.is_hardware:
        return True
    require = key.record.require
    if require.user_presence and not flags & FLAG_USER_PRESENT:
        return False
    return not require.user_verification or bool(flags & FLAG_USER_VERIFIED)
