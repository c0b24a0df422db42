"""What a review needs from outside the pure decision: Protocols, implemented in ``cluster``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from peergate.gate.snapshot import Snapshot
from peergate.model.change import Requester
from peergate.model.decision import Claim
from peergate.model.names import Digest
from peergate.model.review import Review

__all__ = ["Ledger", "SnapshotSource"]


class SnapshotSource(Protocol):
    """Where ``gather`` reads."""

    def snapshot(self) -> Snapshot:
        """Return what is known now, from memory, at once."""

    async def look_up(self, review: Review, snapshot: Snapshot) -> Snapshot:
        """Return the snapshot with what only live GETs can tell.

        The requester's account where ``principal.unknown_account`` asks for it, then the Pod where
        ``connections.wanted_pod`` does; each with a deadline. What does not exist leaves the snapshot as it
        is; any other failure marks it ``lookup_failed``. Never raises.
        """


class Ledger(Protocol):
    """The uses of approvals of updates (approval-format.md §9)."""

    async def spent(
        self,
        claims: Sequence[Claim],
        *,
        change: Digest,
        requester: Requester,
        now: datetime,
    ) -> Mapping[Digest, datetime]:
        """Return when each of these approvals was spent, leaving out repeats inside the retry window.

        Reads only. Errors: Unavailable.
        """

    async def claim(
        self,
        claims: Sequence[Claim],
        *,
        change: Digest,
        requester: Requester,
        request_uid: str,
        now: datetime,
    ) -> Mapping[Digest, datetime]:
        """Record a use of every one of these approvals; return those that another use got to first.

        An empty answer means that all are ours (V26). Errors: Unavailable.
        """
