"""The name of a change: the same on every replica and in every tool (design.md §2)."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from peergate.approval.canonical import canonical_bytes
from peergate.model.change import Change
from peergate.model.names import ChangeId, Digest, JsonObject

__all__ = ["change_digest", "change_document", "change_id", "change_members", "grouped"]

_ALPHABET: Final = "bcdfghjkmnpqrstvwxz"
"""19 consonants: no vowels, so no words; no l, which reads as 1."""
_PREFIX: Final = "cr-"
_DIGITS: Final = 20
_GROUP: Final = 5


def change_members(change: Change) -> JsonObject:
    """Return a change spelt out, as the change id, ChangeRequests and commands hold it.

    Shape: ``audience``, ``operation``, ``object`` (seven members), ``requester``, ``projection``, ``from``,
    ``to`` (left out for a DELETE) and ``options``; every call makes its own.
    """
    target = change.object
    return {
        "audience": change.audience,
        "operation": change.operation,
        "object": {
            "group": target.group,
            "version": target.version,
            "resource": target.resource,
            "subresource": target.subresource,
            "namespace": target.namespace,
            "name": target.name,
            "uid": target.uid,
        },
        "requester": {"username": change.requester.username, "uid": change.requester.uid},
        "projection": change.projection,
        "from": change.from_,
        **({} if change.to is None else {"to": change.to}),
        "options": dict(change.options),
    }


def change_document(change: Change) -> JsonObject:
    """Return what the change id is computed over: the members of the change, and ``v`` (1)."""
    return {"v": 1, **change_members(change)}


def change_digest(change: Change) -> Digest:
    """Return the SHA-256 of the change's canonical bytes. Tools compare this, never ids alone.

    Errors: NotCanonical, if a name in it holds a lone surrogate.
    """
    return Digest(sha256(canonical_bytes(change_document(change))).hexdigest())


def change_id(digest: Digest) -> ChangeId:
    """Return ``cr-`` and 20 digits of base 19, the most significant first: the digest modulo 19**20."""
    number = int(digest, 16)
    digits = []
    for _ in range(_DIGITS):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return ChangeId(_PREFIX + "".join(reversed(digits)))


def grouped(change_id: ChangeId) -> str:
    """Return the id's digits in four groups of five, to be read aloud: ``hbzkq vmtwx cdfgj nprst``."""
    digits = change_id.removeprefix(_PREFIX)
    return " ".join(digits[start : start + _GROUP] for start in range(0, len(digits), _GROUP))
