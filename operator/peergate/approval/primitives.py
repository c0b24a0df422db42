"""The five signature algorithms, each with its one encoding (approval-format.md §4.1).

The algorithm comes from the registered key alone, never from what was sent (A1).
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, HashAlgorithm

__all__ = [
    "P256_RAW_BYTES",
    "PSS_PADDING",
    "SHA_256",
    "verify_ecdsa_der",
    "verify_ecdsa_numbers",
    "verify_ecdsa_raw",
    "verify_ed25519",
    "verify_rsa_pkcs1",
    "verify_rsa_pss",
]

P256_RAW_BYTES: Final = 64
SHA_256: Final = SHA256()
PSS_PADDING: Final = PSS(mgf=MGF1(SHA_256), salt_length=32)
_HALF: Final = P256_RAW_BYTES // 2


def verify_ed25519(key: Ed25519PublicKey, *, signature: bytes, message: bytes) -> None:
    """Check a signature of 64 bytes (RFC 8032).

    Errors: InvalidSignature.
    """
    key.verify(signature, message)


def verify_ecdsa_numbers(key: EllipticCurvePublicKey, *, r: int, s: int, message: bytes) -> None:
    """Check a signature given as its two numbers.

    Errors: InvalidSignature.
    """
    key.verify(encode_dss_signature(r, s), message, ECDSA(SHA_256))


def verify_ecdsa_raw(key: EllipticCurvePublicKey, *, signature: bytes, message: bytes) -> None:
    """Check a signature of exactly 64 bytes, r and s in 32 bytes each.

    Errors: InvalidSignature.
    """
    r, s = int.from_bytes(signature[:_HALF]), int.from_bytes(signature[_HALF:])
    verify_ecdsa_numbers(key, r=r, s=s, message=message)


def verify_ecdsa_der(key: EllipticCurvePublicKey, *, signature: bytes, message: bytes) -> None:
    """Check a signature in strict DER.

    Errors: InvalidSignature; ValueError if it is no DER, or BER of another spelling: the library's parser is
    strict, and tests hold it to that.
    """
    r, s = decode_dss_signature(signature)
    verify_ecdsa_numbers(key, r=r, s=s, message=message)


def verify_rsa_pkcs1(
    key: RSAPublicKey,
    *,
    signature: bytes,
    message: bytes,
    hash_: HashAlgorithm = SHA_256,
) -> None:
    """Check a PKCS#1 v1.5 signature of the modulus' length.

    Errors: InvalidSignature.
    """
    key.verify(signature, message, PKCS1v15(), hash_)


def verify_rsa_pss(key: RSAPublicKey, *, signature: bytes, message: bytes) -> None:
    """Check a PSS signature: SHA-256, MGF1 with SHA-256, a salt of 32 bytes, the modulus' length.

    Errors: InvalidSignature.
    """
    key.verify(signature, message, PSS_PADDING, SHA_256)
