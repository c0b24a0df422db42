"""Whom the conditions ``agents`` of a live webhook configuration list."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final

from peergate.model.names import JsonObject
from peergate.shipped.webhookconfig import AGENTS_CONDITION

__all__ = ["Listed", "listed_in", "live_conditions"]

_ACCOUNTS: Final = re.compile(r"request\.userInfo\.username\.substring\(\d+\) in (\[[^\]]*\])")
_NAMESPACES: Final = re.compile(r'request\.userInfo\.username\.split\(":"\)\[2\] in (\[[^\]]*\])')
_ACCOUNT: Final = re.compile(r"[a-z0-9.-]+:[a-z0-9.-]+")
_NAMESPACE: Final = re.compile(r"[a-z0-9.-]+")
_PREFIX: Final = "system:serviceaccount:"


def live_conditions(configuration: JsonObject) -> dict[str, str | None]:
    """Return the exact condition of every entry of a live configuration, ``None`` where it has none."""
    return {
        entry["name"]: next(
            (
                condition.get("expression")
                for condition in entry.get("matchConditions") or []
                if condition.get("name") == AGENTS_CONDITION
            ),
            None,
        )
        for entry in configuration.get("webhooks") or []
    }


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
