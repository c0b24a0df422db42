"""Read an approval that somebody hands over: the envelope, and the statement in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from peergate.approval.envelope import MAX_ENVELOPE_BYTES, Envelope, EnvelopeRefused, parse_envelope
from peergate.approval.statement import Statement, StatementMalformed, StatementUnsupported, parse_statement
from peergate.cli.manifest import read_bytes
from peergate.cli.text import visible
from peergate.errors import CommandError
from peergate.model.decision import Code

__all__ = ["Approval", "Malformed", "read_approval", "read_value", "slot_for", "slot_problem"]

_SLOT: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?")
_LONGEST_SLOT: Final = 32
_REFUSED: Final = 3


@dataclass(frozen=True, slots=True)
class Approval:
    """One approval, well-formed and not verified."""

    value: str
    """As it stands in the annotation."""
    envelope: Envelope
    statement: Statement


class Malformed(CommandError):
    """What was handed over is no approval; with the code the gate would give it."""

    def __init__(self, user_message: str, *, code: Code) -> None:
        super().__init__(user_message, exit_code=_REFUSED)
        self.code = code


def read_approval(path: str) -> Approval:
    """Return the approval in a file, or on stdin for ``-``.

    Errors: Malformed (exit code 3) for what the gate would not take as an approval, whoever signed it.
    """
    content = read_bytes(path, what="approval")
    if len(content) > MAX_ENVELOPE_BYTES + 2:
        raise Malformed(
            f"not an approval; it is above {MAX_ENVELOPE_BYTES} bytes; ask the approver for another",
            code=Code.APPROVAL_TOO_LARGE,
        )
    try:
        text = content.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise Malformed(
            "not an approval; it is no UTF-8 text; hand over what peergate approve printed",
            code=Code.APPROVAL_MALFORMED,
        ) from error
    if not text:
        raise CommandError(
            "no approval; the input is empty; hand over what peergate approve printed: -f FILE",
            exit_code=2,
        )
    return read_value(text)


def read_value(text: str) -> Approval:
    """Return the approval in an annotation's value; errors as ``read_approval``."""
    try:
        envelope = parse_envelope(text)
        statement = parse_statement(envelope.payload)
    except EnvelopeRefused as error:
        raise Malformed(
            f"not an approval; {visible(str(error))}; hand over what peergate approve printed",
            code=error.code,
        ) from error
    except StatementUnsupported as error:
        raise Malformed(
            f"not an approval of this version; {visible(str(error))}; ask the approver for another",
            code=Code.UNSUPPORTED_TYPE,
        ) from error
    except StatementMalformed as error:
        raise Malformed(
            f"not an approval; {visible(str(error))}; ask the approver for another",
            code=Code.APPROVAL_MALFORMED,
        ) from error
    return Approval(value=text, envelope=envelope, statement=statement)


def slot_for(identity: str) -> str:
    """Return the slot for an approver: the short name, ``alice`` of ``alice@example.com``.

    Source: approval-format.md §1.2; a slot never influences a verdict.
    """
    short = re.sub(r"[^a-z0-9]+", "-", identity.partition("@")[0].lower()).strip("-")
    return short[:_LONGEST_SLOT].strip("-") or "approver"


def slot_problem(slot: str) -> str:
    """Return why the text is no slot; empty if it is one."""
    return "" if _SLOT.fullmatch(slot) else f"{visible(slot, limit=60)!r} is no slot; write it like alice"
