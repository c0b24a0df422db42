"""Base64 with one spelling for every byte string (approval-format.md §2 rule 6)."""

from __future__ import annotations

from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode

__all__ = ["decode_base64", "decode_nonce", "encode_base64", "encode_nonce"]


def decode_base64(text: str) -> bytes:
    """Return the decoded bytes.

    Shape: the standard or the URL-safe alphabet, not mixed; padded; nothing else; canonical, that is,
    encoding again gives the same text (``aGl=`` is refused, ``aGk=`` is not).
    Errors: ValueError.
    """
    encode, decode = (
        (urlsafe_b64encode, urlsafe_b64decode) if "-" in text or "_" in text else (b64encode, b64decode)
    )
    data = decode(text)
    # The decoders skip junk, and take padding bits of any value: only the way back is strict.
    if encode(data).decode() != text:
        raise ValueError("the base64 is not canonical")
    return data


def encode_base64(data: bytes) -> str:
    """Return the bytes in the standard alphabet, padded."""
    return b64encode(data).decode()


def decode_nonce(text: str) -> bytes:
    """Return the bytes of unpadded, canonical base64url.

    Errors: ValueError.
    """
    data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if encode_nonce(data) != text:
        raise ValueError("the nonce is no canonical, unpadded base64url")
    return data


def encode_nonce(data: bytes) -> str:
    """Return the bytes as unpadded base64url."""
    return urlsafe_b64encode(data).decode().rstrip("=")
