"""Who is at the prompt: the user as the API server authenticates it, and the approver that user is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from peergate.approval.keyring import Keyring, RegisteredApprover
from peergate.cli.kube import ApiError, Cluster
from peergate.model.names import JsonObject

__all__ = ["Me", "who_am_i"]

_PATH: Final = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


@dataclass(frozen=True, slots=True)
class Me:
    """The user whose credentials are used."""

    username: str
    """Empty where the API server does not say."""
    approver: RegisteredApprover | None
    """Whose ``kubernetesUsernames`` has that user."""


def who_am_i(cluster: Cluster, *, keyring: Keyring) -> Me:
    """Return who the API server takes the caller for; errors as ``Cluster.get`` when it does not answer."""
    body: JsonObject = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    try:
        answer = cluster.create(_PATH, body)
    except ApiError:
        return Me(username="", approver=None)
    info = (answer.get("status") or {}).get("userInfo") or {}
    username = str(info.get("username") or "")
    return Me(username=username, approver=keyring.by_username.get(username))
