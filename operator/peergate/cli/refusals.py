"""Read a refusal of the gate as any client can: from the text that the API server passes on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from peergate.cli.kube import ApiError

__all__ = ["GateRefusal", "refusal_in"]

_GATE: Final = re.compile(r'^admission webhook "[a-z]+\.gate\.peergate\.dev" denied the request: ')
_STATUSES: Final = frozenset({403, 429, 503})
_FACTS_LINE: Final = 2
"""The third line (experience.md §1.4); of final refusals too."""


@dataclass(frozen=True, slots=True)
class GateRefusal:
    """What the gate answered."""

    lines: tuple[str, ...]
    """Its text, without what the API server puts in front."""
    facts: Mapping[str, str]
    """``key=value`` of its third line."""

    @property
    def state(self) -> str:
        """Return ``pending``, ``rejected``, ...; empty for the text of a gate that is only starting."""
        return self.facts.get("state", "")

    @property
    def place(self) -> tuple[str, str] | None:
        """Return namespace and name of the ChangeRequest it names, ``None`` for ``request=none``."""
        namespace, slash, name = self.facts.get("request", "").partition("/")
        return (namespace, name) if slash and namespace and name else None


def refusal_in(error: ApiError) -> GateRefusal | None:
    """Return the gate's refusal in an answer of the API server; ``None`` for another answer."""
    match = _GATE.match(error.message)
    if error.status not in _STATUSES or match is None:
        return None
    lines = tuple(error.message[match.end() :].split("\n"))
    line = lines[_FACTS_LINE] if len(lines) > _FACTS_LINE else ""
    pairs = (word.partition("=") for word in line.split())
    return GateRefusal(lines=lines, facts={key: value for key, equals, value in pairs if equals})
