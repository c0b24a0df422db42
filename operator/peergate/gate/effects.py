"""What a request would really do: one table, each entry a small function.

An entry looks at one request of an agent and answers with a ``Finding`` or ``None`` ("not my business"). All
entries for its operation and resource are asked; the gravest answer wins, and where none answers the
operation's own meaning counts (``_default``): what nobody recognises denies an agent. Entries need nothing
but the review, for who is whose agent the snapshot, and for an eviction or a connection the Pod that the edge
fetched. They stand by theme in the modules beside this one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from peergate.gate import cascades, connections, creations, deletions, identities, own, scaling
from peergate.gate.findings import Entry, Finding, Look, Situation, gravest
from peergate.model.change import Effect
from peergate.model.review import Gate, Review

__all__ = ["ENTRIES", "empties_data", "finding_for", "harmless_update"]


def empties_data(situation: Situation) -> Finding | None:
    """T11: a ConfigMap or Secret without its data is as good as gone."""
    review = situation.review
    old, new = review.old_object or {}, review.object or {}
    for member in ("data", "binaryData"):
        if old.get(member) and not new.get(member):
            return Finding(Effect.REPLACE, note="empties data")
    return None


def harmless_update(situation: Situation) -> Finding | None:
    """Approval-format.md §1.4: neither desired state nor status changes, so approvals can be attached."""
    return Finding(Effect.HARMLESS) if situation.unchanged else None


ENTRIES: Final[tuple[Entry, ...]] = (
    *own.ENTRIES,
    *identities.ENTRIES,
    *connections.ENTRIES,
    *creations.ENTRIES,
    *cascades.ENTRIES,
    *deletions.ENTRIES,
    *scaling.ENTRIES,
    Entry(empties_data, ("UPDATE",), (("", "configmaps"), ("", "secrets"))),
    Entry(harmless_update, ("UPDATE",)),
)
"""The table. Order does not matter: the gravest finding wins, ties go to the first."""

_Key: TypeAlias = tuple[str, str, str]
_ANY: Final = "*"


def _index(entries: Iterable[Entry]) -> Mapping[_Key, tuple[Look, ...]]:
    """Return who looks at which (operation, group, plural), so that a review asks only those who may answer.

    A plural of ``*`` stands for the others of its group, a group of ``*`` for the other groups.
    """
    entries = tuple(entries)
    keys = {
        (operation, group, plural)
        for entry in entries
        for operation in entry.operations
        for group, plural in (*entry.resources, (_ANY, _ANY))
    }
    return {key: tuple(entry.look for entry in entries if _is_shown(entry, key)) for key in keys}


def _is_shown(entry: Entry, key: _Key) -> bool:
    operation, group, plural = key
    return operation in entry.operations and (
        not entry.resources or (group, plural) in entry.resources or (group, _ANY) in entry.resources
    )


_LOOKS: Final = _index(ENTRIES)
_LOOKS_EVERYWHERE: Final = _index(entry for entry in ENTRIES if entry.everywhere)


def finding_for(situation: Situation) -> Finding:
    """Return what the request would do. Never raises for a review that has its objects."""
    review = situation.review
    findings = [found for look in _looks(review) if (found := look(situation)) is not None]
    found = gravest(findings) if findings else _default(situation)
    if review.gate is Gate.IDENTITY and (found.closed or found.effect is not Effect.FORBIDDEN):
        # Outside protected namespaces only becoming somebody else matters, and no entry saw that.
        return Finding(Effect.HARMLESS)
    return found


def _looks(review: Review) -> tuple[Look, ...]:
    index = _LOOKS_EVERYWHERE if review.gate is Gate.IDENTITY else _LOOKS
    operation, group = review.operation, review.resource.group
    return (
        index.get((operation, group, review.resource.resource))
        or index.get((operation, group, _ANY))
        or index.get((operation, _ANY, _ANY), ())
    )


def _default(situation: Situation) -> Finding:
    """Return what the operation means by itself."""
    match situation.review.operation:
        case "DELETE":
            note = "one of a collection" if situation.review.is_collection_item else ""
            return Finding(Effect.DELETE, note=note)
        case "UPDATE":
            return Finding(Effect.REPLACE)
        case "CREATE":
            return Finding(Effect.HARMLESS)
        case _:
            return Finding(Effect.FORBIDDEN, why="is an operation that is not known")
