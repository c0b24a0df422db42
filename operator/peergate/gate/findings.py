"""What the entries of the effects table are given, and what they answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, TypeAlias

from peergate.approval.projection import unchanged
from peergate.gate.principal import Agent
from peergate.gate.shape import mapping, sequence, text
from peergate.gate.snapshot import Snapshot
from peergate.model.change import Effect, SignedOperation
from peergate.model.names import JsonObject
from peergate.model.review import Kind, Review

__all__ = ["Entry", "Finding", "Look", "Situation", "gravest"]

_GRAVITY: Final[Mapping[Effect, int]] = {
    Effect.HARMLESS: 0,
    Effect.REPLACE: 1,
    Effect.DELETE: 2,
    Effect.FORBIDDEN: 4,
}
_CLOSED: Final = 3
"""Graver than what an approval admits, less grave than what nothing does."""
_POD: Final = Kind(group="", version="v1", kind="Pod")


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
    closed: bool = False
    """Forbidden unless every Enforce policy that selects the namespace allows it (design.md §3:
    ``allowCreate``, ``allowConnect``); outside protected namespaces it is free."""

    @property
    def gravity(self) -> int:
        """Return a number by which findings compare."""
        return _CLOSED if self.closed else _GRAVITY[self.effect]


@dataclass(frozen=True)
class Situation:
    """One request of one agent.

    Without slots: what many entries ask for is computed once and kept.
    """

    review: Review
    agent: Agent
    snapshot: Snapshot

    @cached_property
    def is_eviction(self) -> bool:
        """Tell whether this is an eviction: a deletion that comes as a CREATE, without the Pod (AR15)."""
        return self.review.is_eviction

    @cached_property
    def old(self) -> JsonObject | None:
        """Return what is there: the old object; of an eviction the Pod, as it was fetched."""
        return self.snapshot.pod if self.is_eviction else self.review.old_object

    @property
    def operation(self) -> SignedOperation:
        """Return what an approval of this says: an eviction is a DELETE (approval-format.md §6.4)."""
        return "DELETE" if self.review.operation == "DELETE" or self.is_eviction else "UPDATE"

    @property
    def kind(self) -> Kind:
        """Return the kind of what is there."""
        return _POD if self.is_eviction else self.review.kind

    @property
    def delete_options(self) -> JsonObject | None:
        """Return the options of a deletion; of an eviction those in its body."""
        if not self.is_eviction:
            return self.review.options
        options: JsonObject | None = (self.review.object or {}).get("deleteOptions")
        return options

    @cached_property
    def unchanged(self) -> bool:
        """Tell whether an UPDATE changes nothing that an approval binds.

        Errors: NotCanonical.
        """
        review = self.review
        return (
            review.old_object is not None
            and review.object is not None
            and unchanged(review.old_object, review.object, kind=review.kind)
        )

    @cached_property
    def old_metadata(self) -> Mapping[str, Any]:
        """Return the metadata of what is there; empty where nothing is."""
        return metadata_of(self.old)

    @cached_property
    def new_metadata(self) -> Mapping[str, Any]:
        """Return the metadata of what is to be; empty where nothing is."""
        return metadata_of(self.review.object)

    @cached_property
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


Look: TypeAlias = Callable[[Situation], Finding | None]
"""Looks at one request of an agent and answers ``None`` where it sees nothing of its own."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the effects table: what looks, and which requests it is shown."""

    look: Look
    operations: tuple[str, ...]
    resources: tuple[tuple[str, str], ...] = ()
    """(group, plural) pairs, ``*`` for any plural; none: every resource. Subresources go with theirs."""
    everywhere: bool = False
    """Looked for in open namespaces too: becoming somebody else, and the gate's own."""


def gravest(findings: Iterable[Finding]) -> Finding:
    """Return the finding with the gravest effect, the first of equals; at least one is needed."""
    return max(findings, key=lambda finding: finding.gravity)


def metadata_of(document: JsonObject | None) -> Mapping[str, Any]:
    """Return an object's metadata; empty where it has none of the right shape."""
    return mapping((document or {}).get("metadata"))
