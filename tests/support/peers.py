"""People and agents who sign, for tests of the gate: real keys, made when first asked for."""

from __future__ import annotations

import dataclasses
import hashlib
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.support.gate import NOW

from peergate.approval.envelope import pae, write_envelope
from peergate.approval.sign import Signer, load_private_key
from peergate.approval.statement import write_statement
from peergate.model.approver import ApproverSpec
from peergate.model.change import Change


@cache
def signer(name: str) -> Signer:
    """Return the private key of that name; the same one each time in one run."""
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return load_private_key(pem, key_type="ssh")


def approver(name: str, *, keys: tuple[str, ...] = (), **spec: Any) -> ApproverSpec:
    """Return the registration of somebody; a person of an owner of its own unless told otherwise."""
    members: dict[str, Any] = {
        "identity": f"{name}@example.com",
        "class": "human",
        "owner": f"team-{name}",
        "keys": [
            {"type": "ssh", "publicKey": signer(key).public_line, **spec.pop("key", {})}
            for key in (keys or (name,))
        ],
        **spec,
    }
    return ApproverSpec.model_validate(members)


def sign(
    change: Change,
    *,
    by: str = "alice",
    identity: str = "",
    issued_at: datetime = NOW,
    ttl: timedelta = timedelta(minutes=10),
    nonce: str = "",
    **members: Any,
) -> str:
    """Return an envelope; every member of the change can be another one than the reviewed change has."""
    statement_members = {name: members.pop(name) for name in ("ignore", "policy") if name in members}
    payload = write_statement(
        dataclasses.replace(change, **members),
        approver=identity or f"{by.split('#', maxsplit=1)[0]}@example.com",
        issued_at=issued_at,
        expires=issued_at + ttl,
        nonce=hashlib.sha256(f"{by}{nonce}".encode()).digest()[:16],
        reason="reviewed",
        **statement_members,
    )
    key = signer(by)
    return write_envelope(payload, key.sign(pae(payload)), key.key_id)
