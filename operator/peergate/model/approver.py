"""Approver: a person or an agent whose signature counts (design.md §3, approval-format.md §4.3)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from peergate.model.wire import Instant, Many, WireModel

__all__ = ["ApproverClass", "ApproverSpec", "KeyRecord", "KeyRequirements", "KeyType"]

KeyType = Literal["ed25519", "ecdsa-p256", "rsa-pkcs1-sha256", "rsa-pss-sha256", "ssh"]
ApproverClass = Literal["human", "agent"]

_Text = Annotated[str, StringConstraints(min_length=1, max_length=253)]
_Identity = Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=r"^[!-~]+$")]


class KeyRequirements(WireModel):
    """What a hardware key must show with every signature (approval-format.md §4.2 rule 5)."""

    user_presence: Annotated[bool, Field(description="The key was touched.")] = True
    user_verification: Annotated[bool, Field(description="The key asked for a PIN or a fingerprint.")] = False


class KeyRecord(WireModel):
    """One public key, and for how long it holds."""

    type: KeyType
    public_key: Annotated[
        str,
        StringConstraints(min_length=1, max_length=4096),
        Field(description="PEM SubjectPublicKeyInfo, or for type ssh an OpenSSH public key line."),
    ]
    id: Annotated[
        str,
        StringConstraints(max_length=64),
        Field(description="SHA256:... as ssh-keygen -lf prints it; computed, and checked if given."),
    ] = ""
    comment: Annotated[str, StringConstraints(max_length=253)] = ""
    not_before: Instant | None = None
    not_after: Instant | None = None
    revoked_before: Annotated[Instant | None, Field(description="Approvals issued earlier are void.")] = None
    disabled: bool = False
    require: KeyRequirements = KeyRequirements()


class ApproverSpec(WireModel):
    """The ``spec`` of an Approver."""

    identity: Annotated[_Identity, Field(description="Unique; what a signed statement names.")]
    class_: Annotated[ApproverClass, Field(alias="class")]
    owner: Annotated[
        str, StringConstraints(max_length=253), Field(description="Who answers for this approver.")
    ] = ""
    kubernetes_usernames: Annotated[Many[_Text], Field(max_length=32)] = ()
    groups: Annotated[Many[_Text], Field(max_length=32)] = ()
    keys: Annotated[Many[KeyRecord], Field(min_length=1, max_length=16)]
    revoked_before: Annotated[Instant | None, Field(description="Approvals issued earlier are void.")] = None
    disabled: bool = False
