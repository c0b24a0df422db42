"""Keys and certificates of one development cluster: made at start, gone with its folder."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["Authority", "KeyPair", "write_service_account_key"]

_LIFE = timedelta(days=800)  # clocks of fault tests run far ahead
_BACKDATE = timedelta(hours=1)  # clocks of fault tests run late
_SERVER_NAMES = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost")


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Where a certificate and its private key lie."""

    certificate: Path
    key: Path


class Authority:
    """The cluster's certificate authority; also signs client certificates of people."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "peergate-development")])
        certificate = (
            _builder(self._name, issuer=self._name, key=self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(signs=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.pair = _write(folder, "ca", certificate=certificate, key=self._key)

    def server(self, name: str, *, addresses: Sequence[str] = ()) -> KeyPair:
        """Return a serving certificate for loopback, these addresses and the API server's usual names."""
        names: list[x509.GeneralName] = [x509.DNSName(each) for each in (name, *_SERVER_NAMES)]
        names.extend(x509.IPAddress(ipaddress.ip_address(each)) for each in ("127.0.0.1", *addresses))
        return self._leaf(
            name,
            subject=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
            usage=ExtendedKeyUsageOID.SERVER_AUTH,
            extensions=(x509.SubjectAlternativeName(names),),
        )

    def client(self, name: str, *, username: str, groups: Sequence[str] = ()) -> KeyPair:
        """Return a client certificate: the API server reads user name and groups from its subject."""
        attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, username))
        return self._leaf(name, subject=x509.Name(attributes), usage=ExtendedKeyUsageOID.CLIENT_AUTH)

    def _leaf(
        self,
        name: str,
        *,
        subject: x509.Name,
        usage: x509.ObjectIdentifier,
        extensions: Sequence[x509.ExtensionType] = (),
    ) -> KeyPair:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _builder(subject, issuer=self._name, key=key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return _write(self._folder, name, certificate=builder.sign(self._key, hashes.SHA256()), key=key)


def write_service_account_key(folder: Path) -> KeyPair:
    """Return the key that signs ServiceAccount tokens; in the certificate's place stands the public key."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    pair = KeyPair(certificate=folder / "service-accounts.pub", key=folder / "service-accounts.key")
    pair.certificate.write_bytes(public)
    _write_private(pair.key, key=key)
    return pair


def _builder(
    subject: x509.Name,
    *,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(now + _LIFE)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write(
    folder: Path,
    name: str,
    *,
    certificate: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
) -> KeyPair:
    pair = KeyPair(certificate=folder / f"{name}.crt", key=folder / f"{name}.key")
    pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    _write_private(pair.key, key=key)
    return pair


def _write_private(path: Path, *, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
