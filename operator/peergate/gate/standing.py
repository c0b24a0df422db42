"""Where a filed change stands: the arithmetic of the gate, over what a ChangeRequest carries.

Pure, and for display: nothing is admitted by it. What the gate would count for the recorded change with the
rules as they are now is counted here, by the same functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from peergate.approval.carriers import collect
from peergate.approval.recorded import recorded_target
from peergate.approval.verify import Refused, Terms, Verified, verify_approval
from peergate.gate.policies import BASELINE, BUILT_IN, CompiledRule, PolicyIndex
from peergate.gate.quorum import Quorum, quorum_of
from peergate.gate.snapshot import Snapshot
from peergate.gate.tally import best_of_each, tally_of
from peergate.model.change import Change

__all__ = ["Standing", "rules_by_name", "standing_of"]

_ANY_TTL: Final = timedelta(days=1)
"""The hard limit on an approval's life: 24 hours."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the approvals of a recorded change go."""

    satisfied: bool
    progress: str
    """``1/2``; of the first rule that lacks something, else of the first."""
    missing: str
    """In words; empty when nothing is."""
    approvals: tuple[str, ...]
    """Identities of the approvers who count."""


def rules_by_name(policies: PolicyIndex) -> Mapping[str, CompiledRule]:
    """Return every rule there is, by the name that a ChangeRequest records."""
    rules = {rule.name: rule for policy in policies.policies for rule in policy.rules}
    return {**rules, BUILT_IN.name: BUILT_IN, BASELINE.name: BASELINE}


def standing_of(
    change: Change,
    *,
    owner: str,
    rules: Sequence[str],
    known: Mapping[str, CompiledRule],
    annotations: Mapping[str, str],
    snapshot: Snapshot,
    now: datetime,
) -> Standing:
    """Return where the change stands under the rules of these names; ``known`` are all there are.

    Never raises.
    """
    found = [known.get(name) for name in rules]
    enforced = tuple(rule for rule in found if rule is not None and rule.mode == "Enforce")
    outcomes = _outcomes(
        change, owner=owner, rules=enforced, annotations=annotations, snapshot=snapshot, now=now
    )
    tally = tally_of(outcomes, rules=enforced, spent={}, keyring=snapshot.keyring)
    approvals = tuple(sorted({approval.approver.identity for approval in tally.verified}))
    if None in found or not enforced:
        return Standing(
            satisfied=False,
            progress="",
            missing="a rule that asked for approvals has changed: repeat the request",
            approvals=approvals,
        )
    quorums = [quorum_of(tally.verified, rule=rule) for rule in enforced]
    lacking = [quorum for quorum in quorums if not quorum.reached]
    shown = lacking[0] if lacking else quorums[0]
    return Standing(
        satisfied=not lacking,
        progress=shown.progress,
        missing=_words(shown) if lacking else "",
        approvals=approvals,
    )


def _outcomes(
    change: Change,
    *,
    owner: str,
    rules: Sequence[CompiledRule],
    annotations: Mapping[str, str],
    snapshot: Snapshot,
    now: datetime,
) -> tuple[Verified | Refused, ...]:
    target = recorded_target(change, owner=owner)
    terms = Terms(
        max_ttl=min((rule.rule.max_ttl for rule in rules), default=_ANY_TTL),
        projections=frozenset({change.projection}),
        policies=snapshot.policies.digests,
    )
    return best_of_each(
        [
            verify_approval(
                item.value, slot=item.slot, target=target, keyring=snapshot.keyring, terms=terms, now=now
            )
            for item in collect(annotations).approvals
        ]
    )


def _words(quorum: Quorum) -> str:
    number = max(quorum.missing, 1)
    signatures = "1 more signature" if number == 1 else f"{number} more signatures"
    return f"{signatures} ({quorum.missing_kind})" if quorum.missing_kind else signatures
