"""Whether anybody can satisfy a rule with the approvers there are: for a policy's status, and for doctor."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from peergate.approval.keyring import Keyring, RegisteredApprover
from peergate.gate.policies import CompiledRule

__all__ = ["Census", "can_sign", "short_list"]

_NAMED_MOST: Final = 10


@dataclass(frozen=True, slots=True)
class _Eligible:
    approvers: int
    humans: int
    owners: int


class Census:
    """How many approvers there are of each sort; counted once for all policies."""

    def __init__(self, keyring: Keyring, *, now: datetime) -> None:
        self._keyring = keyring
        self._now = now
        self._counted: dict[tuple[tuple[str, ...], bool], _Eligible] = {}

    def shortage(self, rule: CompiledRule) -> str:
        """Return in words why nobody can satisfy a rule with the approvers there are; empty if they can.

        Source: approval-format.md §8, with every eligible approver signing. Does not look at who requests:
        an approver who is the requester, or an agent of the same owner, may still be one too few.
        """
        wanted = rule.rule.approvals
        there = self._eligible(wanted.from_groups, hardware=wanted.hardware_keys)
        whose = f" in {short_list(wanted.from_groups)}" if wanted.from_groups else ""
        whose += " with a hardware key" if wanted.hardware_keys else ""
        if there.approvers < wanted.required:
            return f"Rule {rule.name} needs {wanted.required} approvers{whose}; there are {there.approvers}."
        if there.humans < wanted.min_humans:
            return f"Rule {rule.name} needs {wanted.min_humans} humans{whose}; there are {there.humans}."
        if wanted.distinct_owners and there.owners < wanted.required:
            return (
                f"Rule {rule.name} needs approvers{whose} of {wanted.required} owners;"
                f" there are {there.owners}."
            )
        return ""

    def _eligible(self, groups: tuple[str, ...], *, hardware: bool) -> _Eligible:
        found = self._counted.get((groups, hardware))
        if found is None:
            able = [
                approver
                for approver in self._keyring.approvers.values()
                if can_sign(approver, hardware=hardware, now=self._now)
                and (not groups or not approver.groups.isdisjoint(groups))
            ]
            found = self._counted[groups, hardware] = _Eligible(
                approvers=len(able),
                humans=sum(approver.class_ == "human" for approver in able),
                owners=len({approver.owner for approver in able}),
            )
        return found


def can_sign(approver: RegisteredApprover, *, hardware: bool, now: datetime) -> bool:
    """Tell whether an approver has a key that counts now, or soon, and is not disabled."""
    return not approver.disabled and any(
        not key.record.disabled
        and (key.record.not_after is None or now < key.record.not_after)
        and (not hardware or key.public.is_hardware)
        for key in approver.keys
    )


def short_list(names: Iterable[str]) -> str:
    """Return ``a, b and 3 more``: sorted, at most ten named."""
    ordered = sorted(names)
    shown = ", ".join(ordered[:_NAMED_MOST])
    rest = len(ordered) - _NAMED_MOST
    return f"{shown} and {rest} more" if rest > 0 else shown
