"""The body of a replacement, as ``kubectl replace`` sends it."""

from __future__ import annotations

from typing import Final

from peergate.cli.last_applied import as_kubectl_replaces
from peergate.cli.targets import Target
from peergate.model.names import JsonObject

__all__ = ["REPLACED_BY", "replacement_of"]

REPLACED_BY: Final = {"fieldManager": "kubectl-replace"}


def replacement_of(target: Target, *, manifest: JsonObject) -> JsonObject:
    """Return what is sent to replace the live object by the manifest.

    It carries the version of the object that was read, unless the manifest names one.
    """
    metadata = dict(manifest["metadata"])
    if target.namespace:
        metadata["namespace"] = target.namespace
    body = as_kubectl_replaces({**manifest, "metadata": metadata})
    version = body["metadata"].get("resourceVersion") or target.live["metadata"]["resourceVersion"]
    return {**body, "metadata": {**body["metadata"], "resourceVersion": version}}
