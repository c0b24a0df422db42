"""Who may not sign: the requester, its owner's agents, and those whom the rule or a revocation leaves out.

Checked before anybody is asked; the gate checks it again (approval-format.md §8, V23, V24).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from peergate.cli.asker import Asker
from peergate.cli.signing import Signatory
from peergate.cli.text import visible
from peergate.errors import CommandError
from peergate.gate.policies import CompiledRule

__all__ = ["check_independent", "independence_problem", "lifetime"]

_REFUSED: Final = 3
_DEFAULT: Final = timedelta(minutes=15)


def check_independent(
    signatory: Signatory,
    *,
    asker: Asker,
    rules: Sequence[CompiledRule],
    now: datetime,
) -> None:
    """Refuse an approver whose signature the gate would not count.

    Errors: CommandError with exit code 3 that names the code of approval-format.md §7.
    """
    problem = independence_problem(signatory, asker=asker, rules=rules, now=now)
    if problem:
        raise CommandError(f"you can't sign this; {problem}; ask another approver", exit_code=_REFUSED)


def independence_problem(
    signatory: Signatory, *, asker: Asker, rules: Sequence[CompiledRule], now: datetime
) -> str:
    """Return why the approver's signature would not count, with its code; empty if it would."""
    return _self(signatory, asker=asker) or _out_of_force(signatory, now=now) or _left_out(signatory, rules)


def lifetime(wanted: timedelta | None, *, longest: timedelta) -> timedelta:
    """Return how long the approval lives: what was asked for, else 15 minutes or the rule's limit.

    Errors: CommandError with exit code 2 above the rule's limit or below a second.
    """
    if wanted is None:
        return min(_DEFAULT, longest)
    if wanted > longest:
        minutes = int(longest.total_seconds() // 60)
        raise CommandError(
            f"too long a life; the rule allows {minutes} min at most; lower --ttl to {minutes}m",
            exit_code=2,
        )
    if wanted < timedelta(seconds=1):
        raise CommandError("too short a life; it would be over before it began; raise --ttl", exit_code=2)
    return wanted


def _self(signatory: Signatory, *, asker: Asker) -> str:
    approver, username = signatory.approver, asker.requester.username
    who = visible(approver.identity)
    if approver.identity == username or username in approver.kubernetes_usernames:
        return f"{who} is the requester (SelfApproval)"
    if approver.class_ != "agent":
        return ""
    if not asker.owner:
        return f"nobody is named as owner of the requester, and {who} is an agent too (SameOwner)"
    if asker.owner == approver.owner:
        return f"{who} and the requester have the same owner, {visible(asker.owner)} (SameOwner)"
    return ""


def _out_of_force(signatory: Signatory, *, now: datetime) -> str:
    approver, key = signatory.approver, signatory.key
    revoked = (
        [approver.revoked_before] if key is None else [approver.revoked_before, key.record.revoked_before]
    )
    if approver.disabled:
        return f"approver {visible(approver.identity)} is disabled (KeyRevoked)"
    if key is not None and key.record.disabled:
        return f"key {key.public.id} is disabled (KeyRevoked)"
    if any(moment is not None and now < moment for moment in revoked):
        return "approvals signed now are revoked already (KeyRevoked)"
    if key is not None and key.record.not_before is not None and now < key.record.not_before:
        return f"key {key.public.id} is not valid before {key.record.not_before:%Y-%m-%d} (KeyExpired)"
    if key is not None and key.record.not_after is not None and now > key.record.not_after:
        return f"key {key.public.id} ended {key.record.not_after:%Y-%m-%d} (KeyExpired)"
    return ""


def _left_out(signatory: Signatory, rules: Sequence[CompiledRule]) -> str:
    for rule in rules:
        wanted = rule.rule.approvals
        if wanted.from_groups and not signatory.approver.groups.intersection(wanted.from_groups):
            groups = visible(", ".join(wanted.from_groups), limit=200)
            return f"rule {visible(rule.name)} counts only members of {groups} (ApproverNotEligible)"
        if wanted.hardware_keys and signatory.key is not None and not signatory.key.public.is_hardware:
            return f"rule {visible(rule.name)} counts only hardware keys (ApproverNotEligible)"
    return ""
