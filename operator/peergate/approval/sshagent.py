"""What an ssh-agent is told and answers, as bytes; the socket is the caller's (draft-ietf-sshm-ssh-agent).

An agent holds the keys that no file gives away, ``sk-`` hardware keys among them.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import Final

from peergate.approval.keys import PublicKey, read_public_key
from peergate.approval.sshsig import signed_data, write_sshsig
from peergate.approval.sshwire import SSH_RSA, WireReader, wire_string, wire_u32
from peergate.model.approver import KeyRecord

__all__ = [
    "LIST_KEYS",
    "MAX_REPLY_BYTES",
    "AgentKey",
    "AgentRefused",
    "read_keys",
    "read_signature",
    "sign_request",
]

LIST_KEYS: Final = b"\x00\x00\x00\x01\x0b"
"""The request for the agent's keys (SSH_AGENTC_REQUEST_IDENTITIES), with its length."""
MAX_REPLY_BYTES: Final = 256 * 1024
"""As OpenSSH bounds them. A reply is four bytes of length and so many more."""
_IDENTITIES_ANSWER: Final = 12
_SIGN_REQUEST: Final = b"\x0d"
_SIGN_RESPONSE: Final = 14
_RSA_SHA2_512: Final = 4


class AgentRefused(ValueError):
    """The agent did not do what it was asked: locked, not confirmed, not touched, or broken."""


@dataclass(frozen=True, slots=True)
class AgentKey:
    """One key in the agent that approvals can be signed with."""

    public: PublicKey
    comment: str


def read_keys(reply: bytes) -> tuple[AgentKey, ...]:
    """Return the agent's keys, in its order, but those that can't sign approvals.

    ``reply`` is without the length in front.
    Errors: AgentRefused.
    """
    reader = _answer(reply, kind=_IDENTITIES_ANSWER, otherwise="The ssh-agent did not list its keys.")
    keys = []
    try:
        for _ in range(reader.u32()):
            wire, comment = reader.string(), reader.string().decode(errors="replace")
            public = _usable(wire)
            if public is not None:
                keys.append(AgentKey(public=public, comment=comment))
        reader.end()
    except ValueError as error:
        raise AgentRefused("The ssh-agent answered with something else than a list of keys.") from error
    return tuple(keys)


def sign_request(key: PublicKey, *, pae: bytes) -> bytes:
    """Return the request to sign PAE, with its length in front."""
    flags = _RSA_SHA2_512 if key.algorithm == SSH_RSA else 0
    return wire_string(
        _SIGN_REQUEST + wire_string(key.wire) + wire_string(signed_data(pae)) + wire_u32(flags),
    )


def read_signature(reply: bytes, *, key: PublicKey) -> bytes:
    """Return the SSHSIG in the agent's answer to ``sign_request``; not verified yet.

    Errors: AgentRefused.
    """
    reader = _answer(
        reply,
        kind=_SIGN_RESPONSE,
        otherwise="The ssh-agent did not sign; unlock it, or touch the key when it asks.",
    )
    try:
        blob = reader.string()
        reader.end()
    except ValueError as error:
        raise AgentRefused("The ssh-agent answered with something else than a signature.") from error
    return write_sshsig(key.wire, blob)


def _answer(reply: bytes, *, kind: int, otherwise: str) -> WireReader:
    if reply[:1] != bytes((kind,)):
        raise AgentRefused(otherwise)
    return WireReader(reply[1:])


def _usable(wire: bytes) -> PublicKey | None:
    """Return a key of the agent, ``None`` for a certificate, a weak key or another kind."""
    try:
        line = f"{WireReader(wire).text()} {b64encode(wire).decode()}"
        return read_public_key(KeyRecord(type="ssh", public_key=line))
    except ValueError:
        # KeyProblem is one; so is pydantic's word for a key longer than any record takes.
        return None
