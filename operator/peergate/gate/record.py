"""What a refused change is filed as: the spec of its ChangeRequest, made from the live object.

The review is only the occasion: whoever reaches the port can post one (T25). So everything here is computed
from what the API server holds, and a live object that is not the one the change binds gives no record.
Nothing an agent wrote is in the summary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from peergate.approval.canonical import canonical_bytes
from peergate.approval.change import change_members
from peergate.approval.patches import apply_patch, make_patch
from peergate.approval.projection import digest, project_delete, project_update
from peergate.gate.messages import NAMED_KINDS, verb_of
from peergate.gate.shape import mapping, sequence, text
from peergate.gate.wording import shorten
from peergate.model.change import Change, Effect
from peergate.model.decision import Facts, Filing
from peergate.model.names import JsonObject
from peergate.model.review import Kind
from peergate.model.wire import format_instant

__all__ = ["PATCH_BYTES", "Draft", "NotAsReviewed", "kind_of", "live_subresource", "spec_of"]

PATCH_BYTES: Final = 256 * 1024
"""A larger patch is left out: a ChangeRequest is read by every replica and every peer."""
_PATCH_OPERATIONS: Final = 4096
_PATH_CHARACTERS: Final = 4096
_RULES_MOST: Final = 64
_INTEGER_MOST: Final = 2**63 - 1
"""What the API server keeps exactly in a custom resource."""
_OPEN_TO_READERS: Final = (
    "/metadata/labels",
    "/metadata/ownerReferences",
    "/metadata/finalizers",
    "/type",
    "/immutable",
)
"""Where a Secret's patch keeps its values: none of these holds any of the Secret's."""
_SECRET_DATA: Final = ("data", "stringData")


class NotAsReviewed(Exception):
    """The live object is not the one that the change is about: changed since, or never as it was claimed."""


@dataclass(frozen=True, slots=True)
class Draft:
    """One refused change, to be filed."""

    change: Change
    facts: Facts
    filing: Filing
    wanted: JsonObject | None
    """As it would be; ``None`` for a deletion."""
    pod: str = ""
    """That the requester's token is bound to; shown to peers, and no evidence."""


def live_subresource(change: Change) -> str:
    """Return the subresource under which the object is read that the digests are over.

    A Scale is an object of its own; every other subresource shows its parent (approval-format.md §6.4).
    """
    return "scale" if change.object.subresource == "scale" else ""


def spec_of(draft: Draft, live: JsonObject) -> JsonObject:
    """Return the spec of the ChangeRequest.

    Shape: as ChangeRequestSpec is written. ``patch`` leads from the live object to the wanted one over what
    the projection binds. Where it is masked (Secrets), above 256 KiB or can't be kept exactly,
    ``complete`` is false.
    Errors: NotAsReviewed; NotCanonical, TooLarge for an object that no approval can bind.
    """
    change, filing = draft.change, draft.filing
    metadata = mapping(live.get("metadata"))
    if (metadata.get("name"), metadata.get("namespace") or "", metadata.get("uid")) != (
        change.object.name,
        change.object.namespace,
        change.object.uid,
    ):
        raise NotAsReviewed
    kind = kind_of(live)
    spec: JsonObject = {
        **change_members(change),
        "effect": str(draft.facts.effect or Effect.REPLACE),
        "rules": list(draft.facts.rules[:_RULES_MOST]),
        "complete": True,
        "filedAt": format_instant(filing.filed_at),
        "expires": format_instant(filing.expires),
    }
    spec["requester"] |= {"owner": draft.facts.owner, **({"pod": draft.pod} if draft.pod else {})}
    if draft.wanted is None:
        projected = project_delete(live, kind=kind, projection=change.projection)
        if digest(projected) != change.from_:
            raise NotAsReviewed
        measured = _measures(live)
    else:
        patch = make_patch(*_bound(change, live, wanted=draft.wanted, kind=kind))
        proven = _is_kept_exactly(patch) and _leads_there(patch, live, change=change, kind=kind)
        shown = patch if proven else None
        if shown is not None and _is_secret(change):
            shown = _masked(shown, live)
        if shown is not None and len(shown) <= _PATCH_OPERATIONS:
            spec["patch"] = shown
        spec["complete"] = shown == patch
        measured = _counts(patch)
    spec["summary"] = _summary(draft, kind=kind, measured=measured)
    return spec


