"""How long a name stays in the webhook's condition after its tag is gone.

A token of a deleted or untagged account works about ten seconds more, and its bearer must still be sent to
the gate (kubernetes-facts.md I2, I6). Two minutes are kept, also across restarts of the operator: what the
live condition still lists stays that long after it is first seen missing.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

__all__ = ["GRACE_SECONDS", "Grace"]

GRACE_SECONDS: Final = 120.0


class Grace:
    """Remembers names that are no longer wanted."""

    def __init__(self, seconds: float = GRACE_SECONDS) -> None:
        self._seconds = seconds
        self._wanted: frozenset[str] = frozenset()
        self._missing_since: dict[str, float] = {}

    def update(
        self,
        *,
        wanted: Collection[str],
        listed: Collection[str],
        now: float,
    ) -> frozenset[str]:
        """Return what to list: what is wanted, and what was wanted or is listed, for a while.

        Units: ``now`` in seconds of any clock that never goes back. A name that ran out stays forgotten as
        long as it is still listed, so that a write that fails does not start its time anew.
        """
        current = frozenset(wanted)
        for name in (self._wanted | frozenset(listed)) - current:
            self._missing_since.setdefault(name, now)
        self._wanted = current
        kept = set()
        for name, since in list(self._missing_since.items()):
            if name in current or (now - since >= self._seconds and name not in listed):
                del self._missing_since[name]
            elif now - since < self._seconds:
                kept.add(name)
        return current | kept
