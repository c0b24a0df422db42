"""What an approver reads before signing: consequences first, then everything that will be signed.

Lines of at most 80 columns, in the order of experience.md §2.1; text from objects is made visible, the
difference is the one between the bytes whose digests are signed, and nothing of it is cut.
"""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from peergate.approval.change import grouped
from peergate.cli.consequences import Consequence
from peergate.cli.diff import Difference, render
from peergate.cli.pending import Pending
from peergate.cli.text import WIDTH, plural, visible
from peergate.gate.policies import CompiledRule

__all__ = ["Place", "SignedBy", "lines_of", "options_in_words", "rule_in_words", "what_happens"]

_LABEL: Final = 11
_CASCADES: Final = {
    "Background": "what it owns is deleted too, in the background (kubectl's default)",
    "Foreground": "what it owns is deleted first, then the object (foreground)",
    "Orphan": "what it owns stays, without an owner (orphan)",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Which cluster this is."""

    cluster: str
    context: str


@dataclass(frozen=True, slots=True)
class SignedBy:
    """Who is about to sign, and for how long."""

    identity: str
    class_: str
    owner: str
    key_id: str
    key_comment: str
    now: datetime
    ttl: timedelta


def what_happens(pending: Pending, *, consequence: Consequence) -> str:
    """Return the one sentence that stands first."""
    verb = "REPLACE" if pending.change.operation == "UPDATE" else "DELETE"
    return f"{verb} {pending.target.shown} - {consequence.tier.words} - {consequence.what}"


def options_in_words(pending: Pending) -> tuple[str, ...]:
    """Return the delete options as sentences; none for an update."""
    if pending.change.operation == "UPDATE":
        return ()
    words: list[str] = []
    policy = pending.change.options.get("propagationPolicy")
    words.append(_CASCADES.get(str(policy), "what becomes of what it owns is left to the server's default"))
    grace = pending.change.options.get("minGracePeriodSeconds")
    if grace == 0:
        words.append("it is killed at once, without time to shut down (grace 0)")
    elif grace is not None:
        words.append(f"it gets at least {grace} s to shut down")
    return tuple(words)


def lines_of(
    pending: Pending,
    *,
    consequence: Consequence,
    found: Sequence[Difference],
    place: Place,
    by: SignedBy | None,
) -> list[str]:
    """Return the whole screen; ``by`` is ``None`` when nobody is about to sign."""
    lines = [*_wrapped(what_happens(pending, consequence=consequence)), ""]
    lines += [line for note in consequence.notes for line in _entry("Note", note)]
    lines += _entry("Where", _where(pending, place=place))
    lines += _entry("Who asks", _who(pending))
    for index, sentence in enumerate(_what(pending)):
        lines += _entry("What" if index == 0 else "", sentence)
    lines += _entry("To undo", _undo(pending))
    if pending.protected:
        lines += [line for rule in pending.match.enforced for line in _entry("Rule", rule_in_words(rule))]
    else:
        lines += _entry("Rule", "none; this object is not protected, the gate would let it pass")
    lines += [line for one in pending.unseen for line in _entry("PARTIAL", f"may not read {one}")]
    if pending.after is not None:
        lines += ["", "Difference (of what is signed; removed first)"]
        lines += [f"  {line}" for line in render(tuple(found))]
    return [*lines, "", "What will be signed", *_signed(pending, by=by)]


def _where(pending: Pending, *, place: Place) -> str:
    short = pending.change.audience.removeprefix("k8s:")[:8]
    name = visible(place.cluster, limit=120) or "unnamed"
    scope = f"namespace {visible(pending.target.namespace)}" if pending.target.namespace else "cluster-wide"
    return f"cluster {name} ({short}), context {visible(place.context, limit=120)}, {scope}"


def _who(pending: Pending) -> str:
    asker = pending.asker
    uid = f", uid {visible(asker.requester.uid)}" if asker.requester.uid else ", no uid"
    owner = f", owner {visible(asker.owner, limit=253)}" if asker.owner else ", no owner known"
    tagged = {True: "tagged as an agent", False: "NOT tagged as an agent", None: "claimed, not looked up"}
    return f"{visible(asker.requester.username)}{uid}{owner}; {tagged[asker.tagged]}"


def _what(pending: Pending) -> tuple[str, ...]:
    ref = pending.change.object
    verb = "replace" if pending.change.operation == "UPDATE" else "delete"
    kind = pending.target.resource.full_name
    note = f" ({pending.finding.note})" if pending.finding.note else ""
    bound = (
        "bound to this instance only, whatever it becomes"
        if pending.change.projection == "k8s-identity/v1"
        else "bound to this instance and its present content"
    )
    return (
        f"{verb} {visible(pending.target.typed)}{note}, {kind}, uid {visible(ref.uid)}",
        *options_in_words(pending),
        bound,
    )


def _undo(pending: Pending) -> str:
    scope = f" -n {pending.target.namespace}" if pending.target.namespace else ""
    file = visible(shlex.quote(f"{pending.target.name}.yaml"), limit=1024)
    save = f"kubectl{scope} get {pending.target.quoted} -o yaml > {file}"
    if pending.change.operation == "UPDATE":
        return f"save it first: {save}; later: kubectl replace -f {file}"
    return f"save it first: {save}; creating it again gives it a new uid"


def rule_in_words(rule: CompiledRule) -> str:
    """Return what one rule asks for: ``prod/0: 2 approvals, 1 by a human``."""
    wanted = rule.rule.approvals
    people = f", {wanted.min_humans} by a human" if wanted.min_humans else ""
    groups = f", from {', '.join(wanted.from_groups)}" if wanted.from_groups else ""
    hardware = ", hardware keys only" if wanted.hardware_keys else ""
    broken = f"; can't be satisfied: {rule.problem}" if rule.problem else ""
    text = f"{rule.name}: {plural(wanted.required, 'approval')}{people}{groups}{hardware}{broken}"
    return visible(text, limit=1024)


def _signed(pending: Pending, *, by: SignedBy | None) -> list[str]:
    lines = [
        f"  change   {grouped(pending.id)}",
        f"  from     {pending.change.from_}",
    ]
    lines.append(f"  to       {pending.change.to or '(gone)'}")
    if by is None:
        return lines
    owner = f", owner {visible(by.owner, limit=253)}" if by.owner else ""
    comment = f" ({visible(by.key_comment, limit=80)})" if by.key_comment else ""
    minutes = max(1, round(by.ttl.total_seconds() / 60))
    until = (by.now + by.ttl).astimezone()
    for label, text in (
        ("as", f"{visible(by.identity)}, {by.class_}{owner}"),
        ("key", f"{by.key_id}{comment}"),
        ("valid", f"{minutes} min, until {until:%H:%M %Z}"),
    ):
        lines += _hang(f"  {label:<9}", text, indent=_LABEL)
    return lines


def _entry(label: str, text: str) -> list[str]:
    return _hang(f"{label:<{_LABEL}}", text, indent=_LABEL)


def _hang(first: str, text: str, *, indent: int) -> list[str]:
    return textwrap.wrap(
        text,
        width=WIDTH,
        initial_indent=first,
        subsequent_indent=" " * indent,
        break_on_hyphens=False,
    )


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, width=WIDTH, break_on_hyphens=False)
