"""Check an approval step by step: form, signature, object, options, time.

The verdict is the gate's own (``approval.verify``), on the live object; the steps say how far it got. What
a replacement becomes is checked only against a manifest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from peergate.approval.change import change_digest, change_id, grouped
from peergate.approval.verify import Refused, Verified, verify_approval
from peergate.cli.asker import NoSuchAccount, find_asker
from peergate.cli.attaching import minutes_left
from peergate.cli.envelopes import Approval, Malformed, read_approval
from peergate.cli.kube import Cluster, connect, object_path
from peergate.cli.manifest import read_manifest
from peergate.cli.output import Output
from peergate.cli.pending import delete_options_of, pending_delete, pending_replace, standing
from peergate.cli.targets import Target as Live
from peergate.cli.targets import find_target
from peergate.cli.text import visible
from peergate.cli.trust import audience_of
from peergate.model.decision import STATE_OF, Code, State
from peergate.model.names import JsonObject
from peergate.model.wire import format_instant

__all__ = ["verify_file"]

_INVALID: Final = 3
_ENDED: Final = 5
_ENDED_STATES: Final = frozenset({State.EXPIRED, State.STALE, State.USED})

_SAID: Final = {
    Code.UNKNOWN_APPROVER: "its key is not registered",
    Code.SIGNATURE_INVALID: "no registered key made this signature over these bytes",
    Code.USER_PRESENCE_MISSING: "the hardware key was not touched",
    Code.APPROVER_MISMATCH: "it names another approver than the one whose key signed",
    Code.WRONG_CLUSTER: "it is for another cluster",
    Code.WRONG_OPERATION: "it is for another operation",
    Code.WRONG_OBJECT: "it is for another object",
    Code.WRONG_VERSION: "it is for another API version",
    Code.OBJECT_REPLACED: "the object was replaced by one of the same name",
    Code.WRONG_REQUESTER: "the account was replaced by one of the same name",
    Code.PROJECTION_NOT_ALLOWED: "the rules bind this kind in another way",
    Code.IGNORE_NOT_ALLOWED: "it leaves unbound what the rules bind",
    Code.OBJECT_CHANGED: "the object has changed since it was approved",
    Code.CHANGE_DIFFERS: "the manifest gives another object than the approved one",
    Code.OPTIONS_DIFFER: "the delete options are not the approved ones",
    Code.NOT_YET_VALID: "it was issued ahead of this machine's clock",
    Code.EXPIRED: "it has expired",
    Code.LIFETIME_TOO_LONG: "it lives longer than the rule allows",
    Code.KEY_REVOKED: "its key or approver is disabled, or it was issued before a revocation",
    Code.KEY_EXPIRED: "its key is outside its validity",
    Code.POLICY_CHANGED: "the policy it names has changed",
    Code.SELF_APPROVAL: "the approver is the requester",
    Code.SAME_OWNER: "the approver and the requester have the same owner, or none is known",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of it."""

    code: Code | None
    """``None``: it holds."""
    said: str
    checked: tuple[str, ...]
    unchecked: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """Return 0, 3 or 5."""
        if self.code is None:
            return 0
        return _ENDED if STATE_OF[self.code] in _ENDED_STATES else _INVALID


def verify_file(out: Output, *, file: str, manifest: str | None, offline: bool, as_json: bool) -> int:
    """Check the approval in a file and return the exit code: 0 it holds, 3 it does not count, 5 it is over.

    Errors: CommandError when the cluster can't be asked.
    """
    try:
        approval = read_approval(file)
    except Malformed as malformed:
        if as_json:
            out.document(
                "Verification", {"valid": False, "code": malformed.code, "reason": malformed.user_message}
            )
        raise
    now = datetime.now(UTC)
    if offline:
        verdict = _by_form(approval, now=now)
    else:
        verdict = _against(connect(out), approval=approval, manifest=manifest, now=now)
    if as_json:
        out.document("Verification", _document(approval, verdict=verdict))
    else:
        _print(out, approval=approval, verdict=verdict, now=now)
    return verdict.exit_code


def _by_form(approval: Approval, *, now: datetime) -> Verdict:
    unchecked = ("the signature", "the object", "the requester", "the rules")
    if now >= approval.statement.predicate.expires:
        return Verdict(Code.EXPIRED, _SAID[Code.EXPIRED], ("the form",), unchecked)
    return Verdict(None, "well-formed and in time", ("the form", "the time"), unchecked)


