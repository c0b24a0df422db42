"""A condition in the status of a custom resource, as Kubernetes defines it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from peergate.model.wire import Instant, Many, WireModel

__all__ = ["Condition", "Conditions"]


class Condition(WireModel):
    """One aspect of the current state."""

    type: Annotated[
        str, StringConstraints(min_length=1, max_length=316), Field(description="What it is about.")
    ]
    status: Annotated[Literal["True", "False", "Unknown"], Field(description="Whether it holds.")]
    reason: Annotated[
        str,
        StringConstraints(min_length=1, max_length=1024),
        Field(description="One word on the last transition, for programs."),
    ]
    message: Annotated[
        str, StringConstraints(max_length=32768), Field(description="A sentence on it, for people.")
    ] = ""
    observed_generation: Annotated[
        int, Field(ge=0, description="The metadata.generation it was set for.")
    ] = 0
    last_transition_time: Annotated[Instant, Field(description="When status last changed.")]


Conditions = Annotated[
    Many[Condition],
    Field(
        max_length=16,
        description="What holds of it now, one entry a type.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    ),
]
"""Conditions, merged by type."""
