"""Hide the values of Secrets, also in kubectl's copy of the manifest (experience.md §2.4).

A value is never shown, nor a hash of it: whoever reads a hash can test guesses. What may be seen is the key,
whether its value was added, removed or changed, and the length in bytes.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, Final

from peergate.model.names import JsonObject

__all__ = ["LAST_APPLIED", "Hidden", "NotFiled", "masked"]

LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True, slots=True, repr=False)
class Hidden:
    """A value that can be compared and must not be shown."""

    content: str
    size: int

    def __repr__(self) -> str:
        return f"hidden ({self.size} {'byte' if self.size == 1 else 'bytes'})"


@dataclass(frozen=True, slots=True, repr=False)
class NotFiled:
    """A value that the operator left out of a ChangeRequest: nobody but the agent knows it."""

    def __repr__(self) -> str:
        return "another value, not filed"


def masked(document: JsonObject) -> JsonObject:
    """Return the object for display: a Secret's values hidden, kubectl's copy of the manifest taken apart.

    The copy is taken apart for every kind, so that a reader sees which of its members differ; what can't be
    read as JSON stays text, but is hidden whole in a Secret.
    """
    secret = document.get("kind") == "Secret"
    shown = _without_values(document) if secret else dict(document)
    metadata = document.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    copy = annotations.get(LAST_APPLIED) if isinstance(annotations, dict) else None
    if isinstance(metadata, dict) and isinstance(annotations, dict) and isinstance(copy, str):
        shown["metadata"] = {
            **metadata,
            "annotations": {**annotations, LAST_APPLIED: _taken_apart(copy, secret=secret)},
        }
    return shown


def _without_values(document: JsonObject) -> JsonObject:
    shown = dict(document)
    if isinstance(document.get("data"), dict):
        shown["data"] = {key: _hidden(value, encoded=True) for key, value in document["data"].items()}
    if isinstance(document.get("stringData"), dict):
        shown["stringData"] = {
            key: _hidden(value, encoded=False) for key, value in document["stringData"].items()
        }
    return shown


def _hidden(value: Any, *, encoded: bool) -> Hidden:
    text = value if isinstance(value, str) else json.dumps(value)
    size = len(text.encode("utf-8", "surrogatepass"))
    if encoded:
        try:
            size = len(base64.b64decode(text, validate=True))
        except (binascii.Error, ValueError):
            return Hidden(content=text, size=size)
    return Hidden(content=text, size=size)


def _taken_apart(copy: str, *, secret: bool) -> Any:
    try:
        found = json.loads(copy)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        return _hidden(copy, encoded=False) if secret else copy
    # The copy may call itself whatever it likes: inside a Secret it is masked all the same.
    return _without_values(found) if secret or found.get("kind") == "Secret" else found
