"""Who counts, for which rule: the arithmetic of approval-format.md §8.

A value that the webhook, a status and a command read alike; computing it never raises. Success is the
presence of enough verified approvers, never the absence of failures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from peergate.approval.keyring import RegisteredApprover, RegisteredKey
from peergate.approval.verify import Verified
from peergate.gate.policies import CompiledRule

__all__ = ["Quorum", "eligible", "quorum_of"]


@dataclass(frozen=True, slots=True)
class Quorum:
    """How far the verified approvals go under one rule."""

    rule: CompiledRule
    approvers: tuple[RegisteredApprover, ...]
    """The distinct eligible approvers, by name."""
    missing_approvers: int
    missing_humans: int
    missing_owners: int

    @property
    def reached(self) -> bool:
        """Tell whether the rule is satisfied; a rule that can't be read never is."""
        return not (
            self.rule.problem or self.missing_approvers or self.missing_humans or self.missing_owners
        ) and bool(self.approvers)

    @property
    def missing(self) -> int:
        """Return how many more signatures are needed at least."""
        return max(self.missing_approvers, self.missing_humans, self.missing_owners)

    @property
    def progress(self) -> str:
        """Return ``1/2``: counted towards what is required."""
        required = max(self.rule.rule.approvals.required, self.rule.rule.approvals.min_humans)
        return f"{required - min(self.missing, required)}/{required}"

    @property
    def missing_kind(self) -> str:
        """Return ``human`` or ``another owner`` where not just anybody will do."""
        if self.missing_humans:
            return "human"
        return "another owner" if self.missing_owners else ""


def eligible(verified: Verified, *, rule: CompiledRule) -> bool:
    """Tell whether the rule lets this approver, with this key, count (class, groups, hardware; V24)."""
    wanted = rule.rule.approvals
    if wanted.from_groups and verified.approver.groups.isdisjoint(wanted.from_groups):
        return False
    return not wanted.hardware_keys or _touched_hardware(verified.key)


def quorum_of(verified: Iterable[Verified], *, rule: CompiledRule) -> Quorum:
    """Return what the rule's quorum looks like with these approvals; order does not matter."""
    counted = {
        approval.approver.identity: approval.approver
        for approval in verified
        if eligible(approval, rule=rule)
    }
    approvers = tuple(counted[identity] for identity in sorted(counted))
    wanted = rule.rule.approvals
    humans = sum(approver.class_ == "human" for approver in approvers)
    return Quorum(
        rule=rule,
        approvers=approvers,
        missing_approvers=max(0, wanted.required - len(approvers)),
        missing_humans=max(0, wanted.min_humans - humans),
        missing_owners=max(0, wanted.required - _owners(approvers)) if wanted.distinct_owners else 0,
    )


def _touched_hardware(key: RegisteredKey) -> bool:
    """Tell whether a hardware key made the signature and was touched for it.

    The record must demand the touch: then V12 has seen it in the signature (approval-format.md §4.2 rule 5).
    """
    return key.public.is_hardware and key.record.require.user_presence


def _owners(approvers: Sequence[RegisteredApprover]) -> int:
    """Count distinct owners; approvers without one count as one owner together (§8 rule 4)."""
    return len({approver.owner for approver in approvers})
