"""The refusal in words, and the same facts for programs (experience.md §1.4).

Deterministic: the same change in the same state gives the same bytes. Nothing an agent wrote is echoed;
field names and values are never quoted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from peergate.approval.change import change_id
from peergate.gate.filed import FiledRequest
from peergate.gate.findings import Situation
from peergate.gate.quorum import Quorum
from peergate.gate.wording import compose, free_text, shorten, tidy
from peergate.model.decision import (
    STATE_OF,
    Cause,
    Code,
    Deny,
    Details,
    Facts,
    Filing,
    NotCounted,
    NotFiled,
    State,
)

__all__ = [
    "NAMED_KINDS",
    "RETRY_LATER",
    "Refusal",
    "barred",
    "refusal",
    "request_namespace",
    "unavailable",
    "verb_of",
    "would_need",
]

BOUNDARY: Final = (
    "This is a deliberate external approval boundary, not a fault; other verbs, tools and agent identities "
    "reach the same review."
)
REJECTED_STEP: Final = (
    "Next: the identical request stays rejected until then and notifies nobody; "
    "a different change is a new request."
)
RETRY_LATER: Final = (
    "repeat the identical request after a minute; if this persists, a person runs: peergate doctor"
)
EVICTION_BOUNDARY: Final = BOUNDARY.replace("not a fault;", "not a fault and not a disruption budget;")

NAMED_KINDS: Final[Mapping[str, str]] = {
    "deployments": "Deployment",
    "statefulsets": "StatefulSet",
    "replicasets": "ReplicaSet",
    "replicationcontrollers": "ReplicationController",
    "pods": "Pod",
    "serviceaccounts": "ServiceAccount",
    "services": "Service",
    "nodes": "Node",
}
"""The kinds that readers know: a Scale or an Eviction is named by what it belongs to."""

_VERBS: Final = {"DELETE": "delete", "UPDATE": "update", "CREATE": "create", "CONNECT": "connect"}
_SUBRESOURCE_VERBS: Final = {"eviction": "evict", "scale": "scale", "finalize": "finalize"}

_STALE: Final = {
    Code.OBJECT_CHANGED: "the live object has changed since",
    Code.CHANGE_DIFFERS: "the request is another change",
    Code.OBJECT_REPLACED: "the object was recreated since",
    Code.OPTIONS_DIFFER: "the delete options differ",
    Code.POLICY_CHANGED: "the policy has changed since",
    Code.WRONG_CLUSTER: "it was for another cluster",
    Code.WRONG_OPERATION: "it was for another operation",
    Code.WRONG_OBJECT: "it was for another object",
    Code.WRONG_VERSION: "it was for another API version",
    Code.WRONG_REQUESTER: "it was for another account",
}
_INVALID: Final = {
    Code.UNKNOWN_APPROVER: "its key is not registered",
    Code.SIGNATURE_INVALID: "its signature does not verify",
    Code.USER_PRESENCE_MISSING: "the hardware key was not touched",
    Code.APPROVER_MISMATCH: "it names another approver than the one who signed",
    Code.APPROVAL_MALFORMED: "it breaks the format",
    Code.APPROVAL_TOO_LARGE: "it is larger than an approval may be",
    Code.TOO_MANY_APPROVALS: "there are more than eight",
    Code.UNSUPPORTED_TYPE: "it is another kind of attestation",
    Code.PROJECTION_NOT_ALLOWED: "it binds the object in a way that the policy does not allow",
    Code.IGNORE_NOT_ALLOWED: "it leaves open what the policy does not allow",
    Code.NOT_YET_VALID: "it is not valid yet",
    Code.LIFETIME_TOO_LONG: "it lives longer than the policy allows",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a refusal over missing, insufficient or failed approvals is made of."""

    situation: Situation
    code: Code
    facts: Facts
    quorum: Quorum | None = None
    """Of the first rule that is not satisfied."""
    furthest: NotCounted | None = None
    """The approval that got furthest without counting."""
    ended: datetime | None = None
    """When that approval ended or was spent."""
    filed: FiledRequest | None = None
    """The ChangeRequest of this very change, if there is one."""
    filing: Filing | NotFiled | None = None
    """Where the change is filed, or is going to be; else nothing can be waited for."""


