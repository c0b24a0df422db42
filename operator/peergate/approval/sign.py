"""Signing: private keys in files, and signatures made elsewhere.

Private keys live as long as the caller holds them; nothing here writes, copies or sends one.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from peergate.approval.keys import KeyProblem, PublicKey, read_public_key
from peergate.approval.primitives import PSS_PADDING, SHA_256
from peergate.approval.sshsig import signed_data, write_sshsig
from peergate.approval.sshwire import SSH_RSA, wire_mpint, wire_string
from peergate.model.approver import KeyRecord, KeyType
from peergate.model.names import KeyId

__all__ = [
    "ApprovalSigner",
    "ExternalSignature",
    "PassphraseNeeded",
    "Signer",
    "load_private_key",
    "public_line",
]

_PrivateKey: TypeAlias = Ed25519PrivateKey | EllipticCurvePrivateKey | RSAPrivateKey
_OPENSSH: Final = b"-----BEGIN OPENSSH PRIVATE KEY-----"
_RSA_SIGNATURE: Final = "rsa-sha2-512"


class PassphraseNeeded(KeyProblem):
    """The key is encrypted, and the passphrase is missing or wrong: asking again may help."""


class ApprovalSigner(Protocol):
    """What turns PAE into the signature that goes into an envelope."""

    @property
    def key_id(self) -> KeyId:
        """Return the id of the key that signs."""

    @property
    def key_type(self) -> KeyType:
        """Return the type that the key is registered under."""

    def sign(self, pae: bytes) -> bytes:
        """Return the signature over PAE."""


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key from a file."""

    public: PublicKey
    _private: _PrivateKey

    @property
    def key_id(self) -> KeyId:
        """Return the id of the key, as it is registered."""
        return self.public.id

    @property
    def key_type(self) -> KeyType:
        """Return the type under which signatures of this key verify."""
        return self.public.type

    @property
    def public_line(self) -> str:
        """Return the public key as an OpenSSH line, for every type."""
        return public_line(self.public)

    def sign(self, pae: bytes) -> bytes:
        """Return the signature over PAE in the encoding of the key's type; SSHSIG in binary."""
        if self.key_type == "ssh":
            return write_sshsig(self.public.wire, self._ssh_blob(signed_data(pae)))
        match self._private:
            case Ed25519PrivateKey() as key:
                return key.sign(pae)
            case RSAPrivateKey() as key:
                padding = PSS_PADDING if self.key_type == "rsa-pss-sha256" else PKCS1v15()
                return key.sign(pae, padding, SHA_256)
            case key:
                return key.sign(pae, ECDSA(SHA_256))

    def _ssh_blob(self, data: bytes) -> bytes:
        match self._private:
            case Ed25519PrivateKey() as key:
                raw = key.sign(data)
            case RSAPrivateKey() as key:
                raw = key.sign(data, PKCS1v15(), SHA512())
            case key:
                raw = b"".join(map(wire_mpint, decode_dss_signature(key.sign(data, ECDSA(SHA_256)))))
        algorithm = self.public.algorithm
        return wire_string(_RSA_SIGNATURE if algorithm == SSH_RSA else algorithm) + wire_string(raw)


@dataclass(frozen=True, slots=True)
class ExternalSignature:
    """A signature that a key service or another program made over PAE."""

    public: PublicKey
    signature: bytes

    @property
    def key_id(self) -> KeyId:
        """Return the id of the key that is said to have signed."""
        return self.public.id

    @property
    def key_type(self) -> KeyType:
        """Return the type it is registered under."""
        return self.public.type

    def sign(self, pae: bytes) -> bytes:
        """Return the signature, once it verifies over PAE.

        Errors: KeyProblem if it doesn't.
        """
        try:
            self.public.verify(signature=self.signature, pae=pae)
        except (InvalidSignature, ValueError) as error:
            raise KeyProblem(f"The signature is not by key {self.public.id} over these bytes.") from error
        return self.signature


def load_private_key(
    data: bytes,
    passphrase: bytes | None = None,
    *,
    key_type: KeyType | None = None,
) -> Signer:
    """Return the signer of a private key file.

    Shape: OpenSSH (signs as ``ssh``) or PEM (signs as ``ed25519``, ``ecdsa-p256`` or ``rsa-pkcs1-sha256``);
    ``key_type`` says otherwise, for a key that is registered so.
    Errors:
        PassphraseNeeded: encrypted, and the passphrase is missing or wrong.
        KeyProblem: no private key, of another kind, too weak (K2 to K4), or not of ``key_type``.
    """
    is_openssh = data.lstrip().startswith(_OPENSSH)
    try:
        private = (load_ssh_private_key if is_openssh else load_pem_private_key)(data, passphrase)
    except TypeError as error:
        # A passphrase for a key that has none comes here too; then it is only not needed.
        if passphrase:
            return load_private_key(data, key_type=key_type)
        raise PassphraseNeeded("The key is encrypted; its passphrase is needed.") from error
    except UnsupportedAlgorithm as error:
        raise KeyProblem(
            "The key, or its encryption, can't be read here; add it to ssh-agent and sign with that.",
        ) from error
    except ValueError as error:
        if passphrase:
            raise PassphraseNeeded("The passphrase is wrong, or the file holds no private key.") from error
        raise KeyProblem("The file holds no private key in OpenSSH or PEM form.") from error
    if not isinstance(private, _PrivateKey):
        raise KeyProblem("The key is neither Ed25519, ECDSA on P-256 nor RSA.")
    return Signer(
        public=_public_of(private, type_=key_type or _usual_type(private, is_openssh)), _private=private
    )


def public_line(key: PublicKey) -> str:
    """Return a public key as an OpenSSH line, without comment."""
    return f"{key.algorithm} {b64encode(key.wire).decode()}"


def _usual_type(private: _PrivateKey, is_openssh: bool) -> KeyType:  # noqa: FBT001 - a fact, not a mode
    if is_openssh:
        return "ssh"
    match private:
        case Ed25519PrivateKey():
            return "ed25519"
        case RSAPrivateKey():
            return "rsa-pkcs1-sha256"
        case _:
            return "ecdsa-p256"


def _public_of(private: _PrivateKey, *, type_: KeyType) -> PublicKey:
    """Return the public half as it would be registered: checked as any other key record."""
    public = private.public_key()
    if type_ == "ssh":
        text = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    else:
        text = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return read_public_key(KeyRecord(type=type_, public_key=text.decode()))
