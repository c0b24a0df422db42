"""SSHSIG: the signatures of ``ssh-keygen -Y sign`` and of ssh-agent (approval-format.md §4.2).

``ssh-keygen -Y verify`` does not look at the flags of hardware keys; here they are returned, and V12 does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256, sha512
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA512

from peergate.approval.base64strict import decode_base64, encode_base64
from peergate.approval.material import KeyHandle
from peergate.approval.primitives import SHA_256, verify_ecdsa_numbers, verify_ed25519, verify_rsa_pkcs1
from peergate.approval.sshwire import (
    SSH_ECDSA,
    SSH_ED25519,
    SSH_RSA,
    SSH_SK_ECDSA,
    SSH_SK_ED25519,
    WireReader,
    wire_string,
    wire_u32,
)

__all__ = [
    "FLAG_USER_PRESENT",
    "FLAG_USER_VERIFIED",
    "NAMESPACE",
    "SIGNATURE_ALGORITHMS",
    "SshSignature",
    "armor",
    "is_sshsig",
    "parse_sshsig",
    "signed_data",
    "verify_sshsig",
    "write_sshsig",
]

NAMESPACE: Final = "peer-approval@peergate.dev"
"""Keeps signatures on files, commits and mails from being approvals (A4)."""
SIGNATURE_ALGORITHMS: Final = {
    SSH_ED25519: frozenset({SSH_ED25519}),
    SSH_ECDSA: frozenset({SSH_ECDSA}),
    SSH_RSA: frozenset({"rsa-sha2-256", "rsa-sha2-512"}),
    SSH_SK_ED25519: frozenset({SSH_SK_ED25519}),
    SSH_SK_ECDSA: frozenset({SSH_SK_ECDSA}),
}
"""Key type to signature algorithms; no SHA-1 (A9), no certificates, no webauthn."""
FLAG_USER_PRESENT: Final = 0x01
FLAG_USER_VERIFIED: Final = 0x04

_HASHES: Final = {"sha256": sha256, "sha512": sha512}
_MAGIC: Final = b"SSHSIG"
_VERSION: Final = 1
_ARMOR_START: Final = b"-----BEGIN SSH SIGNATURE-----"
_ARMOR_END: Final = b"-----END SSH SIGNATURE-----"
_ARMOR: Final = re.compile(_ARMOR_START + rb"\r?\n((?:[A-Za-z0-9+/=]+\r?\n)+)" + _ARMOR_END + rb"(?:\r?\n)?")
_ARMOR_WIDTH: Final = 70
_FLAGS_REFUSED: Final = 0x40 | 0x80
"""Attested credential and extension data: what they announce is not in these bytes."""


@dataclass(frozen=True, slots=True)
class SshSignature:
    """One SSHSIG, parsed and not verified."""

    public_key: bytes
    """Wire form: selects a registered key and is not trusted otherwise (§4.2 rule 3)."""
    hash: str
    blob: bytes
    """The inner signature: algorithm, bytes, and of ``sk-`` types flags and counter."""


def is_sshsig(signature: bytes) -> bool:
    """Tell whether the bytes claim to be an SSHSIG, binary or armored."""
    return signature.startswith((_MAGIC, _ARMOR_START))


def signed_data(pae: bytes, *, hash: str = "sha512") -> bytes:  # noqa: A002 - SSHSIG's own name for it
    """Return the bytes that an SSH key, or ssh-agent, signs.

    ``hash`` is ``sha256`` or ``sha512``.
    """
    return (
        _MAGIC
        + wire_string(NAMESPACE)
        + wire_string("")
        + wire_string(hash)
        + wire_string(_HASHES[hash](pae).digest())
    )


def write_sshsig(public_key: bytes, signature: bytes, *, hash: str = "sha512") -> bytes:  # noqa: A002
    """Return the binary SSHSIG of a key's wire form and a signature blob over ``signed_data``."""
    return (
        _MAGIC
        + wire_u32(_VERSION)
        + wire_string(public_key)
        + wire_string(NAMESPACE)
        + wire_string("")
        + wire_string(hash)
        + wire_string(signature)
    )


def armor(sshsig: bytes) -> bytes:
    """Return an SSHSIG as the text that ``ssh-keygen`` reads and writes."""
    text = encode_base64(sshsig)
    lines = [text[start : start + _ARMOR_WIDTH].encode() for start in range(0, len(text), _ARMOR_WIDTH)]
    return b"\n".join((_ARMOR_START, *lines, _ARMOR_END, b""))


def parse_sshsig(signature: bytes) -> SshSignature:
    """Return the parts of a binary or armored SSHSIG.

    Errors: ValueError: another version, namespace or hash, reserved bytes, trailing bytes, loose armor.
    """
    if signature.startswith(_ARMOR_START):
        found = _ARMOR.fullmatch(signature)
        if found is None:
            raise ValueError("the armor is not well-formed")
        signature = decode_base64(found[1].replace(b"\r", b"").replace(b"\n", b"").decode())
    reader = WireReader(signature)
    if reader.take(len(_MAGIC)) != _MAGIC or reader.u32() != _VERSION:
        raise ValueError("not an SSHSIG of version 1")
    public_key = reader.string()
    if reader.text() != NAMESPACE:
        raise ValueError("signed for another namespace")
    if reader.string():
        raise ValueError("the reserved field is not empty")
    hash_ = reader.text()
    if hash_ not in _HASHES:
        raise ValueError("another hash")
    blob = reader.string()
    reader.end()
    return SshSignature(public_key=public_key, hash=hash_, blob=blob)


def verify_sshsig(
    signature: SshSignature,
    *,
    key: KeyHandle,
    key_type: str,
    application: bytes,
    pae: bytes,
) -> int:
    """Check an SSHSIG under a registered key; return the flags of an ``sk-`` type, else 0.

    The caller has compared the embedded key with the registered one. Flags are authentic once this returns;
    whether they suffice is V12.
    Errors: InvalidSignature; ValueError for a malformed blob, an algorithm that is not the key's, flags of
        attestation or extensions.
    """
    message = signed_data(pae, hash=signature.hash)
    reader = WireReader(signature.blob)
    algorithm = reader.text()
    if algorithm not in SIGNATURE_ALGORITHMS[key_type]:
        raise ValueError("the algorithm is not the key's")
    raw = reader.string()
    flags = 0
    if key_type in {SSH_SK_ED25519, SSH_SK_ECDSA}:
        flags, counter = reader.byte(), reader.take(4)
        if flags & _FLAGS_REFUSED:
            raise ValueError("the flags announce more data")
        message = sha256(application).digest() + bytes((flags,)) + counter + sha256(message).digest()
    reader.end()
    _verify_raw(raw, key=key, algorithm=algorithm, message=message)
    return flags


def _verify_raw(raw: bytes, *, key: KeyHandle, algorithm: str, message: bytes) -> None:
    match key:
        case Ed25519PublicKey():
            verify_ed25519(key, signature=raw, message=message)
        case RSAPublicKey():
            hash_ = SHA512() if algorithm == "rsa-sha2-512" else SHA_256
            verify_rsa_pkcs1(key, signature=raw, message=message, hash_=hash_)
        case _:
            numbers = WireReader(raw)
            r, s = numbers.mpint(), numbers.mpint()
            numbers.end()
            verify_ecdsa_numbers(key, r=r, s=s, message=message)
