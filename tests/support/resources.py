"""Valid custom resources, as small as the schema lets them be; a test changes what it is about."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Final

__all__ = [
    "ED25519_LINE",
    "PEM_KEY",
    "SK_LINE",
    "approval_use",
    "approver",
    "change_request",
    "changed",
    "path_of",
    "policy",
]

ED25519_LINE: Final = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS alice"
SK_LINE: Final = "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29t alice"
PEM_KEY: Final = (
    "-----BEGIN PUBLIC KEY-----\n"
    "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
    "-----END PUBLIC KEY-----\n"
)
_API_VERSION: Final = "peergate.dev/v1alpha1"
_PLURALS: Final = {
    "ProtectionPolicy": ("protectionpolicies", False),
    "Approver": ("approvers", False),
    "ChangeRequest": ("changerequests", True),
    "ApprovalUse": ("approvaluses", True),
}


def policy(rule: Mapping[str, Any] | None = None, /, **spec: Any) -> dict[str, Any]:
    """Return a ProtectionPolicy with one rule, ``None``: of defaults only."""
    return _object("ProtectionPolicy", "everything", {"rules": [dict(rule or {})], **spec})


def approver(key: Mapping[str, Any] | None = None, /, **spec: Any) -> dict[str, Any]:
    """Return an Approver with one SSH key, of which members may be changed."""
    record = {"type": "ssh", "publicKey": ED25519_LINE, **(key or {})}
    return _object("Approver", "alice", {"identity": "alice", "class": "human", "keys": [record], **spec})


def change_request(**spec: Any) -> dict[str, Any]:
    """Return a ChangeRequest about a deletion."""
    return _object(
        "ChangeRequest",
        "cr-bcdfghjkmnpqrstvwxzb",
        {
            "audience": "k8s:00000000-0000-4000-8000-000000000001",
            "operation": "DELETE",
            "object": {
                "group": "apps",
                "version": "v1",
                "resource": "deployments",
                "subresource": "",
                "namespace": "default",
                "name": "payments-api",
                "uid": "0a6b2a52-6e13-4a5e-8f5b-7b4b7f6a6d90",
            },
            "requester": {
                "username": "system:serviceaccount:agents:coder",
                "uid": "u",
                "owner": "team-platform",
            },
            "projection": "k8s-projection/v1",
            "from": "a" * 64,
            "options": {"propagationPolicy": "Background", "minGracePeriodSeconds": 30},
            "effect": "Delete",
            "rules": ["built-in"],
            "summary": "delete deployment payments-api",
            "filedAt": "2026-11-23T12:00:00Z",
            "expires": "2026-11-24T12:00:00Z",
            **spec,
        },
    )


def approval_use(**spec: Any) -> dict[str, Any]:
    """Return an ApprovalUse."""
    return _object(
        "ApprovalUse",
        f"use-{'0123456789abcdef' * 4}",
        {
            "change": "c" * 64,
            "requester": {"username": "system:serviceaccount:agents:coder", "uid": "u"},
            "approvers": ["alice"],
            "requestUID": "7f0a5a0e-6f2f-4a53-9d0c-0a0c3a4f4a11",
            "expires": "2026-11-23T12:15:00Z",
            **spec,
        },
    )


def changed(document: Mapping[str, Any], *path: str, to: Any) -> dict[str, Any]:
    """Return a copy with one member changed, or left out where ``to`` is ``None``."""
    copied: dict[str, Any] = copy.deepcopy(dict(document))
    parent = copied
    for member in path[:-1]:
        parent = parent[member]
    if to is None:
        del parent[path[-1]]
    else:
        parent[path[-1]] = to
    return copied


def path_of(document: Mapping[str, Any], *, named: bool = False) -> str:
    """Return the API path of its collection, or its own."""
    plural, namespaced = _PLURALS[document["kind"]]
    scope = f"/namespaces/{document['metadata'].get('namespace', 'default')}" if namespaced else ""
    name = f"/{document['metadata']['name']}" if named else ""
    return f"/apis/{_API_VERSION}{scope}/{plural}{name}"


def _object(kind: str, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {"apiVersion": _API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": dict(spec)}
