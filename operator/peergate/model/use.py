"""ApprovalUse: the record that an approval has admitted an update (approval-format.md §9)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from peergate.model.names import Digest
from peergate.model.wire import Instant, Many, WireModel

__all__ = ["ApprovalUseSpec", "UsedBy", "use_name"]

_Name = Annotated[str, StringConstraints(max_length=253)]


class UsedBy(WireModel):
    """Who used the approval."""

    username: Annotated[
        str, StringConstraints(min_length=1, max_length=512), Field(description="The user name.")
    ]
    uid: Annotated[str, StringConstraints(max_length=128), Field(description="The user's uid.")]


class ApprovalUseSpec(WireModel):
    """The ``spec`` of an ApprovalUse: create-only, required and immutable."""

    change: Annotated[
        str,
        StringConstraints(pattern=r"^[0-9a-f]{64}$", max_length=64),
        Field(description="SHA-256 of the change that was admitted."),
    ]
    requester: Annotated[UsedBy, Field(description="Who used the approval.")]
    approvers: Annotated[Many[_Name], Field(max_length=16, description="Whose approvals counted.")]
    request_uid: Annotated[
        str,
        StringConstraints(max_length=128),
        Field(alias="requestUID", description="Of the first review that used it."),
    ]
    expires: Annotated[Instant, Field(description="Of the approval; the record is kept a day longer.")]


def use_name(payload: Digest) -> str:
    """Return the record's name: the payload's digest, since envelope and signature are malleable."""
    return f"use-{payload}"
