"""The blast radius as lines of a screen (experience.md §2.1 item 5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from peergate.cli.surroundings import Branch, Surroundings, total_size
from peergate.cli.text import plural, visible

__all__ = ["blast_lines"]

_KINDS = 12
_PLACES = 5


def blast_lines(around: Surroundings, *, stays: bool, deleted: bool, evicts: bool = False) -> list[str]:
    """Return what hangs on the object, one entry each; ``stays``: what it owns is not deleted along with it.

    Lines that begin with spaces are a tree and are not to be wrapped anew.
    """
    lines: list[str] = []
    if around.scope == "owned":
        lines += _owned(around, stays=stays, deleted=deleted)
    elif around.scope:
        lines += _counted(around)
    lines += _volumes(around)
    for services, words in (
        (around.idle, "left without a pod: Service {}"),
        (around.balancers, "external address goes: Service {}"),
        (
            around.budgets,
            f"disruption budget {{}}: {'it may refuse this' if evicts else 'it does not stop this'}",
        ),
        (around.scalers, "autoscaler {} acts on it"),
        (around.managers, "{}"),
    ):
        if services:
            lines.append(words.format(_few(services)))
    return [*lines, *around.partial]


def _owned(around: Surroundings, *, stays: bool, deleted: bool) -> Iterator[str]:
    if not around.tree:
        yield "owns nothing" + (", as far as can be seen" if around.partial else "")
    else:
        total = plural(around.total, "object")
        if not deleted:
            yield f"it owns {total}:"
        else:
            yield f"{total} stay, without an owner:" if stays else f"{total} that it owns go too:"
        yield from _tree(around.tree, depth=1)
    if around.kept:
        yield f"{plural(around.kept, 'object')} of it have another owner too, and stay"


def _tree(branches: Sequence[Branch], *, depth: int) -> Iterator[str]:
    for branch in branches:
        more = branch.count - len(branch.names)
        names = ", ".join(branch.names) + (f" and {more} more" if more > 0 else "")
        yield f"{'  ' * depth}{branch.count} {branch.kind}: {names}"
        yield from _tree(branch.below, depth=depth + 1)


def _counted(around: Surroundings) -> Iterator[str]:
    ranked = sorted(around.counts.items(), key=lambda one: (-one[1], one[0]))
    shown = ", ".join(f"{count} {visible(kind, limit=80)}" for kind, count in ranked[:_KINDS])
    more = f" and {len(ranked) - _KINDS} more kinds" if len(ranked) > _KINDS else ""
    if ranked:
        yield f"goes too: {shown}{more}"
    else:
        yield "nothing goes with it" + (", as far as can be seen" if around.partial else "")
    places = [(place, count) for place, count in around.places.items() if place]
    if places:
        shown = ", ".join(f"{visible(place, limit=80)} ({count})" for place, count in places[:_PLACES])
        rest = f" and {len(places) - _PLACES} more" if len(places) > _PLACES else ""
        yield f"in namespaces {shown}{rest}"


def _volumes(around: Surroundings) -> Iterator[str]:
    groups: dict[str, list[str]] = {}
    names: dict[str, list[str]] = {}
    for volume in around.volumes:
        groups.setdefault(volume.reclaim or "unknown", []).append(volume.size)
        names.setdefault(volume.reclaim or "unknown", []).append(visible(volume.claim, limit=120))
    for reclaim, sizes in sorted(groups.items()):
        total = total_size([size for size in sizes if size])
        size = f", {total}" if total else ""
        claims = plural(len(sizes), "volume claim")
        yield f"{claims}{size}, reclaim {visible(reclaim, limit=40)}: {_few(names[reclaim])}"


def _few(names: Sequence[str], *, most: int = 3) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
