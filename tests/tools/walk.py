"""Settings models as people read them: every value with its description and default."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

__all__ = ["walk"]


def walk(model: BaseModel, *, depth: int = 0) -> Iterator[tuple[str, str, Any, int]]:
    """Yield name, description, default (``None``: a section) and depth of every value, sections first."""
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        is_section = isinstance(value, BaseModel)
        described = (type(value).__doc__ if is_section else field.description) or ""
        yield field.alias or name, " ".join(described.split()), None if is_section else value, depth
        if is_section:
            yield from walk(value, depth=depth + 1)
