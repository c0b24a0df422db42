"""Several requests in one go: only what is the same change to things of one kind (experience.md §2.6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from peergate.approval.change import grouped
from peergate.cli.consequences import Tier
from peergate.cli.diff import render
from peergate.cli.dossier import Dossier
from peergate.cli.text import visible
from peergate.errors import CommandError

__all__ = ["batch_lines", "check_batch"]

_MOST: Final = 20
_CONFUSED: Final = 2


def check_batch(dossiers: Sequence[Dossier]) -> None:
    """Refuse requests that are not to be decided together.

    Errors: CommandError with exit code 2 that says what is not the same.
    """
    if len(dossiers) > _MOST:
        raise CommandError(
            f"too many; {len(dossiers)} requests, {_MOST} at most are approved together; take fewer",
            exit_code=_CONFUSED,
        )
    if any(one.reviewed.consequence.tier is Tier.IRREVERSIBLE for one in dossiers):
        raise CommandError(
            "never together; one of these can't be undone; approve them one by one", exit_code=_CONFUSED
        )
    first = dossiers[0]
    for what, of in _SAME.items():
        if any(of(one) != of(first) for one in dossiers[1:]):
            raise CommandError(
                f"not alike; {what} differs between these requests; approve them one by one",
                exit_code=_CONFUSED,
            )


def batch_lines(dossiers: Sequence[Dossier]) -> list[str]:
    """Return the list of what is signed beside the first, which is shown whole."""
    lines = [f"The same for {len(dossiers)} objects, one signature each:"]
    for one in dossiers:
        pending = one.reviewed.pending
        lines.append(f"  {grouped(pending.id)}  {visible(pending.target.shown, limit=50)}")
    return lines


_SAME: Final[dict[str, Callable[[Dossier], object]]] = {
    "the requester": lambda one: one.reviewed.pending.change.requester,
    "the rule": lambda one: [rule.name for rule in one.reviewed.pending.match.enforced],
    "the operation": lambda one: (
        one.reviewed.pending.change.operation,
        one.reviewed.pending.change.object.subresource,
        dict(one.reviewed.pending.change.options),
    ),
    "the kind": lambda one: one.reviewed.pending.target.resource.kind,
    "the difference": lambda one: render(one.reviewed.found),
    "what happens": lambda one: (one.reviewed.consequence.tier, one.reviewed.consequence.what),
}
