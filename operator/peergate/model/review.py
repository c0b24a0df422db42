"""One AdmissionReview request as a value.

Reads the wire shape of ``admission.k8s.io/v1`` (kubernetes-facts.md F4): what is empty may be absent or
null, and both mean the same. Unknown members are ignored, as Kubernetes adds some with every release.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from peergate.errors import InputError
from peergate.model.names import POD_NAME, JsonObject

__all__ = ["Gate", "Kind", "Resource", "Review", "User", "parse_review"]

_POD_KEY: Final = "authentication.kubernetes.io/pod-name"
_POD_NAME: Final = re.compile(POD_NAME)
_POD_MOST: Final = 253


class Gate(StrEnum):
    """The entry of the webhook configuration that a review arrived through (design.md §4)."""

    NAMESPACED = "namespaced"
    CLUSTER = "cluster"
    OWN = "own"
    IDENTITY = "identity"
    RESOURCES = "resources"


@dataclass(frozen=True, slots=True)
class Kind:
    """Group, version and kind: what the objects in the review are."""

    group: str
    version: str
    kind: str

    @property
    def api_version(self) -> str:
        """Return ``v1`` or ``apps/v1``, as an object's ``apiVersion`` is written."""
        return f"{self.group}/{self.version}" if self.group else self.version


@dataclass(frozen=True, slots=True)
class Resource:
    """Group, version and plural resource: what the request is addressed to."""

    group: str
    version: str
    resource: str


@dataclass(frozen=True, slots=True)
class User:
    """Who asks, as the API server authenticated it.

    Of ``extra`` only the token's Pod is kept, to be shown: it is no evidence (kubernetes-facts.md I3).
    """

    username: str
    uid: str
    """Empty when absent; an impersonated ServiceAccount has none (I3)."""
    groups: frozenset[str]
    pod: str = ""
    """Name of the Pod that the token is bound to, as ``extra`` says; empty where it names none."""

    @property
    def service_account(self) -> tuple[str, str] | None:
        """Return (namespace, name) for a ServiceAccount's user name, else ``None``."""
        parts = self.username.split(":")
        if len(parts) == 4 and parts[0] == "system" and parts[1] == "serviceaccount":  # noqa: PLR2004
            return parts[2], parts[3]
        return None


@dataclass(frozen=True, slots=True)
class Review:
    """What the API server asks, once."""

    gate: Gate
    uid: str
    """New with every call (F5); never part of a verdict."""
    operation: str
    """``CREATE``, ``UPDATE``, ``DELETE`` or ``CONNECT``; anything else denies an agent."""
    kind: Kind
    resource: Resource
    subresource: str
    name: str
    """``request.name``: empty for each item of a collection delete (AR2) and for a CREATE by generateName."""
    namespace: str
    """``request.namespace``; a Namespace carries its own name here."""
    user: User
    object: JsonObject | None
    old_object: JsonObject | None
    options: JsonObject | None
    dry_run: bool

    @property
    def subject(self) -> JsonObject | None:
        """Return the object whose identity counts: what is there now, else what is to be (F2, AR2)."""
        return self.old_object if self.old_object is not None else self.object

    @property
    def is_collection_item(self) -> bool:
        """Tell whether this DELETE is one item of a collection delete: those have no name (AR2)."""
        return self.operation == "DELETE" and not self.name

    @property
    def is_eviction(self) -> bool:
        """Tell whether this CREATE evicts a Pod (AR15)."""
        return (
            self.subresource == "eviction"
            and self.operation == "CREATE"
            and (self.resource.group, self.resource.resource) == ("", "pods")
        )


def parse_review(document: object, *, gate: Gate) -> Review:
    """Return the request of a decoded AdmissionReview.

    Errors:
        InputError: not an AdmissionReview ``admission.k8s.io/v1`` with a request of the known shape. The
            message names the member that is wrong and never quotes its value.
    """
    review = _object(document, "review")
    if review.get("kind") != "AdmissionReview":
        raise InputError("the kind is not AdmissionReview")
    if review.get("apiVersion") != "admission.k8s.io/v1":
        raise InputError("the apiVersion is not admission.k8s.io/v1")
    request = _object(review.get("request"), "request")
    kind = _object(request.get("kind"), "request.kind")
    resource = _object(request.get("resource"), "request.resource")
    dry_run = request.get("dryRun", False)
    if dry_run is None:
        dry_run = False
    if not isinstance(dry_run, bool):
        raise InputError("request.dryRun is not a boolean")
    uid = _text(request, "uid", where="request")
    if not uid:
        raise InputError("request.uid is empty")
    return Review(
        gate=gate,
        uid=uid,
        operation=_text(request, "operation", where="request"),
        kind=Kind(
            group=_text(kind, "group", where="request.kind"),
            version=_text(kind, "version", where="request.kind"),
            kind=_text(kind, "kind", where="request.kind"),
        ),
        resource=Resource(
            group=_text(resource, "group", where="request.resource"),
            version=_text(resource, "version", where="request.resource"),
            resource=_text(resource, "resource", where="request.resource"),
        ),
        subresource=_text(request, "subResource", where="request"),
        name=_text(request, "name", where="request"),
        namespace=_text(request, "namespace", where="request"),
        user=_user(_object(request.get("userInfo"), "request.userInfo")),
        object=_optional_object(request, "object"),
        old_object=_optional_object(request, "oldObject"),
        options=_optional_object(request, "options"),
        dry_run=dry_run,
    )


def _user(info: Mapping[str, Any]) -> User:
    groups = info.get("groups")
    if groups is None:
        groups = []
    if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
        raise InputError("request.userInfo.groups is not a list of strings")
    return User(
        username=_text(info, "username", where="request.userInfo"),
        uid=_text(info, "uid", where="request.userInfo"),
        groups=frozenset(groups),
        pod=_pod(info.get("extra")),
    )


def _pod(extra: object) -> str:
    """Return the name of the token's Pod; whatever is no such name is left out, as nothing depends on it."""
    values = extra.get(_POD_KEY) if isinstance(extra, dict) else None
    match values:
        case [str() as name] if len(name) <= _POD_MOST and _POD_NAME.fullmatch(name):
            return name
    return ""


def _object(value: object, where: str) -> JsonObject:
    if not isinstance(value, dict):
        raise InputError(f"{where} is not an object")
    return value


def _optional_object(request: Mapping[str, Any], member: str) -> JsonObject | None:
    value = request.get(member)
    return None if value is None else _object(value, f"request.{member}")


def _text(parent: Mapping[str, Any], member: str, *, where: str) -> str:
    value = parent.get(member)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InputError(f"{where}.{member} is not a string")
    return value
