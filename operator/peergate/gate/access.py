"""Questions to the API server's authorizer: who, which right, where (SubjectAccessReview).

A review of access asks the authorizer and nothing else; admission is not in it (kubernetes-facts.md §7.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from peergate.model.names import JsonObject

__all__ = ["REVIEW_API_VERSION", "Right", "Subject", "account_subject", "is_allowed", "review_of"]

REVIEW_API_VERSION: Final = "authorization.k8s.io/v1"

_ACCOUNT: Final = "system:serviceaccount:"


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """Who is asked about, as the API server would know them."""

    username: str
    """Empty where only groups are meant."""
    uid: str = ""
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One verb on one resource, in one namespace or in the whole cluster."""

    verb: str
    group: str
    """Empty for the core group; ``*`` for all."""
    resource: str
    """``pods`` or, with its subresource, ``pods/exec``; ``*`` for all."""
    namespace: str = ""
    """Empty: cluster-wide, so that for a namespaced resource only a right in every namespace counts."""
    name: str = ""
    """Of one object, for a rule with ``resourceNames``: asked without the name, it is no right."""


def account_subject(namespace: str, name: str, *, uid: str) -> Subject:
    """Return a ServiceAccount as its token authenticates it (kubernetes-facts.md §1.4)."""
    return Subject(
        username=f"{_ACCOUNT}{namespace}:{name}",
        uid=uid,
        groups=(
            "system:serviceaccounts",
            f"system:serviceaccounts:{namespace}",
            "system:authenticated",
        ),
    )


def review_of(right: Right, *, subject: Subject) -> JsonObject:
    """Return the SubjectAccessReview that asks whether the subject has the right."""
    resource, _, subresource = right.resource.partition("/")
    attributes = {
        "verb": right.verb,
        "group": right.group,
        "resource": resource,
        "subresource": subresource,
        "namespace": right.namespace,
        "name": right.name,
    }
    spec: JsonObject = {
        "resourceAttributes": {key: value for key, value in attributes.items() if value},
        "groups": list(subject.groups),
    }
    if subject.username:
        spec["user"] = subject.username
    if subject.uid:
        spec["uid"] = subject.uid
    return {"apiVersion": REVIEW_API_VERSION, "kind": "SubjectAccessReview", "spec": spec}


def is_allowed(answer: JsonObject) -> bool:
    """Tell whether an answered review says yes; what has no clear yes is a no."""
    status = answer.get("status")
    said = status.get("allowed") if isinstance(status, dict) else None
    return said is True