def refusal(parts: Refusal) -> Deny:
    """Return the refusal of a change that an approval could admit."""
    review = parts.situation.review
    state = STATE_OF[parts.code]
    if review.dry_run and state is not State.REJECTED:
        state = State.DRY_RUN
    reference = _reference(parts)
    facts = [f"request={reference}"] if state is not State.DRY_RUN else []
    facts += [f"state={state}", f"code={parts.code}"]
    if state is not State.REJECTED:
        facts += [f"approvals={_progress(parts)}", f"rule={_rule(parts)}"]
    facts += _dates(parts, state=state)
    line_one = (
        f"{_header(parts, state)}: {_subject(parts.situation, note=parts.facts.note)} {_matter(parts, state)}"
    )
    others = _others(parts)
    message = compose(
        line_one=line_one,
        boundary=EVICTION_BOUNDARY if review.subresource == "eviction" else BOUNDARY,
        facts=facts,
        optional_facts=_not_counted(others),
        steps=_steps(parts, state=state, reference=reference),
    )
    return Deny(
        code=parts.code,
        state=state,
        message=message,
        details=_details(
            parts.situation, facts=parts.facts, code=parts.code, summary=" ".join(facts), others=others
        ),
        facts=parts.facts,
        filing=parts.filing if isinstance(parts.filing, Filing) else None,
        not_filed=None if isinstance(parts.filing, Filing) else parts.filing,
    )


def barred(situation: Situation, *, code: Code, why: str, allowed: str = "", facts: Facts) -> Deny:
    """Return the refusal of what no approval admits; ``why`` completes "... by AI agent a/b"."""
    return _final(
        situation,
        code=code,
        matter=f"{why}.",
        next_step=allowed
        or "no peer signature covers this; a person with cluster rights does it, or the task ends here.",
        header="NOT APPROVABLE",
        facts=facts,
    )


def unavailable(situation: Situation, *, code: Code, facts: Facts) -> Deny:
    """Return the refusal of a guard that could not decide (503)."""
    return _final(
        situation,
        code=code,
        matter="could not be evaluated.",
        next_step=RETRY_LATER,
        header="GUARD UNAVAILABLE",
        facts=facts,
    )


def would_need(quorum: Quorum) -> str:
    """Return the warning that mode Warn sends."""
    return f"peergate: would need approval: rule {tidy(quorum.rule.name)}, {quorum.progress}"


def _final(
    situation: Situation, *, code: Code, matter: str, next_step: str, header: str, facts: Facts
) -> Deny:
    state = STATE_OF[code]
    line = [f"state={state}", f"code={code}"]
    if facts.command:
        # The one thing of the agent's own that is shown: without it nobody knows what was refused (T14).
        line.append(f"command='{free_text(facts.command)}'")
    message = compose(
        line_one=f"{header}: {_subject(situation, note='')} {matter}",
        boundary=BOUNDARY,
        facts=line,
        optional_facts=(),
        steps=[f"Next: {next_step}"],
    )
    details = _details(situation, facts=facts, code=code, summary=" ".join(line), others=())
    return Deny(code=code, state=state, message=message, details=details, facts=facts)


def _header(parts: Refusal, state: State) -> str:
    match state:
        case State.PENDING:
            return f"APPROVAL REQUIRED (pending {_progress(parts)})"
        case State.QUORUM:
            return f"APPROVAL REQUIRED (quorum {_progress(parts)})"
        case State.DRY_RUN:
            return "APPROVAL REQUIRED (dry run)"
        case State.REJECTED:
            return "APPROVAL REJECTED"
        case State.EXPIRED:
            return "APPROVAL EXPIRED"
        case State.STALE:
            return "APPROVAL STALE"
        case State.USED:
            return "APPROVAL USED"
        case State.SELF:
            return "APPROVAL NOT INDEPENDENT"
        case _:
            return "APPROVAL INVALID"


