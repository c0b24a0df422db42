"""Find the approvals of a change and count them: V6 to V25 of approval-format.md §7."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from peergate.approval.carriers import Collected, collect
from peergate.approval.change import change_digest, change_id
from peergate.approval.options import OptionsRefused
from peergate.approval.verify import Refused, Target, Verified, verify_approval
from peergate.gate.filed import FiledRequest
from peergate.gate.filing import filing_of, held_since
from peergate.gate.findings import Situation
from peergate.gate.matching import Match
from peergate.gate.messages import Refusal, barred, refusal, request_namespace, would_need
from peergate.gate.quorum import quorum_of
from peergate.gate.rejected import rejection_of, without_leeway
from peergate.gate.shape import mapping, text
from peergate.gate.tally import Tally, best_of_each, tally_of
from peergate.model.change import Change, ObjectRef, Requester
from peergate.model.decision import Allow, Code, Decision, Facts, Filing, Hold, NotCounted
from peergate.model.names import ChangeId, Digest

__all__ = ["weigh"]

_HOLD_RETRY_SECONDS: Final = 5
_HELD: Final = frozenset({Code.APPROVAL_MISSING, Code.QUORUM_NOT_MET})
"""What a quick peer can still mend while the client waits."""


def weigh(situation: Situation, *, match: Match, facts: Facts, now: datetime) -> Decision:
    """Find the approvals and count them (V6-V25); where nothing is enforced, only say what would be missing.

    Errors: NotCanonical, TooLarge for an object that no approval can bind.
    """
    decision = _weigh(situation, match=match, facts=facts, now=now)
    if match.enforced or isinstance(decision, Allow):
        return decision
    refused = decision.refusal if isinstance(decision, Hold) else decision
    return Allow(reason="audit", facts=refused.facts, code=refused.code)


def _weigh(situation: Situation, *, match: Match, facts: Facts, now: datetime) -> Decision:
    target = _target(situation)
    try:
        change = target.change(match.projection)
    except OptionsRefused:
        return barred(
            situation,
            code=Code.NOT_APPROVABLE,
            why="carries delete options that no approval covers",
            allowed="repeat it without orphanDependents and without options that skip checks.",
            facts=facts,
        )
    digest = change_digest(change)
    name = change_id(digest)
    filed = _filed(situation, digest=digest, name=name)
    carried = _carried(situation, filed=filed)
    rejections = situation.snapshot.rejections.get(change.object.uid, ())
    rejection = _rejection(change, filed=filed, among=rejections, now=now)
    problem = Code.CHANGE_REJECTED if rejection else carried.problem
    found = () if problem else _verify_all(carried, target=target, match=match, situation=situation, now=now)
    found, akin = without_leeway(found, change=change, among=rejections, now=now)
    tally = tally_of(
        found,
        rules=match.enforced or match.watched,
        spent=situation.snapshot.spent,
        keyring=situation.snapshot.keyring,
    )
    facts = dataclasses.replace(
        facts,
        change=change,
        change_digest=digest,
        change_id=name,
        counted=tally.claims,
        not_counted=tally.not_counted,
    )
    if problem:
        filing = None if rejection else filing_of(situation, facts=facts, filed=filed, now=now)
        filed = rejection or filed
        return refusal(Refusal(situation=situation, code=problem, facts=facts, filed=filed, filing=filing))
    return _conclude(situation, match=match, tally=tally, facts=facts, filed=filed, akin=akin, now=now)


def _rejection(
    change: Change, *, filed: FiledRequest | None, among: Sequence[FiledRequest], now: datetime
) -> FiledRequest | None:
    """Return the rejection in force that covers this change (V6): its own, else a neighbour's."""
    if filed is not None and filed.is_rejected(now=now):
        return filed
    return rejection_of(change, among=among, now=now)


def _object_ref(situation: Situation) -> ObjectRef:
    """Return the object's identity: from its metadata, never from ``request.name`` (§6.1)."""
    review, metadata = situation.review, situation.old_metadata
    return ObjectRef(
        group=review.resource.group,
        version=review.resource.version,
        resource=review.resource.resource,
        subresource=review.subresource,
        namespace=text(metadata.get("namespace")),
        name=text(metadata.get("name")),
        uid=text(metadata.get("uid")),
    )


