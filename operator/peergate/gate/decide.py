"""The decision: one pure, total, deterministic function (design.md §4).

``decide`` reads no clock, does no I/O and never raises; equal input (but for ``request.uid``) gives an equal
answer. The steps carry the numbers of approval-format.md §7: V1-V6 here, V7-V24 in ``approval.verify`` for
each approval by itself, V25 in ``quorum``. V26, the ledger, is the edge's: it commits an ``Allow`` whose
``facts.counted`` is not empty, and asks again with ``snapshot.spent`` when somebody else was first.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from datetime import datetime
from typing import Final, Literal

from peergate.approval.canonical import NotCanonical, TooLarge
from peergate.approval.carriers import reserved_key_problem
from peergate.gate import resources
from peergate.gate.connections import command_line
from peergate.gate.effects import finding_for
from peergate.gate.findings import Finding, Situation, metadata_of
from peergate.gate.matching import Match, match_rules
from peergate.gate.messages import RETRY_LATER, Refusal, barred, refusal, unavailable
from peergate.gate.opening import Opening, opening_of
from peergate.gate.policies import CompiledRule
from peergate.gate.principal import Agent, NotAgent, Unverified, identify
from peergate.gate.shape import mapping, well_formed
from peergate.gate.snapshot import Snapshot
from peergate.gate.weigh import weigh
from peergate.model.change import Effect
from peergate.model.decision import Allow, Code, Decision, Deny, Facts, State
from peergate.model.review import Gate, Review

__all__ = ["decide", "refuse_unavailable"]

_OPERATIONS: Final = frozenset({"CREATE", "UPDATE", "DELETE", "CONNECT"})
_NO_SNAPSHOT: Final = (
    "GUARD UNAVAILABLE: the gate is starting and could not evaluate this. The object is unchanged.\n"
    f"Next: {RETRY_LATER}"
)


def decide(*, review: Review, snapshot: Snapshot, now: datetime) -> Decision:
    """Return the verdict on one review."""
    if review.gate is Gate.RESOURCES:
        return resources.check(review=review, snapshot=snapshot)
    principal = identify(review.user, snapshot=snapshot)
    if isinstance(principal, NotAgent):
        return Allow(reason="not-agent")
    if isinstance(principal, Unverified):
        return barred(
            Situation(review=review, agent=principal.agent, snapshot=snapshot),
            code=Code.REQUESTER_UNVERIFIED,
            why="is sent under an account name whose uid is not the live account's",
            allowed="the account itself sends it, with a token of its own.",
            facts=_facts(principal.agent),
        )
    situation = Situation(review=review, agent=principal, snapshot=snapshot)
    try:
        return _judge(situation, now=now)
    except (NotCanonical, RecursionError):
        # RecursionError: comparing two objects that are nested deeper than Python walks.
        why = "holds a value that has no canonical form, so nobody could sign it"
        return barred(situation, code=Code.OBJECT_NOT_CANONICAL, why=why, facts=_facts(principal))
    except TooLarge:
        why = "is larger than what an approval can bind (2 MiB)"
        return barred(situation, code=Code.OBJECT_TOO_LARGE, why=why, facts=_facts(principal))


def refuse_unavailable(*, review: Review, snapshot: Snapshot | None, code: Code) -> Decision:
    """Return the answer when no verdict could be reached: an agent waits, everybody else goes on.

    Without a snapshot nobody can be told from an agent, so everybody whom the API server sends is refused.
    """
    if review.gate is Gate.RESOURCES:
        return Allow(reason="not-agent")
    if snapshot is None:
        return Deny(code=code, state=State.UNAVAILABLE, message=_NO_SNAPSHOT)
    # What went wrong may have been the look-up of the requester.
    snapshot = dataclasses.replace(snapshot, lookup_failed=True)
    principal = identify(review.user, snapshot=snapshot)
    if isinstance(principal, NotAgent):
        return Allow(reason="not-agent")
    agent = principal.agent if isinstance(principal, Unverified) else principal
    return unavailable(
        Situation(review=review, agent=agent, snapshot=snapshot), code=code, facts=_facts(agent)
    )


def _judge(situation: Situation, *, now: datetime) -> Decision:
    """Return the verdict on an agent's review."""
    snapshot, agent = situation.snapshot, situation.agent
    problem = _malformed(situation.review)
    if problem:
        return barred(situation, code=Code.REVIEW_MALFORMED, why=problem, facts=_facts(agent))
    finding = finding_for(situation)
    facts = _facts(agent, finding=finding, command=command_line(situation.review))
    opening = opening_of(situation) if finding.closed else Opening()
    if finding.effect is Effect.FORBIDDEN and not opening.admits:
        return barred(
            situation, code=Code.NOT_APPROVABLE, why=finding.why, allowed=finding.allowed, facts=facts
        )
    if snapshot.lookup_failed:
        return unavailable(situation, code=Code.LOOKUP_FAILED, facts=facts)
    if snapshot.stale:
        return unavailable(situation, code=Code.KEYRING_UNAVAILABLE, facts=facts)
    if opening.admits:
        facts = dataclasses.replace(facts, rules=opening.rules)
        return Allow(reason=opening.reason, facts=facts, warnings=opening.warnings, code=opening.code)
    if finding.effect is Effect.HARMLESS:
        return _admit_unless_overfull(situation, reason="harmless", facts=facts)
    match = match_rules(situation, effect=finding.effect)
    facts = _facts(agent, finding=finding, rules=match.rules)
    if not match.rules:
        return _admit_unless_overfull(
            situation, reason="exempt" if match.exempted else "unprotected", facts=facts
        )
    closed, allowed = _closed(match, situation)
    if closed:
        return barred(situation, code=Code.NOT_APPROVABLE, why=closed, allowed=allowed, facts=facts)
    return weigh(situation, match=match, facts=facts, now=now)


