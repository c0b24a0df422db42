"""What the custom resources' models share: closed, frozen, camelCase on the wire.

Closed (``extra="forbid"``) on purpose: an older operator that meets a narrowing field it does not know must
call the object invalid, not drop the field. Of records that the operator itself makes nothing narrows:
``of_any_version``.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

__all__ = ["Duration", "Instant", "Many", "WireModel", "format_instant", "parse_duration", "parse_instant"]

_DURATION: Final = re.compile(r"(?:(\d{1,4})h)?(?:(\d{1,5})m)?(?:(\d{1,6})s)?", re.ASCII)
_INSTANT: Final = re.compile(r"\d{4}-\d{2}-\d{2}T(?:[01]\d|2[0-3]):\d{2}:\d{2}Z", re.ASCII)


_T = TypeVar("_T")
Many = Annotated[tuple[_T, ...], Field(strict=False)]
"""A JSON array, kept as a tuple; only the container is converted, its members are checked strictly."""


class WireModel(BaseModel):
    """A part of a custom resource."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        alias_generator=to_camel,
        populate_by_name=True,
    )

    @classmethod
    def of_any_version(cls, document: object) -> Self:
        """Return what is known of an object that may be a later version's; members it added are left out.

        For what the operator alone writes and nothing narrows: a digest stands for the whole change, and the
        schema prunes what no version knows. While an upgrade runs, replicas of both versions read the same
        records, and a rejection must not be lost on one of them.
        Errors: ValidationError, as for any other object.
        """
        return cls.model_validate(document, extra="ignore")


def parse_duration(text: object) -> timedelta:
    """Return the length of time that ``15m``, ``1h30m`` or ``0s`` names.

    Shape: hours, minutes, seconds in that order, at least one of them, whole numbers.
    Errors: ValueError for anything else.
    """
    if isinstance(text, timedelta):
        return text
    found = _DURATION.fullmatch(text) if isinstance(text, str) and text else None
    if found is None:
        raise ValueError("a duration reads like 15m, 1h30m or 0s")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def parse_instant(text: object) -> datetime:
    """Return the UTC instant that ``YYYY-MM-DDThh:mm:ssZ`` names.

    ``fromisoformat`` takes many spellings, so the grammar is matched first (approval-format.md §12).
    Errors: ValueError for anything else, and for dates that don't exist.
    """
    if isinstance(text, datetime):
        return text
    if not isinstance(text, str) or _INSTANT.fullmatch(text) is None:
        raise ValueError("an instant reads YYYY-MM-DDThh:mm:ssZ")
    return datetime.fromisoformat(text)


def format_instant(instant: datetime) -> str:
    """Return the instant as ``YYYY-MM-DDThh:mm:ssZ``, cut to the second."""
    return f"{instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def _schema(schema: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema(schema)


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    _schema(
        {
            "type": "string",
            "pattern": r"^([0-9]{1,4}h)?([0-9]{1,5}m)?([0-9]{1,6}s)?$",
            "minLength": 2,
            "maxLength": 18,
        }
    ),
]
"""A length of time, written like Go's: ``15m``, ``1h30m``, ``0s``."""

Instant = Annotated[
    datetime,
    BeforeValidator(parse_instant),
    _schema(
        {
            "type": "string",
            "format": "date-time",
            "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$",
            "maxLength": 20,
        }
    ),
]
"""A second in UTC, written ``YYYY-MM-DDThh:mm:ssZ``."""