def _target(situation: Situation) -> Target:
    review = situation.review
    return Target(
        audience=situation.snapshot.audience,
        operation=situation.operation,
        object=_object_ref(situation),
        requester=Requester(username=review.user.username, uid=review.user.uid),
        requester_owner=situation.agent.owner,
        kind=situation.kind,
        old=situation.old or {},
        new=review.object if situation.operation == "UPDATE" else None,
        options=situation.delete_options if situation.operation == "DELETE" else None,
    )


def _filed(situation: Situation, *, digest: Digest, name: ChangeId) -> FiledRequest | None:
    """Return the filed request of this very change: same name, same full digest of what it records."""
    filed = situation.snapshot.requests.get((request_namespace(situation), name))
    return filed if filed is not None and filed.change == digest else None


def _carried(situation: Situation, *, filed: FiledRequest | None) -> Collected:
    """Return the approvals on every carrier of this review (approval-format.md §1.3)."""
    carriers = [mapping(situation.old_metadata.get("annotations"))]
    if situation.review.operation == "UPDATE":
        carriers.insert(0, mapping(situation.new_metadata.get("annotations")))
    if filed is not None:
        carriers.append(filed.annotations)
    return collect(*carriers)


def _verify_all(
    carried: Collected,
    *,
    target: Target,
    match: Match,
    situation: Situation,
    now: datetime,
) -> tuple[Verified | Refused, ...]:
    """Verify every distinct approval by itself (V7-V24)."""
    return best_of_each(
        [
            verify_approval(
                item.value,
                slot=item.slot,
                target=target,
                keyring=situation.snapshot.keyring,
                terms=match.terms,
                now=now,
            )
            for item in carried.approvals
        ]
    )


def _conclude(
    situation: Situation,
    *,
    match: Match,
    tally: Tally,
    facts: Facts,
    filed: FiledRequest | None,
    akin: FiledRequest | None,
    now: datetime,
) -> Decision:
    """Return the verdict from what counts (V25): every enforced rule, or a warning for the others."""
    quorums = [quorum_of(tally.verified, rule=rule) for rule in match.enforced]
    lacking = [quorum for quorum in quorums if not quorum.reached]
    if not lacking:
        return _admit(match=match, tally=tally, facts=facts)
    short = lacking[0]
    code, furthest = _reported(tally)
    filing = filing_of(situation, facts=facts, filed=filed, now=now)
    if code is Code.CHANGE_REJECTED:
        filed, filing = akin, None
    deny = refusal(
        Refusal(
            situation=situation,
            code=code,
            facts=facts,
            quorum=short,
            furthest=furthest,
            ended=tally.ended,
            filed=filed,
            filing=filing,
        ),
    )
    if isinstance(filing, Filing) and code in _HELD and match.hold:
        held = held_since(situation, facts=facts, filed=filed, filing=filing, now=now)
        if held < match.hold:
            return Hold(refusal=deny, retry_after_seconds=_HOLD_RETRY_SECONDS)
    return deny


def _reported(tally: Tally) -> tuple[Code, NotCounted | None]:
    """Return the code of the approval that got furthest (approval-format.md §7, last paragraph)."""
    if tally.verified:
        return Code.QUORUM_NOT_MET, None
    if tally.not_counted:
        return tally.not_counted[0].code, tally.not_counted[0]
    return Code.APPROVAL_MISSING, None


def _admit(*, match: Match, tally: Tally, facts: Facts) -> Allow:
    quorums = [quorum_of(tally.verified, rule=rule) for rule in match.watched]
    lacking = [quorum for quorum in quorums if not quorum.reached]
    warnings = tuple(would_need(quorum) for quorum in lacking if quorum.rule.mode == "Warn")
    if match.enforced:
        return Allow(reason="approved", facts=facts, warnings=warnings)
    # Nothing is enforced here, so nothing is spent either.
    facts = dataclasses.replace(facts, counted=())
    if not lacking:
        return Allow(reason="approved", facts=facts)
    code, _ = _reported(tally)
    return Allow(reason="warn" if warnings else "audit", facts=facts, warnings=warnings, code=code)
