"""Projections: the part of an object that an approval binds, and its digest (approval-format.md §5).

The verifier projects what the review holds, tools what a GET or a server-side dry run returns; both get the
same bytes. What is never bound, and why, is in §6.6 there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, Final

import orjson

from peergate.approval.canonical import MAX_DEPTH, NotCanonical, canonical_bytes, canonically_equal
from peergate.approval.pointers import remove_pointer
from peergate.model.change import Projection
from peergate.model.names import APPROVAL_KEY_PREFIX, Digest, JsonObject
from peergate.model.review import Kind

__all__ = ["DELETION_FINALIZERS", "digest", "project_delete", "project_update", "unchanged"]

DELETION_FINALIZERS: Final = ("foregroundDeletion", "orphan")
"""Added by a deletion itself, between two reviews of one request; they choose what becomes of dependents."""

_IDENTITY: Final = ("name", "namespace", "uid")
_BOUND: Final = (*_IDENTITY, "labels", "ownerReferences", "finalizers", "annotations")
_EMPTY: Final[tuple[object, ...]] = (None, "", [], {})
_CONTAINERS: Final = (dict, list)
_NULL_STAMP: Final = b'"creationTimestamp":null'
"""As orjson writes it; in a string its quotes would be escaped."""
_NOT_COPIED: Final = ("apiVersion", "kind", "metadata", "status")


def project_delete(
    obj: JsonObject,
    *,
    kind: Kind,
    projection: Projection,
    ignore: Sequence[str] = (),
) -> JsonObject:
    """Return what an approval of the object's deletion binds; the input stays as it is.

    Errors:
        NotCanonical: metadata of an impossible shape, or nested too deep.
        PointerProblem: a pointer of ``ignore`` names an array element.
    """
    if projection == "k8s-identity/v1":
        return {**_head(kind), "metadata": _metadata(obj, members=_IDENTITY)}
    metadata = _metadata(obj, members=_BOUND)
    if "finalizers" in metadata:
        # §5.1 rule 4, DELETE scope
        kept = [finalizer for finalizer in metadata["finalizers"] if finalizer not in DELETION_FINALIZERS]
        metadata["finalizers"] = kept
        if not kept:
            del metadata["finalizers"]
    return _project(obj, kind=kind, metadata=metadata, status=False, ignore=ignore)


def project_update(
    old: JsonObject,
    new: JsonObject,
    *,
    kind: Kind,
    ignore: Sequence[str] = (),
) -> tuple[JsonObject, JsonObject]:
    """Return what an approval of the update binds: before and after; the inputs stay as they are.

    ``status`` is in both or in none: in both if it differs, since kinds without a status subresource store
    whatever status an UPDATE sends (§5.1 rule 6, A20).
    Errors: as ``project_delete``.
    """
    status = not _same_status(old, new)
    before, after = (
        _project(obj, kind=kind, metadata=_metadata(obj, members=_BOUND), status=status, ignore=ignore)
        for obj in (old, new)
    )
    return before, after


def digest(value: JsonObject) -> Digest:
    """Return the digest of a projection: lower-case hexadecimal SHA-256 of its canonical bytes.

    Errors: NotCanonical, TooLarge.
    """
    return Digest(sha256(canonical_bytes(value)).hexdigest())


def unchanged(old: JsonObject, new: JsonObject, *, kind: Kind) -> bool:
    """Tell whether an UPDATE changes nothing that an approval binds, so that it needs none.

    That is how approvals get attached (§1.4). Equal projections imply equal status: a status that differs
    is part of both.
    Errors: NotCanonical.
    """
    before, after = project_update(old, new, kind=kind)
    return canonically_equal(before, after)


def _head(kind: Kind) -> JsonObject:
    return {"apiVersion": kind.api_version, "kind": kind.kind}


def _metadata(obj: JsonObject, *, members: Sequence[str]) -> JsonObject:
    """Return the bound members of metadata that are not empty (§5.1 rules 2 and 3)."""
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict):
        raise NotCanonical("metadata is no object")
    bound: JsonObject = {}
    for member in members:
        value = metadata.get(member)
        if member == "annotations" and value is not None:
            value = _annotations(value)
        elif member == "finalizers" and not isinstance(value, list | None):
            raise NotCanonical("metadata.finalizers is no list")
        if value not in _EMPTY:
            bound[member] = value
    return bound


def _annotations(annotations: object) -> JsonObject:
    if not isinstance(annotations, dict):
        raise NotCanonical("metadata.annotations is no object")
    return {key: value for key, value in annotations.items() if not key.startswith(APPROVAL_KEY_PREFIX)}


def _project(
    obj: JsonObject,
    *,
    kind: Kind,
    metadata: JsonObject,
    status: bool,
    ignore: Sequence[str],
) -> JsonObject:
    rest = {member: value for member, value in obj.items() if member not in _NOT_COPIED}
    if status and "status" in obj:
        rest["status"] = obj["status"]
    # What no rule touches is shared with the input: copying a Deployment takes a third of its digest's time.
    own = rest if not ignore and _is_simple(rest) else _copy(rest)
    projected = {**own, **_head(kind), "metadata": metadata}
    for pointer in ignore:
        remove_pointer(projected, pointer)
    return projected


def _is_simple(value: JsonObject) -> bool:
    """Tell whether one look shows that no null of §5.1 rule 7 is in it and no depth beyond bounds."""
    below = [member for member in value.values() if type(member) in _CONTAINERS]
    if not any(type(item) in _CONTAINERS for member in below for item in _items(member)):
        return True  # flat, as the data of a ConfigMap, which may be large
    try:
        text = orjson.dumps(below)
    except orjson.JSONEncodeError:
        return False
    return _NULL_STAMP not in text and text.count(b"{") + text.count(b"[") <= MAX_DEPTH


def _items(container: Any) -> Iterable[object]:
    return container.values() if isinstance(container, dict) else container


def _copy(value: JsonObject) -> JsonObject:
    """Copy objects and arrays, level by level, without the nulls of §5.1 rule 7."""
    root = dict(value)
    level: list[Any] = [root]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for container in level:
            members = container.items() if isinstance(container, dict) else enumerate(container)
            for key, item in members:
                if type(item) is dict:
                    fresh = dict(item)
                    if key == "metadata" and fresh.get("creationTimestamp", "") is None:
                        del fresh["creationTimestamp"]
                    container[key] = fresh
                    below.append(fresh)
                elif type(item) is list:
                    container[key] = elements = list(item)
                    below.append(elements)
        if not below:
            return root
        level = below
    raise NotCanonical(f"nested deeper than {MAX_DEPTH} levels")


def _same_status(old: JsonObject, new: JsonObject) -> bool:
    if ("status" in old) != ("status" in new):
        return False
    return canonically_equal(old.get("status"), new.get("status"))
