"""One decision in the words of metrics, log lines and audit annotations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, assert_never

from peergate.model.decision import Allow, Decision, Deny, Facts, Hold

__all__ = ["Verdict", "VerdictWord", "verdict_of"]

VerdictWord = Literal["allow", "deny", "hold", "skip"]
"""``skip``: admitted because Peergate has no say, neither about the requester nor about the object."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a decision is called outside."""

    word: VerdictWord
    reason: str
    """A state of experience.md §1.4, or why it was admitted."""
    code: str
    """Of a refusal, or of what would have been one in the modes Warn and Audit; else empty."""
    facts: Facts


def verdict_of(decision: Decision) -> Verdict:
    """Return the words for a decision."""
    match decision:
        case Allow(reason=("not-agent" | "unprotected") as reason, facts=facts):
            return Verdict("skip", reason, "", facts)
        case Allow(reason=reason, facts=facts, code=code):
            return Verdict("allow", reason, code or "", facts)
        case Deny(state=state, code=code, facts=facts):
            return Verdict("deny", state, code, facts)
        case Hold(refusal=refusal):
            return Verdict("hold", refusal.state, refusal.code, refusal.facts)
        case _:
            assert_never(decision)
