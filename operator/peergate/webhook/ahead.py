"""Open approvals when they are attached, so that the change which they approve finds them opened.

Attaching is an update of its own, judged before the approved change is (approval-format.md §1.4). What is
opened here is no verdict: the change's own review weighs every approval as ever (V14 to V26).
"""

from __future__ import annotations

from peergate.approval.signed import open_ahead
from peergate.gate.ports import SnapshotSource
from peergate.gate.shape import mapping
from peergate.model.decision import Allow, Decision
from peergate.model.review import Review

__all__ = ["Opener"]


class Opener:
    """Told of every review once it is answered."""

    def __init__(self, source: SnapshotSource) -> None:
        self._source = source

    def tell(self, review: Review, decision: Decision) -> None:
        """Open what an admitted update attached; in a thread it would be no quicker.

        Units and limits: one carrier, at most 8 values (V6).
        """
        if not isinstance(decision, Allow) or decision.reason != "harmless" or review.operation != "UPDATE":
            return
        metadata = mapping((review.object or {}).get("metadata"))
        open_ahead(mapping(metadata.get("annotations")), keyring=self._source.snapshot().keyring)
