"""What an approver reads before signing: consequences first, then everything that will be signed.

Pure: a dossier becomes lines of at most 80 columns, in the order of experience.md §2.1. Text from objects and
agents is made visible, and the difference is the one between the bytes whose digests are signed.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Final

from peergate.approval.change import grouped
from peergate.cli.blast import blast_lines
from peergate.cli.consequences import Consequence
from peergate.cli.diff import render
from peergate.cli.dossier import Dossier, SignedBy
from peergate.cli.pending import Pending
from peergate.cli.screen_filed import claim_box, drift_lines, history_lines, state_lines, warning_lines
from peergate.cli.text import WIDTH, plural, visible
from peergate.cli.undo import undo_of
from peergate.gate.policies import CompiledRule

__all__ = ["Screen", "options_in_words", "rule_in_words", "screen_of", "what_happens"]

_LABEL: Final = 11
_CASCADES: Final = {
    "Background": "what it owns is deleted too, in the background (kubectl's default)",
    "Foreground": "what it owns is deleted first, then the object (foreground)",
    "Orphan": "what it owns stays, without an owner (orphan)",
}


@dataclass(frozen=True, slots=True)
class Screen:
    """The lines, in three parts: the middle one may be long."""

    headline: tuple[str, ...]
    warnings: tuple[str, ...]
    """What must not be overlooked; empty when all is well."""
    before: tuple[str, ...]
    difference: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        """Return all of them."""
        return (*self.headline, *self.warnings, "", *self.before, *self.difference, *self.after)


def what_happens(pending: Pending, *, consequence: Consequence) -> str:
    """Return the one sentence that stands first."""
    sub = pending.change.object.subresource
    verb = "REPLACE" if pending.change.operation == "UPDATE" else "DELETE"
    verb = {"scale": "SCALE", "eviction": "EVICT", "status": "REPLACE STATUS OF"}.get(sub, verb)
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


def screen_of(dossier: Dossier) -> Screen:
    """Return the whole screen."""
    reviewed, filed = dossier.reviewed, dossier.filed
    pending, consequence = reviewed.pending, reviewed.consequence
    warnings = [] if filed is None else [line for text in warning_lines(filed) for line in wrapped(text)]
    before = [line for note in consequence.notes for line in entry("Note", note)]
    before += entry("Where", _where(dossier))
    before += entry("Who asks", _who(pending))
    if filed is not None and filed.origin is not None:
        before += entry("", filed.origin.words)
    before += entries("What", _what(pending))
    before += entries("", [f"not read: {text}" for text in pending.unseen])
    if not pending.protected:
        before += entry("Note", "the gate does not guard this object: the agent needs no approval here")
    return Screen(
        headline=tuple(wrapped(what_happens(pending, consequence=consequence))),
        warnings=tuple(warnings),
        before=tuple(before),
        difference=tuple(_difference(dossier)),
        after=tuple(_after(dossier)),
    )


def _difference(dossier: Dossier) -> list[str]:
    if dossier.reviewed.pending.change.operation == "DELETE":
        return []
    lines = [f"  {line}" for line in render(dossier.reviewed.found)]
    known = lines or ["  not filed, and so not shown: nobody can say from here what changes"]
    title = "Difference (of what is signed; removed first)"
    return ["", title, *known, ""]


def _after(dossier: Dossier) -> list[str]:
    reviewed, filed, pending = dossier.reviewed, dossier.filed, dossier.reviewed.pending
    deleted = pending.change.operation == "DELETE"
    stays = pending.change.options.get("propagationPolicy") == "Orphan"
    lines: list[str] = []
    if deleted or reviewed.around.scope:
        lines += entries(
            "Blast",
            blast_lines(
                reviewed.around,
                stays=stays,
                deleted=deleted,
                evicts=pending.change.object.subresource == "eviction",
            ),
        )
    lines += entries(
        "To undo", undo_of(pending, found=reviewed.found, around=reviewed.around, now=dossier.now)
    )
    if filed is not None:
        lines += claim_box(filed)
        lines += entries("Before", history_lines(filed.history, now=dossier.now))
        lines += entries("Since", drift_lines(filed))
    rules = pending.match.enforced or pending.match.rules
    lines += entries("Rule", [rule_in_words(rule) for rule in rules])
    lines += entries("So far", _so_far(dossier))
    if filed is not None:
        lines += entries("Filed", state_lines(filed, now=dossier.now))
    lines.append("")
    if filed is not None and filed.differs:
        lines += ["Nothing will be signed", f"  filed    {grouped(filed.filed.id)}"]
    else:
        lines.append("What will be signed")
    return [*lines, *_signed(pending, by=dossier.by)]


def _where(dossier: Dossier) -> str:
    pending, place = dossier.reviewed.pending, dossier.place
    short = pending.change.audience.removeprefix("k8s:")[:8]
    name = visible(place.cluster, limit=120) or "unnamed"
    scope = f"namespace {visible(pending.target.namespace)}" if pending.target.namespace else "cluster-wide"
    return f"cluster {name} ({short}), context {visible(place.context, limit=120)}, {scope}"


def _who(pending: Pending) -> str:
    asker = pending.asker
    uid = f", uid {visible(asker.requester.uid)}" if asker.requester.uid else ", no uid"
    owner = f", owner {visible(asker.owner, limit=253)}" if asker.owner else ", no owner known"
    tagged = {
        True: "verified: the account is there and tagged as an agent",
        False: "verified: the account is there, but NOT tagged as an agent",
        None: "claimed: the cluster has no such account to look up",
    }
    return f"{visible(asker.requester.username)}{uid}{owner}; {tagged[asker.tagged]}"


def _what(pending: Pending) -> tuple[str, ...]:
    ref = pending.change.object
    verb = "replace" if pending.change.operation == "UPDATE" else "delete"
    verb = {"eviction": "evict", "scale": "scale"}.get(ref.subresource, verb)
    kind = pending.target.resource.full_name
    kind = f"{kind}, its {ref.subresource}" if ref.subresource not in {"", "eviction", "scale"} else kind
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


def rule_in_words(rule: CompiledRule) -> str:
    """Return what one rule asks for: ``prod/0: 2 approvals, 1 by a human``."""
    wanted = rule.rule.approvals
    people = f", {wanted.min_humans} by a human" if wanted.min_humans else ""
    groups = f", from {', '.join(wanted.from_groups)}" if wanted.from_groups else ""
    hardware = ", hardware keys only" if wanted.hardware_keys else ""
    broken = f"; can't be satisfied: {rule.problem}" if rule.problem else ""
    text = f"{rule.name}: {plural(wanted.required, 'approval')}{people}{groups}{hardware}{broken}"
    return visible(text, limit=1024)


def _so_far(dossier: Dossier) -> list[str]:
    lines = [dossier.standing.words, *dossier.standing.sentences()]
    me = dossier.me
    if dossier.may_not:
        lines.append(f"YOU may not sign: {dossier.may_not}")
    elif me is not None and me.approver is not None:
        lines.append(f"you are {visible(me.approver.identity)}, and may sign")
    elif me is not None and me.username and dossier.by is None:
        lines.append(f"you are {visible(me.username, limit=120)}, no registered approver; your key decides")
    lines += [f"may not sign: {who}" for who in dossier.others_may_not]
    return lines


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


def entries(label: str, texts: list[str] | tuple[str, ...]) -> list[str]:
    """Return several entries under one label."""
    return [line for index, text in enumerate(texts) for line in entry("" if index else label, text)]


def entry(label: str, text: str) -> list[str]:
    """Return one entry: the label, then the text beside it; spaces that begin it are kept."""
    indent = len(text) - len(text.lstrip(" "))
    return _hang(f"{label:<{_LABEL + indent}}", text.lstrip(" "), indent=_LABEL + indent)


def wrapped(text: str) -> list[str]:
    """Return the text in lines of at most 80 columns."""
    return textwrap.wrap(text, width=WIDTH, break_on_hyphens=False)


def _hang(first: str, text: str, *, indent: int) -> list[str]:
    return textwrap.wrap(
        text,
        width=WIDTH,
        initial_indent=first,
        subsequent_indent=" " * indent,
        break_on_hyphens=False,
    )
