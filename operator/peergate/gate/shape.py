"""Reading decoded JSON that may have any shape: what is not as expected reads as empty.

The port is open to whoever reaches it (T25), so no look into an object may raise. The members that identity
and verdict rest on are checked up front (``well_formed``); everywhere else, empty is the cautious reading.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from peergate.model.names import JsonObject

__all__ = ["mapping", "sequence", "text", "well_formed"]

_EMPTY: Final[Mapping[str, Any]] = {}


def mapping(value: object) -> Mapping[str, Any]:
    """Return the value where it is an object, else an empty one."""
    return value if isinstance(value, dict) else _EMPTY


def sequence(value: object) -> Sequence[Any]:
    """Return the value where it is an array, else an empty one."""
    return value if isinstance(value, list) else ()


def text(value: object) -> str:
    """Return the value where it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


def well_formed(document: JsonObject) -> bool:
    """Tell whether an object's metadata has the types that Kubernetes gives it; absent and null are fine."""
    metadata = document.get("metadata")
    if not isinstance(metadata, dict):
        return False
    return (
        all(isinstance(metadata.get(member, ""), str | None) for member in ("name", "namespace", "uid"))
        and all(_string_map(metadata.get(member)) for member in ("labels", "annotations"))
        and _list_of(metadata.get("finalizers"), str)
        and _list_of(metadata.get("ownerReferences"), dict)
    )


def _string_map(value: object) -> bool:
    return value is None or (
        isinstance(value, dict) and all(isinstance(member, str) for member in value.values())
    )


def _list_of(value: object, kind: type) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(member, kind) for member in value))
