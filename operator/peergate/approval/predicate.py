"""The closed model of a statement: every member and its rule (approval-format.md §3).

Closed, because a member that an older verifier dropped silently could have been the one that narrows (A14);
new meaning needs a new ``predicateType``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from peergate.approval.base64strict import decode_nonce
from peergate.model.change import Change, ObjectRef, Projection, Requester, SignedOperation
from peergate.model.names import Digest
from peergate.model.wire import Instant

__all__ = ["DigestRef", "PolicyRef", "Predicate", "Statement"]

_LABEL: Final = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_SUBDOMAIN: Final = rf"{_LABEL}(?:\.{_LABEL})*"
_NOT_SHOWN: Final = re.compile(
    "[\\u0000-\\u001f\\u007f-\\u009f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ufeff]"
)
"""Controls, and what reorders or hides text on a terminal or a page."""
_NONCE_BYTES: Final = range(16, 33)
_ACCOUNT: Final = "system:serviceaccount:"


def _text(pattern: str, *, longest: int) -> StringConstraints:
    return StringConstraints(pattern=f"^(?:{pattern})$", max_length=longest)


def _given(value: object) -> object:
    if value is None:
        raise ValueError("null stands for nothing here")
    return value


def _nonce(text: str) -> str:
    if len(decode_nonce(text)) not in _NONCE_BYTES:
        raise ValueError("not 16 to 32 bytes")
    return text


def _shown(text: str) -> str:
    if _NOT_SHOWN.search(text):
        raise ValueError("holds characters that are not shown")
    return text


_Hex = Annotated[str, _text(r"[0-9a-f]{64}", longest=64)]
_Label = Annotated[str, _text(_LABEL, longest=63)]
_OptionalLabel = Annotated[str, _text(f"(?:{_LABEL})?", longest=63)]
_Group = Annotated[str, _text(f"(?:{_SUBDOMAIN})?", longest=253)]
_Printable = r"[!-~]"
_Identifier = Annotated[str, _text(f"{_Printable}+", longest=253)]


class _Closed(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        validate_by_alias=True,
        validate_by_name=False,
    )


class DigestRef(_Closed):
    """A digest, as in-toto writes it."""

    sha256: _Hex


class PolicyRef(_Closed):
    """The policy, by name and content, under which alone an approval holds."""

    name: _Identifier
    sha256: _Hex


class _Subject(_Closed):
    name: str
    digest: DigestRef


class _Object(_Closed):
    group: _Group
    version: _Label
    resource: _Label
    subresource: _OptionalLabel
    namespace: _OptionalLabel
    name: Annotated[str, _text(r"[!-$&-.0-~]+", longest=253)]
    uid: Annotated[str, _text(r"[A-Za-z0-9._:-]+", longest=128)]


class _Requester(_Closed):
    username: Annotated[str, _text(f"{_Printable}+", longest=512)]
    uid: Annotated[str, _text(f"{_Printable}*", longest=128)]

    @model_validator(mode="after")
    def _accounts_have_a_uid(self) -> _Requester:
        if self.username.startswith(_ACCOUNT) and not self.uid:
            raise ValueError("a service account has a uid")
        return self


class _Options(_Closed):
    propagation_policy: Annotated[
        Literal["Background", "Foreground", "Orphan"] | None,
        BeforeValidator(_given),
        Field(alias="propagationPolicy"),
    ] = None
    min_grace_period_seconds: Annotated[
        Annotated[int, Field(ge=0, le=2**31 - 1)] | None,
        BeforeValidator(_given),
        Field(alias="minGracePeriodSeconds"),
    ] = None


class Predicate(_Closed):
    """What exactly is approved, by whom, for how long."""

    audience: Annotated[str, _text(r"k8s:[A-Za-z0-9._:-]+", longest=132)]
    operation: SignedOperation
    object: _Object
    requester: _Requester
    approver: _Identifier
    projection: Projection
    from_: Annotated[DigestRef, Field(alias="from")]
    to: Annotated[DigestRef | None, BeforeValidator(_given)] = None
    ignore: Annotated[tuple[str, ...], Field(strict=False, max_length=8)]
    """Well-formed or not is judged with what policy allows (V19)."""
    options_: Annotated[_Options, Field(alias="options")]
    issued_at: Annotated[Instant, Field(alias="issuedAt")]
    expires: Instant
    nonce: Annotated[str, AfterValidator(_nonce)]
    reason: Annotated[str, StringConstraints(min_length=1, max_length=512), AfterValidator(_shown)]
    policy: Annotated[PolicyRef | None, BeforeValidator(_given)] = None
    display: Annotated[DigestRef | None, BeforeValidator(_given)] = None

    @model_validator(mode="after")
    def _fits_the_operation(self) -> Predicate:
        if self.operation == "UPDATE":
            if self.to is None or self.options or self.projection != "k8s-projection/v1":
                raise ValueError("an update has a digest to, no options and the whole projection")
        elif self.to is not None:
            raise ValueError("a deletion has no digest to")
        ref = self.object
        is_pod = (ref.group, ref.version, ref.resource) == ("", "v1", "pods")
        if self.options_.min_grace_period_seconds is not None and not is_pod:
            raise ValueError("only Pods have a grace period")
        if self.expires <= self.issued_at:
            raise ValueError("it ends before it starts")
        return self

    @property
    def ref(self) -> ObjectRef:
        """Return the object as a plain value."""
        return ObjectRef(**self.object.model_dump())

    @property
    def requested_by(self) -> Requester:
        """Return the requester as a plain value."""
        return Requester(username=self.requester.username, uid=self.requester.uid)

    @property
    def options(self) -> Mapping[str, str | int]:
        """Return the options as they are written: only those that are given."""
        return self.options_.model_dump(by_alias=True, exclude_none=True)


class Statement(_Closed):
    """One in-toto statement with one subject."""

    type_: Annotated[Literal["https://in-toto.io/Statement/v1"], Field(alias="_type")]
    subject: Annotated[tuple[_Subject], Field(strict=False)]
    predicate_type: Annotated[
        Literal["https://peergate.dev/peer-approval/v1"],
        Field(alias="predicateType"),
    ]
    predicate: Predicate

    @model_validator(mode="after")
    def _subject_is_the_object(self) -> Statement:
        (subject,) = self.subject
        if subject.name != self.predicate.ref.subject_name:
            raise ValueError("the subject is another object")
        if subject.digest != self.predicate.from_:
            raise ValueError("the subject has another digest")
        return self

    @property
    def change(self) -> Change:
        """Return the change this approves, with the options as signed."""
        predicate = self.predicate
        return Change(
            audience=predicate.audience,
            operation=predicate.operation,
            object=predicate.ref,
            requester=predicate.requested_by,
            projection=predicate.projection,
            from_=Digest(predicate.from_.sha256),
            to=None if predicate.to is None else Digest(predicate.to.sha256),
            options=predicate.options,
        )
