"""How a change is taken back: the command, and what no command brings back (experience.md §2.1 item 6)."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from peergate.cli.diff import Difference
from peergate.cli.pending import Pending
from peergate.cli.surroundings import Surroundings
from peergate.cli.text import visible
from peergate.cli.when import ago
from peergate.gate.shape import mapping, sequence

__all__ = ["undo_of"]

_ROLLS_BACK: Final = frozenset({"DaemonSet", "Deployment", "StatefulSet"})


def undo_of(
    pending: Pending, *, found: Sequence[Difference], around: Surroundings, now: datetime
) -> tuple[str, ...]:
    """Return how to take the change back, one sentence each."""
    if pending.change.operation == "UPDATE":
        return (_update(pending, found=found),)
    if _is_made_anew(pending):
        return ("its controller makes a new one by itself",)
    if around.scope in {"inside", "instances"} and around.total:
        lines = ["nothing brings back what goes with it, but a backup from before"]
    else:
        lines = [f"save it first: {_save(pending)}; creating it again gives it a new uid"]
    for snapshot in around.snapshots:
        inside = "; it goes too, being INSIDE what is deleted" if snapshot.inside else ""
        lines.append(
            f"last snapshot of {snapshot.claim}: {snapshot.name}, {ago(snapshot.taken, now=now)} old{inside}"
        )
    kept = {one.claim for one in around.snapshots}
    bare = [visible(one.claim, limit=120) for one in around.volumes if one.claim not in kept]
    if bare:
        shown = ", ".join(bare[:3]) + (f" and {len(bare) - 3} more" if len(bare) > 3 else "")  # noqa: PLR2004
        lines.append(f"no usable snapshot of {shown}")
    return tuple(lines)


def _update(pending: Pending, *, found: Sequence[Difference]) -> str:
    target = pending.target
    scope = f" -n {target.namespace}" if target.namespace else ""
    paths = {one.path[:2] for one in found}
    replicas = mapping(target.live.get("spec")).get("replicas", 0 if target.whole is not None else 1)
    if paths == {("spec", "replicas")} and isinstance(replicas, int):
        return f"kubectl{scope} scale {target.quoted} --replicas={replicas}"
    file = _file(pending)
    if paths == {("spec", "template")} and target.resource.kind.kind in _ROLLS_BACK:
        return f"kubectl{scope} rollout undo {target.quoted}, which restarts its pods again"
    return f"save it first: {_save(pending)}; later: kubectl replace -f {file}"


def _is_made_anew(pending: Pending) -> bool:
    metadata = mapping(pending.target.object.get("metadata"))
    owned = any(mapping(one).get("controller") is True for one in sequence(metadata.get("ownerReferences")))
    return owned and pending.target.resource.kind.kind == "Pod"


def _save(pending: Pending) -> str:
    scope = f" -n {pending.target.namespace}" if pending.target.namespace else ""
    return f"kubectl{scope} get {pending.target.quoted} -o yaml > {_file(pending)}"


def _file(pending: Pending) -> str:
    return visible(shlex.quote(f"{pending.target.name}.yaml"), limit=1024)
