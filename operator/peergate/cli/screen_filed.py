"""What the screen of a filed change has beside others: the agent's claim, history, state, actions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from peergate.cli.dossier import Dossier, FiledPart
from peergate.cli.flags import Globals
from peergate.cli.history import History
from peergate.cli.text import WIDTH, fold, plural, visible, width_of
from peergate.cli.variants import Variant
from peergate.cli.when import ago, clock, left

__all__ = ["action_lines", "claim_box", "drift_lines", "history_lines", "state_lines", "warning_lines"]

_INNER: Final = WIDTH - 4
_TITLE: Final = " claim by the agent, not checked "


def warning_lines(filed: FiledPart) -> Iterator[str]:
    """Yield what must not be overlooked, each one sentence."""
    if filed.differs:
        yield (
            f"DOES NOT AGREE with what is there: {'; '.join(filed.differs)}. Nobody should sign this, and "
            "peergate does not; below is what it would be now."
        )
    if not filed.whole:
        yield "INCOMPLETE: what the object becomes is not filed whole; to decide, add -f MANIFEST."
    if filed.state not in {"Pending", "Approved"}:
        yield f"OVER: this request is {filed.state.lower()}; a signature would have no effect."


def claim_box(filed: FiledPart) -> list[str]:
    """Return the agent's reason and ticket in a box: text of somebody who wants a yes."""
    lines = [*_boxed("reason", filed.reason or "(none given)")]
    if filed.ticket:
        lines += _boxed("ticket", filed.ticket)
    return [f"+-{_TITLE}{'-' * (WIDTH - 3 - len(_TITLE))}+", *lines, f"+{'-' * (WIDTH - 2)}+"]


def _boxed(label: str, text: str) -> Iterator[str]:
    # Folded by columns: a line that the terminal breaks would go on outside the box, as if we said it.
    for index, line in enumerate(fold(visible(text), width=_INNER - 8)):
        content = f"{label if index == 0 else '':<8}{line}"
        yield f"| {content}{' ' * (_INNER - width_of(content))} |"


def history_lines(history: History, *, now: datetime) -> list[str]:
    """Return what went before, one entry each."""
    lines = []
    if history.attempts:
        lines.append(f"{plural(history.attempts, 'refused attempt')} on this target within the last hour")
    lines += [
        f"rejected {ago(refusal.at, now=now)} ago by {refusal.by}: '{refusal.reason}'"
        for refusal in history.refusals
    ]
    if history.past:
        lines.append("this agent's last requests:")
        lines += [f"  {ago(one.filed, now=now)} ago: {one.what}, {one.state}" for one in history.past]
    else:
        lines.append("no other request of this agent")
    if history.unseen:
        lines.append(f"PARTIAL: may not list {', '.join(history.unseen)}.")
    return lines


def drift_lines(filed: FiledPart) -> list[str]:
    """Return what has happened to object and requester since it was filed."""
    if filed.drift:
        return list(filed.drift)
    return [] if filed.differs else ["nothing that is signed has changed since it was filed"]


def state_lines(filed: FiledPart, *, now: datetime) -> list[str]:
    """Return how old the request is, how long it lives, and where it is in its life."""
    spec = filed.filed.spec
    age = f"{ago(spec.filed_at, now=now)} ago ({clock(spec.filed_at, now=now)})"
    end = f"{clock(spec.expires, now=now)} ({left(spec.expires, now=now)})"
    lines = [f"{age}, {filed.state}; ends {end}"]
    rejection = filed.filed.status.rejection
    if rejection is not None:
        lines.append(
            f"rejected by {visible(rejection.by)} until {clock(rejection.until, now=now)}: "
            f"'{visible(rejection.reason)}'"
        )
    return lines


def action_lines(dossier: Dossier, *, flags: Globals, variants: tuple[Variant, ...]) -> list[str]:
    """Return what can be done now; a command stands whole on its line, to be copied, however long it is."""
    part = dossier.filed
    if part is None:
        return []
    filed = part.filed
    file = "" if part.whole else " -f MANIFEST"
    if part.state not in {"Pending", "Approved"} or part.differs:
        return ["Actions", "  nothing to sign; the agent sends the change again if it is still wanted"]
    approve = flags.command("approve", f"{filed.name}{file}", "--key", "PATH", namespace=filed.namespace)
    reject = flags.command("reject", filed.name, "--reason '...'", namespace=filed.namespace)
    lines = ["Actions", f"  approve  {approve}", f"  reject   {reject}"]
    for variant in variants:
        lines += [
            f"  safer    {variant.words}",
            *([f"           {variant.command}"] if variant.command else []),
        ]
    return lines
