"""The wire form of SSH: strings, numbers and public keys as bytes (RFC 4251 §5).

Strict: what has two spellings is refused, nothing may trail.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "SSH_ECDSA",
    "SSH_ED25519",
    "SSH_RSA",
    "SSH_SK_ECDSA",
    "SSH_SK_ED25519",
    "WireReader",
    "wire_mpint",
    "wire_string",
    "wire_u32",
]

SSH_ED25519: Final = "ssh-ed25519"
SSH_ECDSA: Final = "ecdsa-sha2-nistp256"
SSH_RSA: Final = "ssh-rsa"
SSH_SK_ED25519: Final = "sk-ssh-ed25519@openssh.com"
SSH_SK_ECDSA: Final = "sk-ecdsa-sha2-nistp256@openssh.com"

_U32: Final = 4


class WireReader:
    """Read one value after the other.

    Errors: every method raises ValueError when the bytes end early or have another spelling.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        """Return the next ``count`` bytes."""
        part = self._data[self._at : self._at + count]
        if len(part) != count:
            raise ValueError("the bytes end early")
        self._at += count
        return part

    def byte(self) -> int:
        """Return one byte as a number."""
        return self.take(1)[0]

    def u32(self) -> int:
        """Return a number of four bytes, the most significant first."""
        return int.from_bytes(self.take(_U32))

    def string(self) -> bytes:
        """Return a byte string with its length in front."""
        return self.take(self.u32())

    def text(self) -> str:
        """Return a string of ASCII."""
        return self.string().decode("ascii")

    def mpint(self) -> int:
        """Return a number that is not negative, in its shortest form."""
        data = self.string()
        number = int.from_bytes(data, signed=True)
        if number < 0 or wire_mpint(number)[_U32:] != data:
            raise ValueError("a number is negative or not in its shortest form")
        return number

    def end(self) -> None:
        """Check that nothing is left."""
        if self._at != len(self._data):
            raise ValueError("bytes trail")


def wire_u32(number: int) -> bytes:
    """Return a number as four bytes."""
    return number.to_bytes(_U32)


def wire_string(data: bytes | str) -> bytes:
    """Return a byte string with its length in front."""
    data = data.encode() if isinstance(data, str) else data
    return wire_u32(len(data)) + data


def wire_mpint(number: int) -> bytes:
    """Return a number that is not negative in its shortest form; zero is the empty string."""
    return wire_string(number.to_bytes((number.bit_length() + 8) // 8 if number else 0))