def _leads_there(patch: Sequence[JsonObject], live: JsonObject, *, change: Change, kind: Kind) -> bool:
    """Tell whether the patch, applied to the live object, gives the very digest that is signed."""
    _, reached = project_update(live, apply_patch(live, patch), kind=kind)
    return digest(reached) == change.to


def _bound(
    change: Change, live: JsonObject, *, wanted: JsonObject, kind: Kind
) -> tuple[JsonObject, JsonObject]:
    """Return both projections that the change binds.

    Status is bound where the update changes it (approval-format.md §5.1 rule 6). Where it does not, the live
    one may have moved on since, so it is tried first as if the update left it alone.
    """
    alone = {member: value for member, value in wanted.items() if member != "status"}
    if "status" in live:
        alone["status"] = live["status"]
    for target in (alone, wanted):
        before, after = project_update(live, target, kind=kind)
        if digest(before) == change.from_ and digest(after) == change.to:
            return before, after
    raise NotAsReviewed


def kind_of(live: JsonObject) -> Kind:
    """Return the kind that a live object says it is; a review's word for it is not taken (T25)."""
    group, _, version = text(live.get("apiVersion")).rpartition("/")
    return Kind(group=group, version=version, kind=text(live.get("kind")))


def _is_secret(change: Change) -> bool:
    return change.object.group == "" and change.object.resource == "secrets"


def _is_kept_exactly(patch: Sequence[JsonObject]) -> bool:
    """Tell whether a custom resource gives the patch back as it was written, and may hold it."""
    return (
        len(patch) <= _PATCH_OPERATIONS
        and all(len(step["path"]) <= _PATH_CHARACTERS for step in patch)
        and all(_is_exact(step.get("value", ""), top=True) for step in patch)
        and len(canonical_bytes(patch)) <= PATCH_BYTES
    )


def _is_exact(value: object, *, top: bool = False) -> bool:
    if isinstance(value, dict):
        return all(_is_exact(member) for member in value.values())
    if isinstance(value, list):
        return all(_is_exact(member) for member in value)
    # A null that is a whole value is pruned by the schema.
    return value is not None or not top if not isinstance(value, int) else value <= _INTEGER_MOST


def _masked(patch: Sequence[JsonObject], live: JsonObject) -> list[JsonObject]:
    """Return a Secret's patch without values, and a ``test`` for every key that stays as it is.

    No hash and no length either: both would let readers test guesses (A52).
    """
    masked = [
        step if step["path"].startswith(_OPEN_TO_READERS) else {"op": step["op"], "path": step["path"]}
        for step in patch
    ]
    touched = {step["path"] for step in masked}
    for member in _SECRET_DATA:
        for name in sorted(mapping(live.get(member))):
            path = f"/{member}/{name}"
            if path not in touched and f"/{member}" not in touched:
                masked.append({"op": "test", "path": path})
    return masked


def _summary(draft: Draft, *, kind: Kind, measured: str) -> str:
    change, note = draft.change, draft.facts.note
    name = NAMED_KINDS.get(change.object.resource, kind.kind) if change.object.subresource else kind.kind
    verb = verb_of(change.operation, subresource=change.object.subresource)
    where = "/".join(shorten(part) for part in (change.object.namespace, change.object.name) if part)
    suffix = f" ({note})" if note else ""
    return f"{verb} {shorten(name)} {where}{suffix}{f': {measured}' if measured else ''}"


def _counts(patch: Sequence[Mapping[str, Any]]) -> str:
    """Return how much an update changes, in numbers."""
    words = {"remove": "removed", "replace": "changed", "add": "added"}
    counted = {word: sum(step["op"] == operation for step in patch) for operation, word in words.items()}
    return ", ".join(f"{number} {word}" for word, number in counted.items() if number)


def _measures(live: JsonObject) -> str:
    """Return what can be said of an object in numbers and dates, none of which an agent words."""
    spec, metadata = mapping(live.get("spec")), mapping(live.get("metadata"))
    parts = [_plural(spec["replicas"], "replica")] if type(spec.get("replicas")) is int else []
    keys = sum(len(mapping(live.get(member))) for member in ("data", "binaryData"))
    if keys:
        parts.append(_plural(keys, "key"))
    containers = sequence(mapping(mapping(spec.get("template")).get("spec") or spec).get("containers"))
    if containers:
        parts.append(_plural(len(containers), "container"))
    created = text(metadata.get("creationTimestamp"))
    if created:
        parts.append(f"created {shorten(created)}")
    return ", ".join(parts)


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
