"""How long a name stays in the webhook's condition after its tag is gone.

A token of a deleted or untagged account works about ten seconds more, and its bearer must still be sent to
the gate (kubernetes-facts.md I2, I6). Two minutes are kept, also across restarts of the operator: what the
live condition still lists stays that long after it is first seen missing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

__all__ = ["GRACE_SECONDS", "Grace", "Listed", "listed_in"]

GRACE_SECONDS: Final = 120.0

_ACCOUNTS: Final = re.compile(r"request\.userInfo\.username\.substring\(\d+\) in (\[[^\]]*\])")
_NAMESPACES: Final = re.compile(r'request\.userInfo\.username\.split\(":"\)\[2\] in (\[[^\]]*\])')
_ACCOUNT: Final = re.compile(r"[a-z0-9.-]+:[a-z0-9.-]+")
_NAMESPACE: Final = re.compile(r"[a-z0-9.-]+")
_PREFIX: Final = "system:serviceaccount:"


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


@dataclass(frozen=True, slots=True)
class Listed:
    """Whom a condition lists."""

    accounts: frozenset[str] = frozenset()
    """User names of ServiceAccounts."""
    namespaces: frozenset[str] = frozenset()


def listed_in(expression: str) -> Listed:
    """Return whom a condition lists, as ``webhookconfig.exact_condition`` writes it.

    What can't be read counts as listing nobody: the grace of a restart is lost then, nothing else.
    """
    return Listed(
        accounts=frozenset(_PREFIX + name for name in _names(_ACCOUNTS, expression, like=_ACCOUNT)),
        namespaces=frozenset(_names(_NAMESPACES, expression, like=_NAMESPACE)),
    )


def _names(where: re.Pattern[str], expression: str, *, like: re.Pattern[str]) -> list[str]:
    found = where.search(expression)
    if found is None:
        return []
    try:
        names = json.loads(found[1])
    except json.JSONDecodeError:
        return []
    return [name for name in names if isinstance(name, str) and like.fullmatch(name)]