def _subject(situation: Situation, *, note: str) -> str:
    review = situation.review
    verb = verb_of(review.operation, subresource=review.subresource)
    metadata = situation.old_metadata or situation.new_metadata
    name = shorten(str(metadata.get("name") or review.name or "-"))
    where = f"{shorten(situation.namespace)}/{name}" if situation.namespace else name
    kind = shorten(_kind(situation))
    suffix = f" ({note})" if note else ""
    return f"{verb} {kind} {where}{suffix} by AI agent {shorten(situation.agent.display, limit=127)}"


def verb_of(operation: str, *, subresource: str) -> str:
    """Return the word for what is asked, as users say it."""
    return _SUBRESOURCE_VERBS.get(subresource) or _VERBS.get(operation, "change")


def _kind(situation: Situation) -> str:
    review = situation.review
    if review.subresource:
        return NAMED_KINDS.get(review.resource.resource, review.kind.kind)
    return review.kind.kind


def _matter(parts: Refusal, state: State) -> str:
    signer = _signer(parts.furthest)
    if state is State.QUORUM and parts.quorum is not None:
        return _quorum_matter(parts.quorum)
    if state is State.REJECTED and parts.filed is not None and parts.filed.rejection is not None:
        rejection = parts.filed.rejection
        return f"was rejected by {shorten(rejection.by)}: '{free_text(rejection.reason)}'."
    match parts.code if state is not State.DRY_RUN else None:
        case Code.EXPIRED:
            return f"carries an approval by {signer} that ended {_minute(parts.ended)}."
        case Code.KEY_EXPIRED:
            return f"carries an approval by {signer}, whose key is outside its validity."
        case Code.KEY_REVOKED:
            return f"carries an approval by {signer}, whose key or registration was revoked."
        case Code.ALREADY_USED:
            return f"carries an approval by {signer} that was spent {_minute(parts.ended)}."
        case Code.SELF_APPROVAL:
            return f"carries a signature by {signer}, which is the requester itself."
        case Code.SAME_OWNER:
            owner = shorten(parts.facts.owner) or "unknown"
            return f"carries a signature by {signer}, which has the same owner ({owner})."
        case Code.APPROVER_NOT_ELIGIBLE:
            return f"carries a signature by {signer}, whom the rule does not count."
        case code if code in _STALE:
            return f"differs from what {signer} approved ({_STALE[code]})."
        case code if code in _INVALID:
            return f"carries an approval that does not count ({_INVALID[code]})."
        case None:
            return f"would need {_signatures(parts.quorum.missing if parts.quorum else 1)}."
        case _:
            missing = parts.quorum.missing if parts.quorum else 1
            return "waits for a peer signature." if missing == 1 else f"waits for {_signatures(missing)}."


def _quorum_matter(quorum: Quorum) -> str:
    names = [shorten(approver.name) for approver in quorum.approvers]
    signed = f"the signature of {names[0]}" if len(names) == 1 else f"the signatures of {' and '.join(names)}"
    kind = f" ({quorum.missing_kind})" if quorum.missing_kind else ""
    verb = "is" if quorum.missing == 1 else "are"
    return f"has {signed}; {quorum.missing} more {verb} needed{kind}."


def _signatures(number: int) -> str:
    return "1 peer signature" if number == 1 else f"{number} peer signatures"


def _signer(found: NotCounted | None) -> str:
    return shorten(found.approver) if found is not None and found.approver else "an unknown signer"


def _progress(parts: Refusal) -> str:
    return parts.quorum.progress if parts.quorum is not None else "0/1"


def _rule(parts: Refusal) -> str:
    return tidy(parts.quorum.rule.name) if parts.quorum is not None else "built-in"


def _reference(parts: Refusal) -> str:
    """Return ``<namespace>/cr-...`` of the request that is filed or going to be, or ``none``."""
    if parts.code is Code.CHANGE_REJECTED and parts.filed is not None:
        # Of the change that was rejected, which may be another one than this (V6).
        return f"{shorten(request_namespace(parts.situation))}/{change_id(parts.filed.change)}"
    if parts.facts.change_id is None or not isinstance(parts.filing, Filing):
        return "none"
    return f"{shorten(request_namespace(parts.situation))}/{parts.facts.change_id}"


