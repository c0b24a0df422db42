"""How far a change is approved: what counts under which rule, what is missing, what does not count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from peergate.approval.carriers import collect
from peergate.approval.verify import Verified, verify_approval
from peergate.cli.pending import Pending
from peergate.cli.text import visible
from peergate.gate.quorum import Quorum, quorum_of
from peergate.model.names import JsonObject

__all__ = ["Standing", "annotations_of", "standing_of"]

_ONE: Final = "1/1"


@dataclass(frozen=True, slots=True)
class Standing:
    """What the approvals that are there come to."""

    verified: tuple[Verified, ...]
    quorums: tuple[Quorum, ...]
    refused: tuple[tuple[str, str], ...]
    """Slot and code of each approval that does not count, e.g. ``bob`` and ``Expired``."""

    @property
    def not_counted(self) -> tuple[str, ...]:
        """Return ``v1.bob: Expired``, for each approval that does not count."""
        return tuple(f"v1.{visible(slot)}: {code}" for slot, code in self.refused)

    @property
    def complete(self) -> bool:
        """Tell whether every rule is satisfied by what is there."""
        return bool(self.verified) and all(quorum.reached for quorum in self.quorums)

    @property
    def identities(self) -> tuple[str, ...]:
        """Return who has signed, by name."""
        return tuple(sorted({one.approver.identity for one in self.verified}))

    @property
    def until(self) -> datetime | None:
        """Return when the first of the counted approvals ends; ``None`` without one."""
        return min((one.statement.predicate.expires for one in self.verified), default=None)

    @property
    def progress(self) -> str:
        """Return ``1/2`` of the rule that is furthest from satisfied."""
        worst = self._worst
        if worst is not None:
            return worst.progress
        return self.quorums[0].progress if self.quorums else _ONE

    @property
    def missing(self) -> str:
        """Return ``1 more (human)``; empty when nothing is."""
        worst = self._worst
        if worst is None:
            return ""
        # The first one always is of another owner than nobody.
        told = worst.missing_humans or worst.approvers
        kind = f" ({worst.missing_kind})" if worst.missing_kind and told else ""
        return f"{worst.missing} more{kind}"

    @property
    def words(self) -> str:
        """Return ``1/2; waiting for 1 more (human)``, or ``2/2; complete``."""
        return (
            f"{self.progress}; waiting for {self.missing}" if self.missing else f"{self.progress}; complete"
        )

    @property
    def _worst(self) -> Quorum | None:
        left = [quorum for quorum in self.quorums if not quorum.reached]
        return max(left, key=lambda quorum: quorum.missing, default=None)

    def sentences(self) -> tuple[str, ...]:
        """Return what an approver reads of it: who signed, and what does not count."""
        found = [f"signed by {', '.join(visible(name) for name in self.identities)}"] if self.verified else []
        if self.not_counted:
            found.append(f"not counted: {', '.join(self.not_counted)}")
        return tuple(found)


def annotations_of(document: JsonObject) -> Mapping[str, Any]:
    """Return the annotations of an object."""
    return (document.get("metadata") or {}).get("annotations") or {}


def standing_of(
    pending: Pending,
    *,
    carriers: Sequence[Mapping[str, Any]],
    now: datetime,
    more: Iterable[Verified] = (),
) -> Standing:
    """Return how far the approvals on these carriers, and ``more``, go; carriers are annotations."""
    verified, refused = list(more), list[tuple[str, str]]()
    for carried in collect(*carriers).approvals:
        outcome = verify_approval(
            carried.value,
            slot=carried.slot,
            target=pending.reviewed,
            keyring=pending.snapshot.keyring,
            terms=pending.match.terms,
            now=now,
        )
        if isinstance(outcome, Verified):
            verified.append(outcome)
        else:
            refused.append((carried.slot, str(outcome.code)))
    return Standing(
        verified=tuple(verified),
        quorums=tuple(quorum_of(verified, rule=rule) for rule in pending.match.enforced),
        refused=tuple(refused),
    )
