"""Approver: a person or an agent whose signature counts (design.md §3, approval-format.md §4.3)."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, StringConstraints

from peergate.model.condition import Conditions
from peergate.model.schema import checked
from peergate.model.wire import Instant, Many, WireModel

__all__ = ["ApproverClass", "ApproverSpec", "ApproverStatus", "KeyRecord", "KeyRequirements", "KeyType"]

KeyType = Literal["ed25519", "ecdsa-p256", "rsa-pkcs1-sha256", "rsa-pss-sha256", "ssh"]
ApproverClass = Literal["human", "agent"]

_SET: Final = {"x-kubernetes-list-type": "set"}
_Text = Annotated[str, StringConstraints(min_length=1, max_length=253)]
_Identity = Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=r"^[!-~]+$")]


class KeyRequirements(WireModel):
    """What a hardware key must show with every signature (approval-format.md §4.2 rule 5)."""

    user_presence: Annotated[bool, Field(description="The key was touched.")] = True
    user_verification: Annotated[bool, Field(description="The key asked for a PIN or a fingerprint.")] = False


class KeyRecord(WireModel):
    """One public key, and for how long it holds."""

    model_config = ConfigDict(
        json_schema_extra=checked(
            (
                "!self.publicKey.contains('PRIVATE KEY')",
                "this is a private key: only public keys belong here; give this one up, it has been seen",
            ),
            (
                (
                    "self.type == 'ssh'"
                    " ? self.publicKey.matches('^(ssh-ed25519|ecdsa-sha2-nistp256|ssh-rsa"
                    "|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh[.]com)[ \\t]')"
                    " : self.publicKey.startsWith('-----BEGIN PUBLIC KEY-----')"
                ),
                (
                    "publicKey does not fit type: ssh takes an OpenSSH public key line"
                    " (ed25519, ecdsa nistp256, rsa or sk-), every other type a PEM public key"
                ),
            ),
            (
                (
                    "!has(self.notBefore) || self.notBefore == null"
                    " || !has(self.notAfter) || self.notAfter == null || self.notBefore < self.notAfter"
                ),
                "notBefore is not before notAfter",
            ),
            (
                "!has(self.require) || self.publicKey.startsWith('sk-')",
                "require is for hardware keys, whose type starts with sk-",
            ),
        ),
    )

    type: Annotated[KeyType, Field(description="The kind of key and signature.")]
    public_key: Annotated[
        str,
        StringConstraints(min_length=1, max_length=4096),
        Field(description="PEM SubjectPublicKeyInfo, or for type ssh an OpenSSH public key line."),
    ]
    id: Annotated[
        str,
        StringConstraints(max_length=64),
        Field(
            description="SHA256:... as ssh-keygen -lf prints it; computed, and checked if given.",
            json_schema_extra={"pattern": "^(SHA256:[A-Za-z0-9+/]{43})?$"},
        ),
    ] = ""
    comment: Annotated[
        str, StringConstraints(max_length=253), Field(description="Which key it is, for people.")
    ] = ""
    not_before: Annotated[Instant | None, Field(description="Approvals issued earlier don't count.")] = None
    not_after: Annotated[Instant | None, Field(description="The key counts no longer from then on.")] = None
    revoked_before: Annotated[Instant | None, Field(description="Approvals issued earlier are void.")] = None
    disabled: Annotated[bool, Field(description="true: the key never counts.")] = False
    require: Annotated[
        KeyRequirements,
        Field(
            description="What a hardware key must show with every signature; default: that it was touched.",
            json_schema_extra={"default": {}},
        ),
    ] = KeyRequirements()


class ApproverSpec(WireModel):
    """The ``spec`` of an Approver."""

    model_config = ConfigDict(
        json_schema_extra=checked(
            (
                (
                    "self.class != 'agent' || (has(self.owner) && self.owner != ''"
                    " && has(self.kubernetesUsernames) && size(self.kubernetesUsernames) > 0)"
                ),
                "an approver of class agent needs an owner and at least one of kubernetesUsernames",
            ),
        ),
    )

    identity: Annotated[_Identity, Field(description="Unique; what a signed statement names.")]
    class_: Annotated[ApproverClass, Field(alias="class", description="A person, or another AI agent.")]
    owner: Annotated[
        str, StringConstraints(max_length=253), Field(description="Who answers for this approver.")
    ] = ""
    kubernetes_usernames: Annotated[
        Many[_Text],
        Field(
            max_length=32,
            description="Under which names the API server knows this approver; no other approver has them.",
            json_schema_extra=_SET,
        ),
    ] = ()
    groups: Annotated[
        Many[_Text],
        Field(max_length=32, description="What the fromGroups of a rule picks.", json_schema_extra=_SET),
    ] = ()
    keys: Annotated[
        Many[KeyRecord],
        Field(min_length=1, max_length=16, description="The keys that this approver signs with."),
    ]
    revoked_before: Annotated[Instant | None, Field(description="Approvals issued earlier are void.")] = None
    disabled: Annotated[bool, Field(description="true: no signature of this approver counts.")] = False


class ApproverStatus(WireModel):
    """The ``status`` of an Approver."""

    conditions: Conditions = ()
    fingerprints: Annotated[
        Many[Annotated[str, StringConstraints(max_length=64)]],
        Field(max_length=16, description="Ids of the usable keys, as ssh-keygen -lf prints them."),
    ] = ()
