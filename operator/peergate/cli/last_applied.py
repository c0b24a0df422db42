"""The annotation that ``kubectl replace`` rewrites by itself, written as kubectl writes it.

A manifest that carries ``last-applied-configuration`` (any object that was once applied and then saved does)
is not sent as it stands: kubectl puts the manifest's own content there first. The annotation is part of what
is signed (approval-format.md §5.1 rule 3), so the approver's dry run must send the same.
"""

from __future__ import annotations

from typing import Final

from peergate.approval.canonical import canonical_bytes
from peergate.model.names import JsonObject

__all__ = ["as_kubectl_replaces"]

_KEY: Final = "kubectl.kubernetes.io/last-applied-configuration"
_ESCAPED: Final = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}
"""Go's encoder escapes these inside strings; outside strings they don't occur."""


def as_kubectl_replaces(manifest: JsonObject) -> JsonObject:
    """Return the object that kubectl sends for a manifest that names its namespace.

    Source: kubectl's ``util.CreateOrUpdateAnnotation`` without ``--save-config``: only an annotation that is
    there and not empty is rewritten. Errors: NotCanonical.
    """
    annotations = manifest["metadata"].get("annotations")
    if not isinstance(annotations, dict) or not annotations.get(_KEY):
        return manifest
    others = {key: value for key, value in annotations.items() if key != _KEY}
    content = {**manifest, "metadata": {**manifest["metadata"], "annotations": others}}
    # Sorted keys, no white space, doubles as ECMAScript writes them: Go's JSON but for the escapes.
    written = canonical_bytes(content).decode("utf-8").translate(_ESCAPED) + "\n"
    return {**content, "metadata": {**content["metadata"], "annotations": {**others, _KEY: written}}}