def _against(cluster: Cluster, *, approval: Approval, manifest: str | None, now: datetime) -> Verdict:
    predicate = approval.statement.predicate
    if predicate.audience != audience_of(cluster):
        return Verdict(Code.WRONG_CLUSTER, _SAID[Code.WRONG_CLUSTER], ("the form", "the cluster"), ())
    live = _live(cluster, approval=approval)
    if live is None:
        said = "the object is gone; it was deleted, perhaps with this approval"
        return Verdict(Code.OBJECT_REPLACED, said, ("the form", "the cluster"), ("the signature",))
    try:
        asker = find_asker(cluster, name=predicate.requester.username, uid=_uid(approval))
    except NoSuchAccount:
        return Verdict(
            Code.WRONG_REQUESTER, "the requester's account is gone", ("the form", "the cluster"), ()
        )
    unchecked: tuple[str, ...] = ()
    if predicate.operation == "UPDATE" and manifest is None:
        reviewed, terms, keyring = standing(cluster, target=live, asker=asker)
        unchecked = ("what the object becomes (give -f MANIFEST)", "revocation, independence")
    else:
        pending = (
            pending_delete(cluster, target=live, asker=asker, options=delete_options_of(approval.statement))
            if manifest is None
            else pending_replace(cluster, manifest=read_manifest(manifest), asker=asker)
        )
        reviewed, terms, keyring = pending.reviewed, pending.match.terms, pending.snapshot.keyring
    outcome = verify_approval(
        approval.value, slot="-", target=reviewed, keyring=keyring, terms=terms, now=now
    )
    return _verdict(outcome, unchecked=unchecked, approval=approval, now=now)


def _uid(approval: Approval) -> str:
    """Return the uid to judge a requester by that no account of the cluster has; else the live one counts."""
    requester = approval.statement.predicate.requester
    return "" if requester.username.startswith("system:serviceaccount:") else requester.uid


def _verdict(
    outcome: Verified | Refused,
    *,
    unchecked: tuple[str, ...],
    approval: Approval,
    now: datetime,
) -> Verdict:
    checked = ("the form", "the signature", "the object", "the requester", "the rules", "the time")
    if isinstance(outcome, Verified):
        return Verdict(None, "it holds now", checked, ())
    if unchecked and outcome.code is Code.CHANGE_DIFFERS:
        # As far as it can be judged without the manifest; time is judged here, since the order put it later.
        if now >= approval.statement.predicate.expires:
            return Verdict(Code.EXPIRED, _SAID[Code.EXPIRED], checked, unchecked)
        return Verdict(None, "it holds now, as far as this can tell", checked, unchecked)
    return Verdict(outcome.code, _SAID.get(outcome.code, "it does not count"), checked, unchecked)


def _live(cluster: Cluster, *, approval: Approval) -> Live | None:
    ref = approval.statement.predicate.ref
    path = object_path(
        group=ref.group,
        version=ref.version,
        resource=ref.resource,
        namespace=ref.namespace,
        name=ref.name,
    )
    if cluster.find(path) is None:
        return None
    kind = f"{ref.resource}.{ref.version}.{ref.group}" if ref.group else ref.resource
    found = find_target(cluster, words=(kind, ref.name), namespace=ref.namespace or None)
    return replace(found, subresource=ref.subresource) if ref.subresource == "eviction" else found


def _document(approval: Approval, *, verdict: Verdict) -> JsonObject:
    predicate = approval.statement.predicate
    digest = change_digest(approval.statement.change)
    return {
        "valid": verdict.code is None,
        "code": verdict.code,
        "reason": verdict.said,
        "checked": list(verdict.checked),
        "unchecked": list(verdict.unchecked),
        "change": change_id(digest),
        "operation": predicate.operation,
        "subject": predicate.ref.subject_name,
        "requester": predicate.requester.username,
        "approver": predicate.approver,
        "issuedAt": format_instant(predicate.issued_at),
        "expires": format_instant(predicate.expires),
        "signedReason": predicate.reason,
    }


def _print(out: Output, *, approval: Approval, verdict: Verdict, now: datetime) -> None:
    predicate = approval.statement.predicate
    ref = predicate.ref
    place = f"{ref.namespace}/{ref.name}" if ref.namespace else ref.name
    verb = "replace" if predicate.operation == "UPDATE" else "delete"
    if verdict.code is None:
        head = f"valid: {verdict.said} ({minutes_left(predicate.expires, now=now)} left)"
    else:
        head = f"not valid: {verdict.said} ({verdict.code})"
    digest = change_digest(approval.statement.change)
    lines = [
        head,
        f"  {verb} {visible(ref.resource)} {visible(place)}",
        f"  change     {grouped(change_id(digest))}",
        f"  requester  {visible(predicate.requester.username)}",
        f"  approver   {visible(predicate.approver)}",
        f"  reason     {visible(predicate.reason)}",
        f"  expires    {format_instant(predicate.expires)}",
        f"  checked    {', '.join(verdict.checked)}",
    ]
    if verdict.unchecked:
        lines.append(f"  NOT checked: {', '.join(verdict.unchecked)}")
    out.data("\n".join(lines))
