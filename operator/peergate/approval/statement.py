"""Statements as bytes: reading what was verified, writing what is to be signed (approval-format.md §3)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final, get_args

from pydantic import ValidationError

from peergate.approval.base64strict import encode_nonce
from peergate.approval.envelope import MAX_DEPTH, MAX_PAYLOAD_BYTES
from peergate.approval.predicate import Predicate, Statement
from peergate.approval.strict import strict_json
from peergate.model.change import Change, Projection
from peergate.model.names import Digest, JsonObject
from peergate.model.wire import format_instant

__all__ = [
    "PREDICATE_TYPE",
    "STATEMENT_TYPE",
    "Predicate",
    "Statement",
    "StatementMalformed",
    "StatementUnsupported",
    "parse_statement",
    "write_statement",
]

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "https://peergate.dev/peer-approval/v1"


class StatementMalformed(ValueError):
    """The payload breaks the format (V13, ``ApprovalMalformed``)."""


class StatementUnsupported(ValueError):
    """Another attestation, or a version of later days (V13, ``UnsupportedType``)."""


def parse_statement(payload: bytes) -> Statement:
    """Return the statement in a payload, every rule of approval-format.md §3 checked.

    To be called once, with the bytes that were verified (V13, A7).
    Errors:
        StatementMalformed: it breaks the format.
        StatementUnsupported: its type, predicate type or projection is none of v1.
    """
    try:
        document = strict_json(payload, max_depth=MAX_DEPTH)
    except ValueError as error:
        raise StatementMalformed("the payload is not strict JSON") from error
    _check_types(document)
    try:
        return Statement.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"])) or "statement"
        raise StatementMalformed(f"{where}: {first['msg']}") from error


def write_statement(
    change: Change,
    *,
    approver: str,
    issued_at: datetime,
    expires: datetime,
    nonce: bytes,
    reason: str,
    ignore: Sequence[str] = (),
    policy: tuple[str, Digest] | None = None,
    display: Digest | None = None,
) -> bytes:
    """Return the payload that approves a change: what is to be signed.

    Shape: compact JSON, members in the order of approval-format.md §3; read back before it is returned, so
    nothing malformed gets signed. ``nonce`` is 16 to 32 random bytes.
    Errors: StatementMalformed; also above 3,900 bytes.
    """
    ref = change.object
    predicate: JsonObject = {
        "audience": change.audience,
        "operation": change.operation,
        "object": asdict(ref),
        "requester": {"username": change.requester.username, "uid": change.requester.uid},
        "approver": approver,
        "projection": change.projection,
        "from": {"sha256": change.from_},
        **({} if change.to is None else {"to": {"sha256": change.to}}),
        "ignore": list(ignore),
        "options": dict(change.options),
        "issuedAt": format_instant(issued_at),
        "expires": format_instant(expires),
        "nonce": encode_nonce(nonce),
        "reason": reason,
        **({} if policy is None else {"policy": {"name": policy[0], "sha256": policy[1]}}),
        **({} if display is None else {"display": {"sha256": display}}),
    }
    document = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": ref.subject_name, "digest": {"sha256": change.from_}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": predicate,
    }
    try:
        payload = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError as error:
        raise StatementMalformed("a text holds a lone surrogate") from error
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise StatementMalformed(f"the statement is above {MAX_PAYLOAD_BYTES} bytes")
    parse_statement(payload)
    return payload


def _check_types(document: object) -> None:
    """Tell another attestation, or one of later days, from a broken one."""
    known: Mapping[str, Sequence[Any]] = {"_type": (STATEMENT_TYPE,), "predicateType": (PREDICATE_TYPE,)}
    if not isinstance(document, dict):
        raise StatementMalformed("the payload is no object")
    for member, values in known.items():
        if isinstance(document.get(member), str) and document[member] not in values:
            raise StatementUnsupported(f"another {member}")
    match document:
        case {"predicate": {"projection": str() as projection}} if projection not in get_args(Projection):
            raise StatementUnsupported("another projection")
