"""From a model to a structural schema."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field, StringConstraints

from peergate.control.structural import structural_schema
from peergate.model.schema import checked


class _Inner(BaseModel):
    """An inner thing (some-page.md §1)."""

    text: Annotated[str, StringConstraints(max_length=3)] = ""
    number: int = 0


class _Outer(BaseModel):
    """An ``outer`` thing."""

    inner: Annotated[_Inner, Field(description="Nearer.")]
    plain: _Inner = _Inner()
    maybe: Annotated[Literal["a", "b"] | None, Field(description="May be null.")] = None
    flag: bool = False
    many: tuple[_Inner, ...] = ()
    named: dict[Annotated[str, StringConstraints(pattern="^a")], int] = Field(default_factory=dict)
    kept: Annotated[int, Field(json_schema_extra=checked(("self > 1", "more than one")))] = 7


class _Unsayable(BaseModel):
    either: int | str


_INNER = {
    "type": "object",
    "properties": {
        "text": {"type": "string", "maxLength": 3},
        "number": {"type": "integer"},
    },
}


def test_the_whole() -> None:
    assert structural_schema(_Outer) == {
        "description": "An `outer` thing.",
        "type": "object",
        "required": ["inner"],
        "properties": {
            "inner": {"description": "Nearer.", **_INNER},
            "plain": {"description": "An inner thing.", **_INNER},
            "maybe": {
                "description": "May be null.",
                "type": "string",
                "nullable": True,
                "enum": ["a", "b"],
            },
            "flag": {"type": "boolean", "default": False},
            "many": {"type": "array", "items": {"description": "An inner thing.", **_INNER}},
            "named": {"type": "object", "additionalProperties": {"type": "integer"}},
            "kept": {
                "type": "integer",
                "default": 7,
                "x-kubernetes-validations": [{"rule": "self > 1", "message": "more than one"}],
            },
        },
    }


def test_what_cannot_be_said_is_not_left_out_in_silence() -> None:
    with pytest.raises(RuntimeError, match="anyOf"):
        structural_schema(_Unsayable)
