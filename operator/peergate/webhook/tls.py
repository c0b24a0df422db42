"""Certificates of the HTTPS edge: made, checked, loaded into the live listener.

The CA's private key never leaves the function that makes it: kept anywhere, it would be readable by any agent
that may read Secrets. A renewal makes a new CA, and both stand in the bundle for a while.
"""

from __future__ import annotations

import logging
import os
import ssl
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from peergate.errors import ConfigError

__all__ = [
    "Material",
    "check_material",
    "expiry_of",
    "join_bundles",
    "load_into",
    "own_client",
    "present",
    "require_clients",
    "self_signed",
    "serving_context",
]

_LOG: Final = logging.getLogger(__name__)
_LIFETIME: Final = timedelta(days=365)
_CLIENT_LIFETIME: Final = timedelta(days=3650)
_BACKDATED: Final = timedelta(hours=1)
"""For API servers whose clock is behind."""
_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2; all those of TLS 1.3 are sound."""


@dataclass(frozen=True, slots=True)
class Material:
    """What a listener serves with, and what its clients check it against; all PEM."""

    ca_pem: bytes
    """One or more CA certificates."""
    cert_pem: bytes
    """The chain, the serving certificate first."""
    key_pem: bytes = field(repr=False)
    """Unencrypted."""


def self_signed(names: Sequence[str], *, now: datetime) -> Material:
    """Return a new serving certificate and the new CA that signed it and can sign nothing more.

    Shape: P-256; ``names`` are DNS names and IP addresses, all of them subject alternative names.
    Units: valid from an hour before ``now`` for 365 days.
    Errors: ValueError without names.
    """
    return _issued(names, usage=ExtendedKeyUsageOID.SERVER_AUTH, now=now, lifetime=_LIFETIME)


def own_client(name: str, *, now: datetime) -> Material:
    """Return a client certificate of this process, likewise; it outlives every process."""
    return _issued([name], usage=ExtendedKeyUsageOID.CLIENT_AUTH, now=now, lifetime=_CLIENT_LIFETIME)


def _issued(
    names: Sequence[str], *, usage: x509.ObjectIdentifier, now: datetime, lifetime: timedelta
) -> Material:
    if not names:
        raise ValueError("a certificate needs a name")
    span = (now - _BACKDATED, now + lifetime)
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"peergate {now:%Y-%m-%dT%H:%M:%SZ}")])
    ca = (
        _builder(ca_name, issuer=ca_name, key=ca_key.public_key(), span=span)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    certificate = (
        _builder(subject, issuer=ca_name, key=key.public_key(), span=span)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(key_cert_sign=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(authority, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    return Material(
        ca_pem=ca.public_bytes(serialization.Encoding.PEM),
        cert_pem=certificate.public_bytes(serialization.Encoding.PEM),
        key_pem=key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


def serving_context(material: Material) -> ssl.SSLContext:
    """Return the listener's context: TLS 1.2 and up, HTTP/1.1 only.

    An ALPN answer of h2 without support for it would fail every call (C17).
    Errors: ConfigError if certificate and key can't be served.
    """
    context = _bare_context()
    _load(context, material)
    return context


def require_clients(context: ssl.SSLContext, *, ca_pem: bytes) -> None:
    """Have a listener's context ask every client for a certificate of these CAs, beside those of before.

    No tickets are given out: a certificate that has ended can't live on in one.
    Errors: ConfigError if there is no CA in it; the context asks for certificates all the same.
    """
    context.verify_mode = ssl.CERT_REQUIRED
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    try:
        context.load_verify_locations(cadata=ca_pem.decode("ascii"))
    except (ValueError, ssl.SSLError) as error:
        raise ConfigError("the CAs of clients hold no certificate in PEM", context=str(error)) from error


def present(context: ssl.SSLContext, material: Material) -> None:
    """Have a client's context present this certificate. Errors: ConfigError."""
    _load(context, material)


def load_into(context: ssl.SSLContext, material: Material, *, now: datetime) -> None:
    """Put a new chain into the live context: new handshakes get it, open connections go on.

    Errors: ConfigError if it can't be served or has ended; then the context is as it was.
    """
    check_material(material, now=now)
    _load(context, material)
    _LOG.info("serving a certificate that ends %s", expiry_of(material.cert_pem).isoformat())


def check_material(material: Material, *, now: datetime) -> None:
    """Check that the pair can be served, without touching anything that is live.

    Errors: ConfigError: not PEM, the key is not the certificate's, or the certificate has ended.
    """
    _load(_bare_context(), material)
    ends = expiry_of(material.cert_pem)
    if ends <= now:
        raise ConfigError(f"the serving certificate ended at {ends.isoformat()}")


def expiry_of(pem: bytes) -> datetime:
    """Return when the first of these certificates to end does so, in UTC.

    Errors: ConfigError if there is none.
    """
    return min(certificate.not_valid_after_utc for certificate in _certificates(pem))


def join_bundles(*bundles: bytes, now: datetime) -> bytes:
    """Return the CA certificates of all bundles, first come first, without repeats and ended ones.

    Errors: ConfigError if a bundle holds none.
    """
    joined: dict[bytes, None] = {}
    for bundle in bundles:
        for certificate in _certificates(bundle):
            if certificate.not_valid_after_utc > now:
                joined[certificate.public_bytes(serialization.Encoding.PEM)] = None
    return b"".join(joined)


def _certificates(pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise ConfigError("no certificate in PEM", context=str(error)) from error


def _bare_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    return context


def _load(context: ssl.SSLContext, material: Material) -> None:
    try:
        with _as_file(material.cert_pem) as certificate, _as_file(material.key_pem) as key:
            context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = getattr(error, "reason", None) or type(error).__name__
        raise ConfigError("certificate and key can't be served", context=str(reason)) from error


def _no_password() -> str:
    raise ValueError("the key is encrypted")


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """Give the bytes a path: the standard library loads from files only, and a key shall not touch a disk."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("peergate")
        with os.fdopen(descriptor, "wb") as memory:
            memory.write(content)
            memory.flush()
            yield f"/proc/self/fd/{descriptor}"
    else:
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            yield file.name


def _builder(
    subject: x509.Name,
    *,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    span: tuple[datetime, datetime],
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(span[0])
        .not_valid_after(span[1])
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, key_cert_sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not key_cert_sign,
        key_cert_sign=key_cert_sign,
        crl_sign=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    address: IPv4Address | IPv6Address
    try:
        address = ip_address(name)
    except ValueError:
        return x509.DNSName(name)
    return x509.IPAddress(address)
