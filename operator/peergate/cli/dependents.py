"""What the garbage collector takes along: the ownerReference tree below an object, from metadata alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from peergate.cli.surroundings import Branch
from peergate.cli.text import visible
from peergate.cli.walk import Found
from peergate.gate.shape import mapping

__all__ = ["Dependents", "dependents_of", "names_of"]

_SHOWN: Final = 3
_DEEPEST: Final = 16
"""Levels of owners; a deeper chain is not followed, and no cluster has one."""


@dataclass(frozen=True, slots=True)
class Dependents:
    """What goes with an object."""

    tree: tuple[Branch, ...]
    counts: Mapping[str, int]
    uids: frozenset[str]
    kept: int
    """Owned by something that stays, too."""


@dataclass(frozen=True, slots=True)
class _Node:
    uid: str
    kind: str
    name: str
    owners: frozenset[str]


def dependents_of(uid: str, *, found: Found) -> Dependents:
    """Return the tree below the object with this uid.

    An object with several owners goes when the last of them has gone; as long as one stays it is only counted
    as kept. Never raises: metadata of an odd shape owns nothing.
    """
    by_owner: dict[str, list[_Node]] = defaultdict(list)
    for node in _nodes(found):
        for owner in node.owners:
            by_owner[owner].append(node)
    doomed = _doomed(uid, by_owner)
    kept = {
        node.uid for owner in (uid, *doomed) for node in by_owner.get(owner, ()) if node.uid not in doomed
    }
    counts: dict[str, int] = defaultdict(int)
    for node in doomed.values():
        counts[node.kind] += 1
    return Dependents(
        tree=_branches([uid], by_owner=by_owner, doomed=doomed, seen={uid}),
        counts=dict(sorted(counts.items())),
        uids=frozenset(doomed),
        kept=len(kept - {uid}),
    )


def names_of(nodes: Iterable[str]) -> tuple[str, ...]:
    """Return the first few names, made visible."""
    return tuple(visible(name, limit=253) for name in sorted(nodes)[:_SHOWN])


def _nodes(found: Found) -> Iterable[_Node]:
    for listing in found.listings:
        for metadata in listing.metadata:
            owners = metadata.get("ownerReferences")
            if isinstance(owners, list) and owners:
                yield _Node(
                    uid=str(metadata.get("uid")),
                    kind=listing.resource.kind.kind,
                    name=str(metadata.get("name")),
                    owners=frozenset(str(mapping(one).get("uid")) for one in owners),
                )


def _doomed(uid: str, by_owner: Mapping[str, list[_Node]]) -> dict[str, _Node]:
    doomed: dict[str, _Node] = {}
    waiting = [uid]
    while waiting:
        for node in by_owner.get(waiting.pop(), ()):
            gone = all(owner == uid or owner in doomed for owner in node.owners)
            if gone and node.uid not in doomed and node.uid != uid:
                doomed[node.uid] = node
                waiting.append(node.uid)
    return doomed


def _branches(
    owners: Collection[str],
    *,
    by_owner: Mapping[str, list[_Node]],
    doomed: Mapping[str, _Node],
    seen: set[str],
    depth: int = 0,
) -> tuple[Branch, ...]:
    if depth >= _DEEPEST:
        return ()
    groups: dict[str, list[_Node]] = defaultdict(list)
    for owner in owners:
        for node in by_owner.get(owner, ()):
            if node.uid in doomed and node.uid not in seen:
                seen.add(node.uid)
                groups[node.kind].append(node)
    return tuple(
        Branch(
            kind=visible(kind, limit=80),
            count=len(nodes),
            names=names_of(node.name for node in nodes),
            below=_branches(
                [node.uid for node in nodes], by_owner=by_owner, doomed=doomed, seen=seen, depth=depth + 1
            ),
        )
        for kind, nodes in sorted(groups.items())
    )
