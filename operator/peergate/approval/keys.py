"""Public keys of key records: reading, checking, naming and verifying (approval-format.md §4, K1 to K5)."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from peergate.approval.base64strict import decode_base64
from peergate.approval.material import (
    KeyHandle,
    KeyProblem,
    check_ecdsa,
    check_ed25519,
    check_rsa,
    wire_of,
)
from peergate.approval.primitives import (
    P256_RAW_BYTES,
    verify_ecdsa_der,
    verify_ecdsa_raw,
    verify_ed25519,
    verify_rsa_pkcs1,
    verify_rsa_pss,
)
from peergate.approval.sshsig import SIGNATURE_ALGORITHMS, parse_sshsig, verify_sshsig
from peergate.approval.sshwire import (
    SSH_ED25519,
    SSH_RSA,
    SSH_SK_ECDSA,
    SSH_SK_ED25519,
    WireReader,
)
from peergate.model.approver import KeyRecord, KeyType
from peergate.model.names import KeyId

__all__ = ["KeyProblem", "PublicKey", "key_id", "read_public_key"]

_PEM: Final = re.compile(
    r"-----BEGIN PUBLIC KEY-----\r?\n((?:[A-Za-z0-9+/=]+\r?\n)+)-----END PUBLIC KEY-----",
)
_CACHED_KEYS: Final = 65_536
"""Parsed keys kept, about 1 kB each: a keyring is built anew with every change of an Approver."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One checked public key, with the one way to verify under it."""

    type: KeyType
    algorithm: str
    """The SSH name of the key's kind, for every type."""
    wire: bytes
    """SSH wire form: what clashes are found by (K6)."""
    id: KeyId
    handle: KeyHandle
    application: bytes = b""
    """Of ``sk-`` keys."""

    @property
    def is_hardware(self) -> bool:
        """Tell whether the key lives in a security key that shows presence (``sk-``)."""
        return self.algorithm in {SSH_SK_ED25519, SSH_SK_ECDSA}

    def verify(self, *, signature: bytes, pae: bytes) -> int:
        """Check a signature over PAE; return the flags of an ``sk-`` key, else 0.

        Errors: InvalidSignature or ValueError; no other.
        Source: approval-format.md §4.1, V11. Does not look at the flags (V12) or at validity (V23).
        """
        if self.type == "ssh":
            parsed = parse_sshsig(signature)
            if parsed.public_key != self.wire:
                raise InvalidSignature
            return verify_sshsig(
                parsed,
                key=self.handle,
                key_type=self.algorithm,
                application=self.application,
                pae=pae,
            )
        match self.handle:
            case Ed25519PublicKey() as key:
                verify_ed25519(key, signature=signature, message=pae)
            case RSAPublicKey() as key:
                check = verify_rsa_pss if self.type == "rsa-pss-sha256" else verify_rsa_pkcs1
                check(key, signature=signature, message=pae)
            case key:
                raw = len(signature) == P256_RAW_BYTES
                (verify_ecdsa_raw if raw else verify_ecdsa_der)(key, signature=signature, message=pae)
        return 0


def key_id(wire: bytes) -> KeyId:
    """Return the id of a key's SSH wire form, as ``ssh-keygen -lf`` prints it (K5)."""
    return KeyId("SHA256:" + b64encode(sha256(wire).digest()).decode().rstrip("="))


def read_public_key(record: KeyRecord) -> PublicKey:
    """Return the public key of a record that passes K1 to K5.

    Errors: KeyProblem, with a sentence for people.
    """
    key = _parse(record.type, record.public_key)
    if record.id and record.id != key.id:  # K5
        raise KeyProblem(f"The record says its id is {record.id}, but the key's id is {key.id}.")
    return key


@lru_cache(maxsize=_CACHED_KEYS)
def _parse(type_: KeyType, text: str) -> PublicKey:
    if type_ == "ssh":
        return _parse_ssh(text)
    handle = _parse_pem(type_, text)
    wire = wire_of(handle)
    return PublicKey(
        type=type_,
        algorithm=WireReader(wire).text(),
        wire=wire,
        id=key_id(wire),
        handle=handle,
    )


def _parse_pem(type_: KeyType, text: str) -> KeyHandle:
    """Return the one key of a PEM SubjectPublicKeyInfo (K1), its numbers checked (K2 to K4)."""
    found = _PEM.fullmatch(text.strip())
    if found is None:
        raise KeyProblem("The key is not exactly one PEM block PUBLIC KEY.")
    try:
        der = decode_base64("".join(found[1].split()))
        loaded = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyProblem("The PEM block holds no public key that can be read.") from error
    match type_, loaded:
        case "ed25519", Ed25519PublicKey():
            handle: KeyHandle = check_ed25519(loaded.public_bytes(Encoding.Raw, PublicFormat.Raw))
        case "ecdsa-p256", EllipticCurvePublicKey(curve=SECP256R1()):
            handle = check_ecdsa(loaded.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))
        case (("rsa-pkcs1-sha256" | "rsa-pss-sha256"), RSAPublicKey()):
            numbers = loaded.public_numbers()
            handle = check_rsa(modulus=numbers.n, exponent=numbers.e)
        case _:
            raise KeyProblem(f"The PEM block holds no key of the type {type_}.")
    # One spelling for each key: no parameters, compressed points or other encodings of the same.
    if handle.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != der:
        raise KeyProblem("The PEM block is not in the usual encoding; convert it with openssl pkey -pubin.")
    return handle


def _parse_ssh(text: str) -> PublicKey:
    """Return the key of one OpenSSH public key line (K1)."""
    line = text.strip()
    name, _, rest = line.partition(" ")
    if len(line.splitlines()) != 1 or name not in SIGNATURE_ALGORITHMS:
        kinds = ", ".join(SIGNATURE_ALGORITHMS)
        raise KeyProblem(f"The key is not one OpenSSH line, without options, that starts with: {kinds}.")
    try:
        wire = decode_base64(rest.partition(" ")[0])
        handle, application = _read_ssh(wire, name=name)
    except KeyProblem:
        raise
    except ValueError as error:
        raise KeyProblem("The OpenSSH line holds no well-formed key.") from error
    return PublicKey(
        type="ssh",
        algorithm=name,
        wire=wire,
        id=key_id(wire),
        handle=handle,
        application=application,
    )


def _read_ssh(wire: bytes, *, name: str) -> tuple[KeyHandle, bytes]:
    """Return key and application of a wire form, the numbers checked (K2 to K4)."""
    reader = WireReader(wire)
    if reader.text() != name:
        raise KeyProblem("The OpenSSH line names another kind of key than it holds.")
    handle: KeyHandle
    if name == SSH_RSA:
        exponent, modulus = reader.mpint(), reader.mpint()
        handle = check_rsa(modulus=modulus, exponent=exponent)
    elif name in {SSH_ED25519, SSH_SK_ED25519}:
        handle = check_ed25519(reader.string())
    elif reader.text() == "nistp256":
        handle = check_ecdsa(reader.string())
    else:
        raise KeyProblem("The ECDSA key is not on the curve P-256.")
    application = reader.string() if name in {SSH_SK_ED25519, SSH_SK_ECDSA} else b""
    reader.end()
    return handle, application
