"""Instants and lengths of time as a person reads them: local time, short words; and whose clock is off."""

from __future__ import annotations

from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

__all__ = ["ago", "clock", "date_of", "left", "off_by"]

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400
_OFF: Final = timedelta(seconds=60)
"""So much later than the gate's clock an approval may begin (approval-format.md §9)."""


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


def date_of(header: str) -> datetime | None:
    """Return what an HTTP ``Date`` says; ``None`` where it can't be read. Never raises."""
    try:
        found = parsedate_to_datetime(header)
    except (ValueError, TypeError):
        return None
    return found if found.tzinfo is not None else None


def off_by(theirs: datetime | None, *, now: datetime) -> str:
    """Return how far this clock is from the cluster's: ``20 min behind``; empty where they agree."""
    if theirs is None or abs(now - theirs) <= _OFF:
        return ""
    return f"{_length(abs(now - theirs))} {'ahead of' if now > theirs else 'behind'}"


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
