"""What hangs on an object and goes, stops or stays with it: the blast radius as a value (experience.md §2.1).

What may not be read is named as such, and counts as the worst case.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from peergate.approval.projection import digest
from peergate.cli.text import plural, visible
from peergate.model.names import Digest, JsonObject

__all__ = ["Branch", "Scope", "Snapshot", "Surroundings", "Volume", "total_size"]

Scope = Literal["", "owned", "inside", "instances"]
"""What the counts are of: what it owns, what is in the namespace, the objects of a kind."""

_QUANTITY: Final = re.compile(r"(\d+)([KMGTPE]i|[kMGTPE]|)")


@dataclass(frozen=True, slots=True)
class Volume:
    """One claim and the volume behind it."""

    claim: str
    size: str
    """``120Gi`` as stated by claim or volume; empty if unknown."""
    reclaim: str
    """``Delete``, ``Retain``, ``Recycle``; empty if unknown."""


@dataclass(frozen=True, slots=True)
class Branch:
    """Objects of one kind that one level of owners has, and what these own in turn."""

    kind: str
    count: int
    names: tuple[str, ...]
    """The first few."""
    below: tuple[Branch, ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The last usable snapshot of a claim."""

    name: str
    claim: str
    taken: datetime
    inside: bool
    """It goes with what is deleted."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What hangs on the object, as far as the approver may see."""

    volumes: tuple[Volume, ...] = ()
    unseen: tuple[str, ...] = ()
    """What could not be read, e.g. ``persistentvolumeclaims``."""
    scope: Scope = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    """By kind, sorted by name."""
    places: Mapping[str, int] = field(default_factory=dict)
    """Of the instances of a kind: by namespace."""
    tree: tuple[Branch, ...] = ()
    kept: int = 0
    """How many of what it owns have another owner too, and stay."""
    missed: int = 0
    """How many objects were not looked at, at least."""
    hidden: tuple[str, ...] = ()
    """The kinds that were not looked through to their end."""
    idle: tuple[str, ...] = ()
    """Services that lose their last pod."""
    balancers: tuple[str, ...] = ()
    """Services whose external address goes."""
    budgets: tuple[str, ...] = ()
    """Disruption budgets over the pods that go, each in words."""
    scalers: tuple[str, ...] = ()
    """Autoscalers of what goes, each in words."""
    managers: tuple[str, ...] = ()
    """Helm or GitOps owners, each in words."""
    snapshots: tuple[Snapshot, ...] = ()

    @property
    def volumes_unseen(self) -> bool:
        """Tell whether there may be volumes, or what becomes of them is not known: the worst case counts."""
        return any("persistentvolume" in name for name in self.unseen)

    @property
    def total(self) -> int:
        """Return how many objects were counted."""
        return sum(self.counts.values())

    @property
    def partial(self) -> tuple[str, ...]:
        """Return why this is not the whole picture, each a sentence; none: it is."""
        found = [f"PARTIAL: may not list {_few(self.unseen)}."] if self.unseen else []
        if self.missed:
            found.append(
                f"PARTIAL: at least {plural(self.missed, 'more object')} not looked at (the walk is bounded)."
            )
        return tuple(found)

    @property
    def document(self) -> JsonObject:
        """Return the counts as they are printed and digested: keys are stable."""
        return {
            "scope": self.scope,
            "counts": dict(self.counts),
            "volumes": [
                {"claim": one.claim, "size": one.size, "reclaimPolicy": one.reclaim} for one in self.volumes
            ],
            "kept": self.kept,
            "notLookedAt": self.missed,
            "notReadable": list(self.unseen),
        }

    @property
    def digest(self) -> Digest:
        """Return the SHA-256 of that: what an approver of a cascade was shown (approval-format.md §3)."""
        return digest(self.document)


def total_size(sizes: Sequence[str]) -> str:
    """Return ``120Gi`` for three times ``40Gi``; the sizes one by one where their units differ."""
    found = [_QUANTITY.fullmatch(size) for size in sizes]
    units = {one[2] for one in found if one is not None}
    if None in found or len(units) != 1:
        return ", ".join(visible(size, limit=40) for size in sizes)
    return f"{sum(int(one[1]) for one in found if one is not None)}{units.pop()}"


def _few(names: Sequence[str], *, most: int = 6) -> str:
    shown = ", ".join(visible(name, limit=80) for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
