"""What a signed value says by itself, whatever it is held against: V7 to V13 of approval-format.md §7.

That depends on the value and the keyring alone, so what was found good is kept for as long as the keyring is
the same one: a signature is checked when it first shows up, and the change that it approves finds it checked.
Any change of any Approver makes another keyring, and for that one nothing is kept yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from cryptography.exceptions import InvalidSignature

from peergate.approval.carriers import collect
from peergate.approval.envelope import Envelope, EnvelopeRefused, pae, parse_envelope
from peergate.approval.keyring import Keyring, RegisteredApprover, RegisteredKey
from peergate.approval.sshsig import FLAG_USER_PRESENT, FLAG_USER_VERIFIED, is_sshsig, parse_sshsig
from peergate.approval.statement import (
    Statement,
    StatementMalformed,
    StatementUnsupported,
    parse_statement,
)
from peergate.model.decision import Code
from peergate.model.names import Digest

__all__ = ["Signed", "Unsigned", "open_ahead", "open_signed"]

_KEPT: Final = 512
"""Values kept for a keyring, 5 to 20 kB each. Only what a registered key signed gets in."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A value that a registered key signed, and what it states."""

    payload: Digest
    """SHA-256 of the payload: the identity of the approval, since envelopes are malleable (A11)."""
    statement: Statement
    approver: RegisteredApprover
    key: RegisteredKey


@dataclass(frozen=True, slots=True)
class Unsigned:
    """A value that is none, and why."""

    code: Code
    step: int
    """7 to 13: how far it got."""
    approver: str = ""
    """The identity whose key signed; empty as long as none is known."""
    payload: Digest | None = None
    """``None`` before V11."""


def open_signed(value: str, *, keyring: Keyring) -> Signed | Unsigned:
    """Return what an annotation's value states and who signed it, or why it is no approval.

    Units and limits: at most 8,192 bytes are read, at most 16 keys tried, limits before cryptography.
    Errors: none; never raises. Can be called from several threads.
    Source: V7 to V13.
    """
    known = keyring.seen.get(value)
    if isinstance(known, Signed):
        return known
    found = _open(value, keyring=keyring)
    if isinstance(found, Signed):
        keyring.seen[value] = found
        if len(keyring.seen) > _KEPT:
            keyring.seen.popitem(last=False)
    return found


def open_ahead(annotations: Mapping[str, Any] | None, *, keyring: Keyring) -> None:
    """Open the approvals on a carrier now, so that the change which they approve finds them opened.

    Units and limits: at most 8 values, as of any carrier (V6). Never raises.
    """
    for item in collect(annotations).approvals:
        open_signed(item.value, keyring=keyring)


def _open(value: str, *, keyring: Keyring) -> Signed | Unsigned:
    try:
        envelope = parse_envelope(value)
    except EnvelopeRefused as refusal:
        return Unsigned(code=refusal.code, step=refusal.step)
    payload = Digest(sha256(envelope.payload).hexdigest())
    found = _find_signer(envelope, keyring=keyring)
    if isinstance(found, Code):
        return Unsigned(code=found, step=11, payload=payload)
    key, flags = found
    approver = keyring.approvers[key.identity]
    if not _flags_suffice(key, flags=flags):
        return Unsigned(code=Code.USER_PRESENCE_MISSING, step=12, approver=approver.identity, payload=payload)
    # V13: the verified bytes, parsed here and nowhere else (A7).
    try:
        statement = parse_statement(envelope.payload)
    except StatementMalformed:
        code = Code.APPROVAL_MALFORMED
    except StatementUnsupported:
        code = Code.UNSUPPORTED_TYPE
    else:
        return Signed(payload=payload, statement=statement, approver=approver, key=key)
    return Unsigned(code=code, step=13, approver=approver.identity, payload=payload)


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
