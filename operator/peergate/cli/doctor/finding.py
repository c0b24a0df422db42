"""What a check says: one sentence what is wrong, one what that allows, and what mends it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from peergate.model.names import JsonObject

__all__ = ["Finding", "Level", "Theme", "fail", "names", "ok", "ordered", "warn"]

_NAMED: Final = 3


class Level(StrEnum):
    """How grave it is; the order is the order of the screen."""

    FAIL = "fail"
    WARN = "warn"
    OK = "ok"


class Theme(StrEnum):
    """What a check is about, in the order of the screen among equals."""

    GATE = "gate"
    RIGHTS = "rights"
    PEOPLE = "people"
    REACH = "reach"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the table."""

    level: Level
    theme: Theme
    check: str
    """Stable: ``SAR1``, ``webhook-rules``."""
    what: str
    """What is the matter, as a sentence; names in it were made visible."""
    allows: str = ""
    """What that allows or costs, as a sentence."""
    mend: tuple[str, ...] = ()
    """Commands or short instructions, in order."""
    threats: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    """All that it is about, folded: agents, namespaces, objects."""
    given: tuple[str, ...] = ()
    """For rights: the bindings that give them."""
    manifests: tuple[JsonObject, ...] = ()
    """What ``--fix`` prints for it."""


def fail(theme: Theme, check: str, what: str, **rest: object) -> Finding:
    """Return a finding that ends the command with exit code 3."""
    return Finding(Level.FAIL, theme, check, what, **rest)  # type: ignore[arg-type]


def warn(theme: Theme, check: str, what: str, **rest: object) -> Finding:
    """Return a finding that somebody should look at."""
    return Finding(Level.WARN, theme, check, what, **rest)  # type: ignore[arg-type]


def ok(theme: Theme, check: str, what: str, **rest: object) -> Finding:
    """Return a check that found nothing wrong."""
    return Finding(Level.OK, theme, check, what, **rest)  # type: ignore[arg-type]


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings worst first, then by theme, then in the order of the checks."""
    levels, themes = list(Level), list(Theme)
    return sorted(findings, key=lambda finding: (levels.index(finding.level), themes.index(finding.theme)))


def names(found: Sequence[str], *, most: int = _NAMED) -> str:
    """Return ``a, b, c and 12 more``."""
    rest = len(found) - most
    shown = ", ".join(found[:most])
    return f"{shown} and {rest} more" if rest > 0 else shown
