"""Make an approval out of a yes: statement, signature, envelope, and the proof that the gate will take it."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from peergate.approval.envelope import pae, write_envelope
from peergate.approval.keys import KeyProblem
from peergate.approval.sign import ApprovalSigner
from peergate.approval.statement import Statement, StatementMalformed, write_statement
from peergate.approval.verify import Refused, Verified, verify_approval
from peergate.cli.dossier import Reviewed
from peergate.cli.pending import Pending
from peergate.cli.text import visible
from peergate.errors import CommandError
from peergate.model.decision import STATE_OF, Code, State

__all__ = ["Issued", "check_same_change", "finish_external", "new_payload", "sign_payload"]

_NONCE_BYTES: Final = 16
_REFUSED: Final = 3
_ENDED: Final = 5
_DIFFERS: Final = 6
_VAULT: Final = re.compile(rb"vault:v\d+:")


@dataclass(frozen=True, slots=True)
class Issued:
    """An approval that holds now."""

    value: str
    """The envelope, as it goes into the annotation."""
    verified: Verified


def new_payload(reviewed: Reviewed, *, identity: str, reason: str, now: datetime, ttl: timedelta) -> bytes:
    """Return the payload to be signed, with a fresh nonce.

    Errors: CommandError with exit code 3 for a change that the format can't express.
    """
    issued = now.replace(microsecond=0)
    try:
        return write_statement(
            reviewed.pending.change,
            approver=identity,
            issued_at=issued,
            expires=issued + ttl,
            nonce=secrets.token_bytes(_NONCE_BYTES),
            reason=reason,
            display=reviewed.display,
        )
    except StatementMalformed as error:
        raise CommandError(
            f"not approvable; the statement can't be written: {visible(str(error))}; "
            "shorten the reason, or check the requester's name",
            exit_code=_REFUSED,
        ) from error


def sign_payload(
    payload: bytes, *, signer: ApprovalSigner, pending: Pending, slot: str, now: datetime
) -> Issued:
    """Return the approval, signed and verified as the gate will verify it.

    Errors: CommandError when the key gives no signature, or the gate would refuse it.
    """
    try:
        signature = signer.sign(pae(payload))
    except KeyProblem as problem:
        raise CommandError(f"no signature; {str(problem).rstrip('.')}; check --key") from problem
    return _verified(
        write_envelope(payload, signature, keyid=signer.key_id), pending=pending, slot=slot, now=now
    )


def finish_external(
    payload: bytes,
    *,
    signature: bytes,
    pending: Pending,
    slot: str,
    now: datetime,
) -> Issued:
    """Return the approval made of a payload and a signature that came from elsewhere.

    Shape: the signature raw, DER, SSHSIG, or one of these in base64, with or without ``vault:v1:``.
    Errors: CommandError with exit code 3 when no registered key made it, or the gate would refuse it.
    """
    last: CommandError | None = None
    for candidate in _spellings(signature):
        try:
            found = _verified(write_envelope(payload, candidate), pending=pending, slot=slot, now=now)
        except CommandError as error:
            # The spelling that verified may still have expired: that is the answer, not another spelling.
            if error.exit_code != _REFUSED:
                raise
            last = last or error
            continue
        value = write_envelope(payload, candidate, keyid=found.verified.key.public.id)
        return Issued(value=value, verified=found.verified)
    raise last or CommandError("no signature; the file is empty; check --signature", exit_code=2)


def check_same_change(statement: Statement, *, pending: Pending) -> None:
    """Refuse a payload that is about another change than the live object gives.

    Errors: CommandError with exit code 6 that says what differs.
    """
    signed, live = statement.change, pending.change
    for what, one, other in (
        ("the cluster", signed.audience, live.audience),
        ("the operation", signed.operation, live.operation),
        ("the object", signed.object, live.object),
        ("the requester", signed.requester, live.requester),
        ("the projection", signed.projection, live.projection),
        ("the object's present state", signed.from_, live.from_),
        ("what it becomes", signed.to, live.to),
        ("the options", dict(signed.options), dict(live.options)),
    ):
        if one != other:
            raise CommandError(
                f"what was signed is not what is there; {what} differs; nothing was issued; start again with "
                "--print-payload",
                exit_code=_DIFFERS,
            )


def _verified(value: str, *, pending: Pending, slot: str, now: datetime) -> Issued:
    outcome = verify_approval(
        value,
        slot=slot,
        target=pending.reviewed,
        keyring=pending.snapshot.keyring,
        terms=pending.match.terms,
        now=now,
    )
    if isinstance(outcome, Refused):
        raise CommandError(
            f"the gate would refuse this approval ({outcome.code}); "
            f"{_ADVICE.get(outcome.code, 'nothing was issued')}; check the key and the Approver object",
            exit_code=_ENDED if STATE_OF[outcome.code] is State.EXPIRED else _REFUSED,
        )
    return Issued(value=value, verified=outcome)


_ADVICE: Final = {
    Code.SIGNATURE_INVALID: "no registered key made this signature over these bytes",
    Code.UNKNOWN_APPROVER: "the key is not registered",
    Code.USER_PRESENCE_MISSING: "the key was not touched",
    Code.APPROVER_MISMATCH: "the key belongs to another approver than the one named",
    Code.EXPIRED: "it has run out meanwhile",
}


def _spellings(signature: bytes) -> Iterator[bytes]:
    if not signature:
        return
    yield signature
    text = _VAULT.sub(b"", signature.strip(), count=1)
    for decode in (base64.b64decode, base64.urlsafe_b64decode):
        try:
            yield decode(b"".join(text.split()))
        except (binascii.Error, ValueError):
            continue