def request_namespace(situation: Situation) -> str:
    """Return where a ChangeRequest for this target lives: with it, else in the operator's namespace."""
    return situation.namespace or situation.snapshot.config.namespace


def _dates(parts: Refusal, *, state: State) -> list[str]:
    if state is State.REJECTED and parts.filed is not None and parts.filed.rejection is not None:
        return [f"by={shorten(parts.filed.rejection.by)}", f"until={_minute(parts.filed.rejection.until)}"]
    if not isinstance(parts.filing, Filing):
        return []
    return [f"expires={_minute(parts.filing.expires)}"]


def _others(parts: Refusal) -> tuple[NotCounted, ...]:
    """Return the approvals that did not count, beside the one that line 1 is about."""
    return tuple(found for found in parts.facts.not_counted if found is not parts.furthest)


def _not_counted(others: Sequence[NotCounted]) -> list[str]:
    shown = [f"not-counted=v1.{found.slot}:{found.code}" for found in others[:2]]
    if len(others) > len(shown):
        shown.append(f"+{len(others) - len(shown)}")
    return shown


def _steps(parts: Refusal, *, state: State, reference: str) -> list[str]:
    situation = parts.situation
    namespace = situation.namespace
    flag = f" -n {shorten(namespace)}" if namespace else ""
    target = f"{_kind(situation).lower()}/{tidy(str(situation.old_metadata.get('name', '')))}"
    if state is State.REJECTED:
        return [REJECTED_STEP]
    if reference != "none" and state is not State.DRY_RUN:
        where, _, request = reference.rpartition("/")
        return [
            f"Wait: kubectl -n {where} wait --for=condition=Decided chreq/{request}",
            "Then: repeat the identical request once; it is admitted if approved.",
            f"Why: kubectl -n {where} annotate chreq/{request} peergate.dev/reason='...'",
            f"Peer: peergate -n {where} show {request}",
        ]
    is_eviction = situation.is_eviction
    if situation.review.subresource and not is_eviction:
        return [f"Next: send this as an update of {target} itself; a peer can approve that."]
    requester = tidy(situation.review.user.username)
    form = "replace -f MANIFEST" if situation.operation == "UPDATE" else f"delete {target}"
    if is_eviction:
        form = f"evict {target}"
    signing = f"peergate{flag} approve {form} --requester {requester}"
    if state is State.DRY_RUN:
        return [f"Next: nothing was filed; send it without dry run, or ask a peer for: {signing}"]
    return [
        f"Peer: {signing}",
        f"Then: peergate{flag} attach -f APPROVAL {target}",
        "Then: repeat the identical request once; it is admitted if the approval fits.",
    ]


def _minute(instant: datetime | None) -> str:
    return instant.strftime("%Y-%m-%dT%H:%MZ") if instant is not None else "earlier"


def _details(
    situation: Situation,
    *,
    facts: Facts,
    code: Code,
    summary: str,
    others: Sequence[NotCounted],
) -> Details:
    review = situation.review
    metadata = situation.old_metadata or situation.new_metadata
    causes = [Cause(reason=str(code), message=summary)]
    causes += [
        Cause(reason=str(found.code), message=f"not counted: {found.slot}", field=found.annotation)
        for found in others
    ]
    is_secret = review.resource.group == "" and review.resource.resource == "secrets"
    if facts.change is not None and not is_secret:
        # The digest of a Secret would let readers test guesses of its content (A52).
        causes.append(Cause(reason="From", message=facts.change.from_))
        if facts.change.to is not None:
            causes.append(Cause(reason="To", message=facts.change.to))
    unavailable_now = STATE_OF[code] is State.UNAVAILABLE
    return Details(
        name=str(metadata.get("name") or review.name or ""),
        group=review.resource.group,
        kind=_kind(situation),
        uid=str(metadata.get("uid") or ""),
        retry_after_seconds=2 if unavailable_now else 0,
        causes=tuple(causes),
    )
