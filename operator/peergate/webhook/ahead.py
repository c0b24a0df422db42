"""Open approvals when they are attached, so that the change which they approve finds them opened.

Attaching is an update of its own, judged before the approved change is (approval-format.md §1.4). What is
opened here is no verdict: the change's own review weighs every approval as ever (V14 to V26).

Whoever reaches the port can post reviews that attach (T25), and what nobody registered signed costs up to 16
verifications a value. So this work is done value by value, with rests in between that leave nine parts in ten
of the time to reviews, and what does not fit in the queue is left to the review that needs it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Final

from peergate.approval.carriers import collect
from peergate.approval.signed import open_signed
from peergate.gate.ports import SnapshotSource
from peergate.gate.shape import mapping
from peergate.model.decision import Allow, Decision
from peergate.model.review import Review

__all__ = ["Opener"]

_WAITING_MOST: Final = 256
_REST: Final = 9
"""Times as long as the last value took."""


class Opener:
    """Told of every review once it is answered."""

    def __init__(self, source: SnapshotSource) -> None:
        self._source = source
        self._waiting: deque[str] = deque(maxlen=_WAITING_MOST)
        self._at_work = False

    @property
    def waiting(self) -> int:
        """Return how many values wait to be opened."""
        return len(self._waiting)

    def tell(self, review: Review, decision: Decision) -> None:
        """Take note of what an admitted update attached; opens it in a later turn of the event loop."""
        if not isinstance(decision, Allow) or decision.reason != "harmless" or review.operation != "UPDATE":
            return
        metadata = mapping((review.object or {}).get("metadata"))
        seen = self._source.snapshot().keyring.seen
        carried = collect(mapping(metadata.get("annotations"))).approvals
        self._waiting.extend(item.value for item in carried if item.value not in seen)
        if self._waiting and not self._at_work:
            self._at_work = True
            asyncio.get_running_loop().call_soon(self._step)

    def _step(self) -> None:
        self._at_work = False  # whatever happens to this value, the next review that attaches goes on
        began = time.perf_counter()
        open_signed(self._waiting.popleft(), keyring=self._source.snapshot().keyring)
        if self._waiting:
            self._at_work = True
            rest = _REST * (time.perf_counter() - began)
            asyncio.get_running_loop().call_later(rest, self._step)