def _facts(
    agent: Agent,
    *,
    finding: Finding | None = None,
    rules: Iterable[CompiledRule] = (),
    command: str = "",
) -> Facts:
    return Facts(
        agent_tag=agent.tag,
        owner=agent.owner,
        effect=finding.effect if finding else None,
        note=finding.note if finding else "",
        rules=tuple(rule.name for rule in rules),
        command=command,
    )


def _malformed(review: Review) -> str:
    """Return what keeps the review from being read (V1, V4); empty when nothing does."""
    if review.operation not in _OPERATIONS:
        return "is an operation that is not known"
    needed = {
        "DELETE": (review.old_object,),
        "UPDATE": (review.old_object, review.object),
        "CREATE": (review.object,),
    }.get(review.operation, ())
    for document in needed:
        if document is None:
            return "is a review without its object"
    for document in (review.old_object, review.object):
        if document is not None and review.operation != "CONNECT" and not well_formed(document):
            return "is a review of an object without readable metadata"
    if review.operation in {"DELETE", "UPDATE"}:
        metadata = metadata_of(review.old_object)
        if not (metadata.get("name") and metadata.get("uid")):
            return "is a review of an object without name or uid"
    return ""


def _admit_unless_overfull(
    situation: Situation, *, reason: Literal["harmless", "exempt", "unprotected"], facts: Facts
) -> Decision:
    """Admit what needs no approval (V5), but for attaching beyond the limits of approval-format.md §1.4."""
    review = situation.review
    if review.operation == "UPDATE" and review.old_object is not None and review.object is not None:
        code = reserved_key_problem(
            mapping(situation.old_metadata.get("annotations")),
            mapping(situation.new_metadata.get("annotations")),
        )
        if code is not None:
            return refusal(Refusal(situation=situation, code=code, facts=facts))
    return Allow(reason=reason, facts=facts)


def _closed(match: Match, situation: Situation) -> tuple[str, str]:
    """Return why the rules close this change to every approval, and what they leave open; else empty."""
    for rule in match.enforced:
        if rule.problem:
            return f"meets policy {_policy_of(rule)}, which cannot be read and so admits nothing", ""
        if situation.review.is_collection_item and not rule.rule.collections:
            return f"deletes a collection, which policy {_policy_of(rule)} does not admit", ""
        if situation.is_eviction and rule.rule.eviction_needs_uid and not _names_a_uid(situation):
            return (
                f"does not name the Pod by its uid, as policy {_policy_of(rule)} wants it",
                "repeat it with the uid of the Pod in deleteOptions.preconditions.uid.",
            )
    return "", ""


def _names_a_uid(situation: Situation) -> bool:
    return bool(mapping(mapping(situation.delete_options).get("preconditions")).get("uid"))


def _policy_of(rule: CompiledRule) -> str:
    return rule.name.rsplit("/", 1)[0]
