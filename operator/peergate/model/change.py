"""What one request would do, normalised: the thing that a peer signs and that has a name.

The name (``cr-...``) is computed in ``approval.change``, since it needs canonical bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from peergate.model.names import Digest

__all__ = ["Change", "Effect", "ObjectRef", "Projection", "Requester", "SignedOperation"]

SignedOperation = Literal["DELETE", "UPDATE"]
"""What an approval can be about; an eviction is signed as DELETE (approval-format.md §6.4)."""

Projection = Literal["k8s-projection/v1", "k8s-identity/v1"]


class Effect(StrEnum):
    """Why a change matters (design.md §2)."""

    DELETE = "Delete"
    REPLACE = "Replace"
    FORBIDDEN = "Forbidden"
    HARMLESS = "Harmless"


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """One object instance, by all seven members that an approval binds (approval-format.md §3)."""

    group: str
    """Empty for the core group."""
    version: str
    resource: str
    """The plural."""
    subresource: str
    """Empty for the object itself."""
    namespace: str
    """Empty at cluster scope."""
    name: str
    uid: str

    @property
    def subject_name(self) -> str:
        """Return the in-toto subject's name, e.g. ``apps/v1/deployments/prod/api``."""
        resource = f"{self.resource}:{self.subresource}" if self.subresource else self.resource
        return f"{self.group or 'core'}/{self.version}/{resource}/{self.namespace or '-'}/{self.name}"


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asks for the change."""

    username: str
    uid: str
    """Empty when the API server gave none."""


@dataclass(frozen=True, slots=True)
class Change:
    """One exact change by one requester on one cluster."""

    audience: str
    """``k8s:`` and the uid of namespace ``kube-system``."""
    operation: SignedOperation
    object: ObjectRef
    requester: Requester
    projection: Projection
    from_: Digest
    """Of the object as it is."""
    to: Digest | None
    """Of the object as it would be; ``None`` for a DELETE."""
    options: Mapping[str, str | int]
    """Normalised as approval-format.md §6.2; empty for an UPDATE."""
