"""ChangeRequest: one refused change, filed so that a peer can review it (design.md §3).

An untrusted container: the gate reads its approval annotations (and verifies them), its rejection (which can
only refuse) and its creation time.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, StringConstraints, WithJsonSchema

from peergate.model.condition import Condition, Conditions
from peergate.model.names import POD_NAME
from peergate.model.schema import checked
from peergate.model.wire import Instant, Many, WireModel

__all__ = [
    "ChangeRequestSpec",
    "ChangeRequestStatus",
    "ChangedObject",
    "Condition",
    "RecordedRequester",
    "Rejection",
    "RequestState",
]

RequestState = Literal["Pending", "Approved", "Used", "Rejected", "Expired", "Stale"]

_Hex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$", max_length=64)]
_Short = Annotated[str, StringConstraints(max_length=512)]
_Name = Annotated[str, StringConstraints(max_length=253)]

_OPTIONS_SCHEMA: Final = {
    "type": "object",
    "maxProperties": 4,
    "additionalProperties": {"x-kubernetes-int-or-string": True},
}
_PATCH_SCHEMA: Final = {
    "type": "array",
    "maxItems": 4096,
    "items": {
        "type": "object",
        "description": "One operation of RFC 6902.",
        "required": ["op", "path"],
        "properties": {
            "op": {
                "type": "string",
                "enum": ["add", "remove", "replace", "move", "copy", "test"],
                "description": "What it does.",
            },
            "path": {"type": "string", "maxLength": 4096, "description": "Where, as a JSON Pointer."},
            "from": {"type": "string", "maxLength": 4096, "description": "For move and copy: from where."},
            # Without a type: where an object may hold unknown members, the rule that keeps spec as it is
            # compares their number but not their names.
            "value": {
                "x-kubernetes-preserve-unknown-fields": True,
                "description": "For add, replace and test: the value.",
            },
        },
    },
}


class ChangedObject(WireModel):
    """The object instance the change is about."""

    group: Annotated[_Name, Field(description='API group; "" is the core group.')]
    version: Annotated[str, StringConstraints(min_length=1, max_length=63), Field(description="API version.")]
    resource: Annotated[
        str, StringConstraints(min_length=1, max_length=253), Field(description="Plural resource name.")
    ]
    subresource: Annotated[_Name, Field(description='Such as scale; "" is the object itself.')]
    namespace: Annotated[_Name, Field(description='"" for what is cluster-scoped.')]
    name: Annotated[
        str, StringConstraints(min_length=1, max_length=253), Field(description="The object's name.")
    ]
    uid: Annotated[
        str, StringConstraints(min_length=1, max_length=128), Field(description="The object's uid.")
    ]


class RecordedRequester(WireModel):
    """Who asked, as the API server authenticated it, and who answers for that account."""

    username: Annotated[
        str, StringConstraints(min_length=1, max_length=512), Field(description="The user name.")
    ]
    uid: Annotated[str, StringConstraints(max_length=128), Field(description="The user's uid.")]
    owner: Annotated[_Name, Field(description="Who answers for the requester.")] = ""
    pod: Annotated[
        str,
        StringConstraints(max_length=253, pattern=f"^({POD_NAME})?$"),
        Field(description="The Pod that its token named when this was filed."),
    ] = ""


class ChangeRequestSpec(WireModel):
    """The ``spec`` of a ChangeRequest: required and immutable."""

    model_config = ConfigDict(
        json_schema_extra=checked(
            (
                "(self.operation == 'UPDATE') == has(self.to)",
                "to belongs to an UPDATE, and to it alone",
            ),
            (
                "self.operation != 'DELETE' || self.effect == 'Delete'",
                "the effect of a DELETE is Delete",
            ),
            (
                "self.operation == 'DELETE' || self.projection == 'k8s-projection/v1'",
                "the projection of an UPDATE is k8s-projection/v1",
            ),
        ),
    )

    audience: Annotated[
        str, StringConstraints(min_length=5, max_length=253), Field(description="The cluster it is about.")
    ]
    operation: Annotated[Literal["DELETE", "UPDATE"], Field(description="What was asked for.")]
    object: Annotated[ChangedObject, Field(description="The object instance the change is about.")]
    requester: Annotated[RecordedRequester, Field(description="Who asked, and who answers for it.")]
    projection: Annotated[
        Literal["k8s-projection/v1", "k8s-identity/v1"],
        Field(description="What of the object is bound by an approval."),
    ]
    from_: Annotated[_Hex, Field(alias="from", description="SHA-256 of the object as it is, projected.")]
    to: Annotated[
        _Hex | None, Field(description="For an UPDATE: SHA-256 of the object as it is to be, projected.")
    ] = None
    options: Annotated[
        dict[str, str | int],
        Field(max_length=4, description="Options of a DELETE that are bound."),
        WithJsonSchema(_OPTIONS_SCHEMA),
    ] = Field(default_factory=dict)
    effect: Annotated[Literal["Delete", "Replace"], Field(description="Why it matters.")]
    rules: Annotated[
        Many[_Short], Field(max_length=64, description="The rules that ask for approval: policy/index.")
    ] = ()
    patch: Annotated[
        Many[dict[str, Any]] | None,
        Field(description="JSON Patch from the live object to the wanted one; Secret values never."),
        WithJsonSchema(_PATCH_SCHEMA),
    ] = None
    complete: Annotated[bool, Field(description="false: the patch is masked or cut.")] = True
    summary: Annotated[_Short, Field(description="The change in one line.")] = ""
    filed_at: Annotated[Instant, Field(description="When it was filed.")]
    expires: Annotated[Instant, Field(description="When it ends undecided.")]


class Rejection(WireModel):
    """An approver's no to this exact change."""

    model_config = ConfigDict(
        json_schema_extra=checked(("self.at < self.until", "until is not after at")),
    )

    by: Annotated[
        str, StringConstraints(min_length=1, max_length=253), Field(description="The approver's identity.")
    ]
    reason: Annotated[_Short, Field(description="Why, for the requester.")] = ""
    at: Annotated[Instant, Field(description="When it was rejected.")]
    until: Annotated[Instant, Field(description="How long the same change stays refused.")]


class ChangeRequestStatus(WireModel):
    """The ``status`` of a ChangeRequest."""

    state: Annotated[RequestState | None, Field(description="Where it is in its life.")] = None
    progress: Annotated[
        str,
        StringConstraints(max_length=16),
        Field(description="Approvals that count, of those required: 1/2."),
    ] = ""
    missing: Annotated[_Short, Field(description="What is missing, in words.")] = ""
    approvals: Annotated[
        Many[_Name], Field(max_length=16, description="Identities of the approvers who count.")
    ] = ()
    rejection: Annotated[Rejection | None, Field(description="Set once; outweighs every approval.")] = None
    conditions: Conditions = ()
