"""Where a filed change came from: the Pod that the requester's token named, and what runs in it.

The API server says of a token that is bound to a Pod which one; a review that somebody posts to the webhook's
port can say anything (T25), and whoever may impersonate may make it up (I3). So the name is a claim; what is
said of the Pod is read from the cluster.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from peergate.cli.kube import ApiError, Cluster, object_path
from peergate.cli.requests import Filed
from peergate.cli.text import plural, visible
from peergate.model.names import JsonObject
from peergate.model.review import User

__all__ = ["Origin", "origin_of"]

_FORBIDDEN: Final = 403
_IMAGES_MOST: Final = 4
_IMAGE_LIMIT: Final = 160


@dataclass(frozen=True, slots=True)
class Origin:
    """The Pod that a change is said to have come from."""

    pod: str
    """Its name, in the requester's namespace."""
    images: tuple[str, ...]
    """What runs in it, made visible; empty if it could not be read or is none of the requester's."""
    words: str
    """The same as a sentence."""


def origin_of(cluster: Cluster, filed: Filed) -> Origin | None:
    """Return the Pod that the request names; ``None`` if it names none. Errors: CommandError."""
    requester = filed.spec.requester
    account = User(username=requester.username, uid="", groups=frozenset()).service_account
    if not requester.pod or account is None:
        return None
    namespace, name = account
    shown = visible(f"{namespace}/{requester.pod}", limit=510)
    claim = f"claimed: from Pod {shown}"
    try:
        pod = cluster.find(
            object_path(group="", version="v1", resource="pods", namespace=namespace, name=requester.pod)
        )
    except ApiError as error:
        if error.status != _FORBIDDEN:
            raise
        return Origin(requester.pod, (), f"{claim}, which you may not read")
    if pod is None:
        return Origin(requester.pod, (), f"{claim}, which is gone")
    spec = pod.get("spec") or {}
    if spec.get("serviceAccountName") != name:
        return Origin(requester.pod, (), f"{claim}, which runs as ANOTHER account")
    images = tuple(_images(spec))
    more = len(images) - _IMAGES_MOST
    listed = ", ".join(images[:_IMAGES_MOST]) + (f" and {plural(more, 'other')}" if more > 0 else "")
    return Origin(requester.pod, images, f"{claim}, image {listed}")


def _images(spec: JsonObject) -> list[str]:
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    return list(dict.fromkeys(visible(str(one.get("image", "")), limit=_IMAGE_LIMIT) for one in containers))
