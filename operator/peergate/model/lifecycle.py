"""The life of a ChangeRequest: which state follows which, as data.

The diagram in docs/life-cycle.md is made from this table. A state says what happened; it admits nothing: the
gate reads approvals and rejections, never states (approval-format.md §1.3 rule 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from peergate.model.changerequest import RequestState

__all__ = ["DECIDED", "ENDED", "NEW", "TRANSITIONS", "Seen", "next_state"]

NEW: Final = None
"""Filed, and not looked at yet."""


class Seen(StrEnum):
    """What was seen of a change, the gravest first: of several, the first counts."""

    ADMITTED = "admitted"
    """The gate admitted it on approvals."""
    REJECTED = "rejected"
    """An approver said no."""
    OVERDUE = "overdue"
    """Its time is over."""
    CHANGED = "changed"
    """The target is another than was asked about, or gone."""
    SATISFIED = "satisfied"
    """Enough approvals are there for every rule."""
    SHORT = "short"
    """Some are missing."""


_WHILE_OPEN: Final[Mapping[Seen, RequestState]] = {
    Seen.ADMITTED: "Used",
    Seen.REJECTED: "Rejected",
    Seen.OVERDUE: "Expired",
    Seen.CHANGED: "Stale",
    Seen.SATISFIED: "Approved",
    Seen.SHORT: "Pending",
}
_AFTERWARDS: Final[Mapping[Seen, RequestState]] = {Seen.ADMITTED: "Used", Seen.REJECTED: "Rejected"}
"""An approval may outlive its request, and a no is honoured whenever it comes; nothing else is told."""

TRANSITIONS: Final[Mapping[RequestState | None, Mapping[Seen, RequestState]]] = MappingProxyType(
    {
        NEW: _WHILE_OPEN,
        "Pending": _WHILE_OPEN,
        "Approved": _WHILE_OPEN,
        "Used": _AFTERWARDS,
        "Rejected": _AFTERWARDS,
        "Expired": _AFTERWARDS,
        "Stale": _AFTERWARDS,
    }
)
"""What is not listed leaves the state as it is. An ended request is never opened again: the next refusal
replaces it by a new one of the same name."""

ENDED: Final[frozenset[RequestState | None]] = frozenset({"Used", "Rejected", "Expired", "Stale"})
DECIDED: Final[frozenset[RequestState | None]] = ENDED | {"Approved"}
"""Whoever waits for the condition ``Decided`` may go on."""


def next_state(state: RequestState | None, *seen: Seen) -> RequestState | None:
    """Return the state after what was seen, of which the gravest counts."""
    gravest = min(seen, key=list(Seen).index)
    return TRANSITIONS[state].get(gravest, state)
