"""What policies open to agents that is closed otherwise: ``allowCreate`` and ``allowConnect`` (design.md §3).

Every Enforce policy that selects the namespace must allow it. Where none enforces, it is admitted and told,
as any other change is; where no policy selects, the built-in rule opens nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from peergate.gate.findings import Situation
from peergate.gate.policies import CompiledPolicy, covers
from peergate.gate.wording import tidy
from peergate.model.decision import Code

__all__ = ["Opening", "opening_of"]


@dataclass(frozen=True, slots=True)
class Opening:
    """Whether policies open something, and what is told about it."""

    admits: bool = False
    reason: Literal["exempt", "warn", "audit"] = "exempt"
    rules: tuple[str, ...] = ()
    """The policies that opened it, or that would have refused it."""
    warnings: tuple[str, ...] = ()
    code: Code | None = None


def opening_of(situation: Situation) -> Opening:
    """Return what the policies of the namespace say to a request whose finding is ``closed``."""
    snapshot = situation.snapshot
    selecting = snapshot.policies.selecting(snapshot.namespaces.get(situation.namespace, {}))
    enforcing = [policy for policy in selecting if policy.mode == "Enforce"]
    refusing = [policy for policy in selecting if not _allows(policy, situation)]
    if not selecting or any(policy in refusing for policy in enforcing):
        return Opening()
    warnings = tuple(
        f"peergate: would be refused: policy {tidy(policy.name)} does not allow it"
        for policy in refusing
        if policy.mode == "Warn"
    )
    opened = Opening(
        admits=True, rules=tuple(policy.name for policy in enforcing or selecting), warnings=warnings
    )
    if enforcing or not refusing:
        return opened
    return replace(opened, reason="warn" if warnings else "audit", code=Code.NOT_APPROVABLE)


def _allows(policy: CompiledPolicy, situation: Situation) -> bool:
    review = situation.review
    if review.operation == "CONNECT":
        return situation.resource_text in policy.allow_connect
    return covers(policy.allow_create, group=review.resource.group, resource=review.resource.resource)
