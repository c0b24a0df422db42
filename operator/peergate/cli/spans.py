"""Lengths of time as kubectl writes them in a column: ``45s``, ``12m``, ``5h30m``, ``3d``."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

__all__ = ["span"]

_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR


def span(length: timedelta) -> str:
    """Return the length in at most two units, rounded down; ``0s`` for none or less."""
    seconds = max(0, int(length.total_seconds()))
    if seconds < 2 * _MINUTE:
        return f"{seconds}s"
    if seconds < 3 * _HOUR:
        return f"{seconds // _MINUTE}m"
    if seconds < 2 * _DAY:
        hours, minutes = seconds // _HOUR, seconds % _HOUR // _MINUTE
        return f"{hours}h{minutes}m" if minutes and hours < 8 else f"{hours}h"  # noqa: PLR2004 - as kubectl does
    return f"{seconds // _DAY}d"
