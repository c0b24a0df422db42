"""Instants and lengths of time as a person reads them: local time, short words."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

__all__ = ["ago", "clock", "left"]

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400


def ago(then: datetime, *, now: datetime) -> str:
    """Return how long ago: ``5 min``, ``3 h``, ``12 d``; rounded down."""
    return _length(now - then)


def left(until: datetime, *, now: datetime) -> str:
    """Return how long it still is, as ``ago``; ``over`` when it is past."""
    return _length(until - now) if until > now else "over"


def clock(moment: datetime, *, now: datetime) -> str:
    """Return the local time: ``12:15``, with the date when it is another day than now."""
    local = moment.astimezone()
    form = "%H:%M" if local.date() == now.astimezone().date() else "%Y-%m-%d %H:%M"
    return local.strftime(form)


def _length(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    if seconds < _MINUTE:
        return "less than a minute"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE} min"
    if seconds < 2 * _DAY:
        minutes = seconds % _HOUR // _MINUTE
        return f"{seconds // _HOUR} h {minutes} min" if minutes else f"{seconds // _HOUR} h"
    return f"{seconds // _DAY} d"
