"""Key material: what makes the numbers of a public key fit to trust (approval-format.md §4.3, K2 to K4).

Libraries load keys that verify anything; these checks come before the first use.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from peergate.approval.sshwire import SSH_ECDSA, SSH_ED25519, SSH_RSA, wire_mpint, wire_string

__all__ = [
    "KeyHandle",
    "KeyProblem",
    "check_ecdsa",
    "check_ed25519",
    "check_rsa",
    "wire_of",
]

KeyHandle: TypeAlias = Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey

_P: Final = 2**255 - 19
_D: Final = -121665 * pow(121666, -1, _P) % _P
_Y8: Final = int.from_bytes(
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    "little",
)
_SMALL_ORDER: Final = frozenset({0, 1, _P - 1, _Y8, _P - _Y8})
"""y of the points of order 1, 2, 4 and 8: under them one fixed signature verifies many messages (A10)."""
_ED25519_BYTES: Final = 32
_UNCOMPRESSED: Final = b"\x04"
"""SEC 1 §2.3.3: then come x and y; the library checks length and curve."""
_RSA_BITS: Final = range(3072, 4097)
_RSA_EXPONENT: Final = 65537


class KeyProblem(ValueError):
    """A key record that must not be used; the text is one sentence for people."""


def check_ed25519(encoded: bytes) -> Ed25519PublicKey:
    """Return the key of 32 bytes (K4).

    Errors: KeyProblem: another length, a coordinate out of range, no point of the curve, small order.
    """
    if len(encoded) != _ED25519_BYTES:
        raise KeyProblem(f"An Ed25519 key has {_ED25519_BYTES} bytes, this one has {len(encoded)}.")
    y = int.from_bytes(encoded, "little") & ~(1 << 255)
    if y >= _P:
        raise KeyProblem("The Ed25519 key has a coordinate out of range.")
    if y in _SMALL_ORDER:
        raise KeyProblem("The Ed25519 key is a point of small order; with it anybody can forge signatures.")
    # x² = u/v has a root if and only if u·v is a square (Euler); x = 0 belongs to a small order.
    u, v = (y * y - 1) % _P, (_D * y * y + 1) % _P
    if pow(u * v, (_P - 1) // 2, _P) != 1:
        raise KeyProblem("The Ed25519 key is no point of the curve.")
    return Ed25519PublicKey.from_public_bytes(encoded)


def check_ecdsa(point: bytes) -> EllipticCurvePublicKey:
    """Return the key of an uncompressed point of P-256 (K3).

    Errors: KeyProblem: another form, the point at infinity, not on the curve.
    """
    if point[:1] != _UNCOMPRESSED:
        raise KeyProblem("The ECDSA key is no uncompressed point of the curve P-256.")
    try:
        return EllipticCurvePublicKey.from_encoded_point(SECP256R1(), point)
    except ValueError as error:
        raise KeyProblem("The ECDSA key is not on the curve P-256.") from error


def check_rsa(*, modulus: int, exponent: int) -> RSAPublicKey:
    """Return the key of these numbers (K2).

    Errors: KeyProblem: not 3,072 to 4,096 bits, an even modulus, an exponent other than 65537.
    """
    bits = modulus.bit_length()
    if bits not in _RSA_BITS:
        raise KeyProblem(f"The RSA key has {bits} bits; 3072 to 4096 are taken.")
    if modulus % 2 == 0:
        raise KeyProblem("The RSA key has an even modulus.")
    if exponent != _RSA_EXPONENT:
        raise KeyProblem(f"The RSA key has the exponent {exponent}; only {_RSA_EXPONENT} is taken.")
    return RSAPublicNumbers(exponent, modulus).public_key()


def wire_of(key: KeyHandle) -> bytes:
    """Return a key's SSH wire form: what key ids and clashes are computed over, for every type (K5, K6)."""
    match key:
        case Ed25519PublicKey():
            return wire_string(SSH_ED25519) + wire_string(key.public_bytes(Encoding.Raw, PublicFormat.Raw))
        case RSAPublicKey():
            numbers = key.public_numbers()
            return wire_string(SSH_RSA) + wire_mpint(numbers.e) + wire_mpint(numbers.n)
        case _:
            point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
            return wire_string(SSH_ECDSA) + wire_string("nistp256") + wire_string(point)
