"""What the entries of the effects table are given, and what they answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from peergate.gate.principal import Agent
from peergate.gate.shape import mapping, sequence, text
from peergate.gate.snapshot import Snapshot
from peergate.model.change import Effect
from peergate.model.names import JsonObject
from peergate.model.review import Review

__all__ = ["Finding", "Situation", "gravest"]

_GRAVITY: Final[Mapping[Effect, int]] = {
    Effect.HARMLESS: 0,
    Effect.REPLACE: 1,
    Effect.DELETE: 2,
    Effect.FORBIDDEN: 3,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one entry sees in a request."""

    effect: Effect
    note: str = ""
    """A word for the refusal's first line, from the fixed list of experience.md §1.4."""
    why: str = ""
    """For Forbidden: completes "... by AI agent a/b <why>." No quotes, nothing the agent wrote."""
    allowed: str = ""
    """For Forbidden: what would be admitted instead, as a sentence."""


@dataclass(frozen=True, slots=True)
class Situation:
    """One request of one agent."""

    review: Review
    agent: Agent
    snapshot: Snapshot

    @property
    def old_metadata(self) -> Mapping[str, Any]:
        """Return the metadata of what is there; empty where nothing is."""
        return metadata_of(self.review.old_object)

    @property
    def new_metadata(self) -> Mapping[str, Any]:
        """Return the metadata of what is to be; empty where nothing is."""
        return metadata_of(self.review.object)

    @property
    def namespace(self) -> str:
        """Return the namespace of the target: from its metadata, else from the request (AR27: CONNECT)."""
        found = self.old_metadata.get("namespace") or self.new_metadata.get("namespace")
        if isinstance(found, str) and found:
            return found
        return "" if self.review.resource.resource == "namespaces" else self.review.namespace

    @property
    def resource_text(self) -> str:
        """Return ``pods/eviction`` or ``deployments``."""
        review = self.review
        return (
            f"{review.resource.resource}/{review.subresource}"
            if review.subresource
            else review.resource.resource
        )

    def old_strings(self, member: str) -> tuple[str, ...]:
        """Return a list of strings of the old metadata."""
        return tuple(text(item) for item in sequence(self.old_metadata.get(member)))

    def new_strings(self, member: str) -> tuple[str, ...]:
        """Return a list of strings of the new metadata."""
        return tuple(text(item) for item in sequence(self.new_metadata.get(member)))


def gravest(findings: Iterable[Finding]) -> Finding:
    """Return the finding with the gravest effect, the first of equals; at least one is needed."""
    return max(findings, key=lambda finding: _GRAVITY[finding.effect])


def metadata_of(document: JsonObject | None) -> Mapping[str, Any]:
    """Return an object's metadata; empty where it has none of the right shape."""
    return mapping((document or {}).get("metadata"))
