"""ChangeRequest: one refused change, filed so that a peer can review it (design.md §3).

An untrusted container: the gate reads its approval annotations (and verifies them), its rejection (which can
only refuse) and its creation time.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from peergate.model.wire import Instant, Many, WireModel

__all__ = [
    "ChangeRequestSpec",
    "ChangeRequestStatus",
    "ChangedObject",
    "RecordedRequester",
    "Rejection",
    "RequestState",
]

RequestState = Literal["Pending", "Approved", "Used", "Rejected", "Expired", "Stale"]

_Hex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$", max_length=64)]
_Short = Annotated[str, StringConstraints(max_length=512)]
_Name = Annotated[str, StringConstraints(max_length=253)]


class ChangedObject(WireModel):
    """The object instance the change is about."""

    group: _Name
    version: Annotated[str, StringConstraints(min_length=1, max_length=63)]
    resource: Annotated[str, StringConstraints(min_length=1, max_length=253)]
    subresource: _Name
    namespace: _Name
    name: Annotated[str, StringConstraints(min_length=1, max_length=253)]
    uid: Annotated[str, StringConstraints(min_length=1, max_length=128)]


class RecordedRequester(WireModel):
    """Who asked, as the API server authenticated it, and who answers for that account."""

    username: Annotated[str, StringConstraints(min_length=1, max_length=512)]
    uid: Annotated[str, StringConstraints(max_length=128)]
    owner: _Name = ""


class ChangeRequestSpec(WireModel):
    """The ``spec`` of a ChangeRequest: required and immutable."""

    audience: Annotated[str, StringConstraints(min_length=5, max_length=253)]
    operation: Literal["DELETE", "UPDATE"]
    object: ChangedObject
    requester: RecordedRequester
    projection: Literal["k8s-projection/v1", "k8s-identity/v1"]
    from_: Annotated[_Hex, Field(alias="from")]
    to: Annotated[_Hex | None, Field(description="For an UPDATE.")] = None
    options: Annotated[
        dict[str, str | int],
        Field(max_length=4, json_schema_extra={"x-kubernetes-preserve-unknown-fields": True}),
    ] = Field(default_factory=dict)
    effect: Literal["Delete", "Replace"]
    rules: Annotated[Many[_Short], Field(max_length=64)] = ()
    patch: Annotated[
        Many[dict[str, Any]] | None,
        Field(
            description="JSON Patch from the live object to the wanted one; Secret values never.",
            json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
        ),
    ] = None
    complete: Annotated[bool, Field(description="false: the patch is masked or cut.")] = True
    summary: _Short = ""
    filed_at: Instant
    expires: Instant


class Rejection(WireModel):
    """An approver's no to this exact change."""

    by: Annotated[str, StringConstraints(min_length=1, max_length=253)]
    reason: _Short = ""
    at: Instant
    until: Instant


class Condition(WireModel):
    """A Kubernetes condition."""

    type: Annotated[str, StringConstraints(min_length=1, max_length=316)]
    status: Literal["True", "False", "Unknown"]
    reason: Annotated[str, StringConstraints(min_length=1, max_length=1024)]
    message: Annotated[str, StringConstraints(max_length=32768)] = ""
    observed_generation: Annotated[int, Field(ge=0)] = 0
    last_transition_time: Instant


class ChangeRequestStatus(WireModel):
    """The ``status`` of a ChangeRequest."""

    state: RequestState | None = None
    progress: Annotated[str, StringConstraints(max_length=16)] = ""
    missing: _Short = ""
    approvals: Annotated[Many[_Name], Field(max_length=16)] = ()
    rejection: Rejection | None = None
    conditions: Annotated[Many[Condition], Field(max_length=16)] = ()
