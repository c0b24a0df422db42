"""Write the answer to a review: the one place that builds AdmissionReview JSON.

``allowed: true`` stands in one line of the code base, here, and only ``Allow`` reaches it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, TypeAlias, assert_never

import orjson

from peergate.model.decision import NO_FACTS, Allow, Code, Decision, Deny, Details, Hold, State
from peergate.model.review import Review
from peergate.observe.verdict import Verdict, verdict_of

__all__ = ["audit_annotations", "cannot_tell", "malformed", "reply", "reply_malformed"]

_Json: TypeAlias = dict[str, object]

_UNAVAILABLE_RETRY_SECONDS: Final = 2
"""client-go waits this long and repeats, which rides over a restart (experience.md §1.4)."""
_MAX_WARNINGS: Final = 8
_MAX_WARNING_CHARACTERS: Final = 256
"""Above 4096 characters in all the API server cuts each warning to this length (C14)."""
_MAX_AUDIT_VALUE: Final = 1024
_NOT_PLAIN: Final = re.compile(r"[^ -~]")
_NOT_IN_A_KEY: Final = re.compile(r"[^A-Za-z0-9]")

_BOUNDARY: Final = (
    "This is a deliberate external approval boundary, not a fault; other verbs, tools and agent identities "
    "reach the same review."
)
_MALFORMED: Final = f"""\
NOT APPROVABLE: a request of an AI agent came as a review that cannot be read. The object is unchanged.
{_BOUNDARY}
state=barred code=ReviewMalformed
Next: no peer signature covers this; a person with cluster rights does it, or the task ends here."""
_CANNOT_TELL: Final = f"""\
GUARD UNAVAILABLE: a request of an AI agent could not be evaluated. The object is unchanged.
{_BOUNDARY}
state=unavailable code={{code}}
Next: repeat the identical request after a minute; if this persists, a person runs: peergate doctor"""


def malformed() -> Deny:
    """Return the refusal of a review that cannot be interpreted (V1)."""
    return Deny(code=Code.REVIEW_MALFORMED, state=State.BARRED, message=_MALFORMED)


def cannot_tell(code: Code) -> Deny:
    """Return the last refusal, for when even the ordinary refusal of a failure failed."""
    return Deny(code=code, state=State.UNAVAILABLE, message=_CANNOT_TELL.format(code=code))


def reply(review: Review, decision: Decision) -> bytes:
    """Return the AdmissionReview that answers a review.

    Shape: JSON, members in a fixed order; equal input, equal bytes. Never raises for text that UTF-8 holds.
    Source: experience.md §1.4 (status), §3.6 (audit annotations); kubernetes-facts.md C13 to C15.
    """
    verdict = verdict_of(decision)
    audit = audit_annotations(verdict, suffix=_item_suffix(review))
    return _envelope(_response(review.uid, decision), audit=audit, warnings=_warnings(decision))


def reply_malformed(uid: str) -> bytes:
    """Return the refusal of a review of which nothing but the uid can be read."""
    decision = malformed()
    audit = audit_annotations(verdict_of(decision), suffix="")
    return _envelope(_response(uid, decision), audit=audit, warnings=())


def audit_annotations(verdict: Verdict, *, suffix: str) -> dict[str, str]:
    """Return what the API server's audit log keeps: the copy outside our control (experience.md §3.6).

    Shape: keys are qualified names of at most 63 characters, values printable ASCII; empty values are left
    out. ``suffix`` tells the items of a collection apart, where the first value of a key wins (C15).
    """
    facts = verdict.facts
    values = [("decision", verdict.word), ("code", verdict.code)]
    if facts is not NO_FACTS:
        values += [
            ("request", facts.change_id or ""),
            ("rule", ",".join(facts.rules)),
            ("approvers", ",".join(sorted({claim.approver for claim in facts.counted}))),
            ("payloads", ",".join(sorted({claim.payload for claim in facts.counted}))),
            ("agent-tag", facts.agent_tag),
            ("command", facts.command),
        ]
    return {key + suffix: _plain(value, limit=_MAX_AUDIT_VALUE) for key, value in values if value}


def _plain(text: str, *, limit: int) -> str:
    if not text.isascii() or not text.isprintable():
        text = _NOT_PLAIN.sub("?", text)
    return text[:limit]


def _response(uid: str, decision: Decision) -> _Json:
    match decision:
        case Allow():
            return {"uid": uid, "allowed": True}
        case Deny():
            seconds = decision.details.retry_after_seconds
            return _refused(uid, decision, code=decision.http_code, retry=seconds)
        case Hold(refusal=refusal, retry_after_seconds=retry):
            return _refused(uid, refusal, code=429, retry=retry)
        case _:
            assert_never(decision)


def _refused(uid: str, refusal: Deny, *, code: int, retry: int) -> _Json:
    if refusal.state is State.UNAVAILABLE and not retry:
        retry = _UNAVAILABLE_RETRY_SECONDS
    return {
        "uid": uid,
        "allowed": False,
        "status": {
            "status": "Failure",
            "message": refusal.message,
            "reason": refusal.status_reason,
            "details": _details(refusal.details, retry=retry),
            "code": code,
        },
    }


def _details(details: Details, *, retry: int) -> _Json:
    members: _Json = {
        "name": details.name,
        "group": details.group,
        "kind": details.kind,
        "uid": details.uid,
        "causes": [
            _filled({"reason": cause.reason, "message": cause.message, "field": cause.field})
            for cause in details.causes
        ],
        "retryAfterSeconds": retry,
    }
    return _filled(members)


def _filled(members: Mapping[str, object]) -> _Json:
    return {name: value for name, value in members.items() if value}


def _warnings(decision: Decision) -> list[str] | tuple[()]:
    warnings = decision.refusal.warnings if isinstance(decision, Hold) else decision.warnings
    if not warnings:
        return ()
    return [_plain(text, limit=_MAX_WARNING_CHARACTERS) for text in warnings[:_MAX_WARNINGS]]


def _item_suffix(review: Review) -> str:
    if not review.is_collection_item:
        return ""
    metadata = (review.old_object or {}).get("metadata")
    uid = metadata.get("uid") if isinstance(metadata, dict) else None
    short = _NOT_IN_A_KEY.sub("", uid[:64])[:8] if isinstance(uid, str) else ""
    return f"-{short}" if short else ""


def _envelope(response: _Json, *, audit: Mapping[str, str], warnings: list[str] | tuple[()]) -> bytes:
    if audit:
        response["auditAnnotations"] = audit
    if warnings:
        response["warnings"] = warnings
    return orjson.dumps(
        {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response},
    )
