"""The way of one approval: fetch, recompute, show, ask, sign, verify, hand over."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime, timedelta

from peergate.approval.statement import StatementMalformed, StatementUnsupported, parse_statement
from peergate.cli.confirm import Consent, check_expected, obtain
from peergate.cli.envelopes import slot_for
from peergate.cli.handover import hand_over, hand_over_payload, hand_over_review
from peergate.cli.independence import check_independent, lifetime
from peergate.cli.issue import check_same_change, finish_external, new_payload, sign_payload
from peergate.cli.kube import Cluster, connect
from peergate.cli.manifest import read_bytes
from peergate.cli.output import Output
from peergate.cli.request import Request, Reviewed, check_request, review
from peergate.cli.screen import Place, SignedBy, lines_of
from peergate.cli.signing import Signatory, find_signatory, find_signer
from peergate.cli.text import visible
from peergate.errors import CommandError

__all__ = ["run_approve"]


def run_approve(out: Output, *, request: Request) -> None:
    """Review the change that the request names and sign it.

    Errors: CommandError with the exit codes of experience.md §4.
    """
    check_request(request)
    cluster = connect(out)
    if request.payload is not None:
        _finish(out, cluster=cluster, request=request)
        return
    reviewed = review(cluster, request=request, statement=None)
    check_expected(request.expect, change_id=reviewed.pending.id)
    if request.dry_run:
        _show(out, cluster=cluster, reviewed=reviewed, by=None)
        hand_over_review(out, request=request, reviewed=reviewed)
        return
    keyring = reviewed.pending.snapshot.keyring
    external = request.print_payload and (request.key is None)
    signer = None if external or request.key is None else find_signer(request.key, keyring=keyring)
    signatory = find_signatory(keyring, signer=signer, identity=request.approver)
    now = datetime.now(UTC)
    pending = reviewed.pending
    check_independent(signatory, asker=pending.asker, rules=pending.match.enforced, now=now)
    ttl = lifetime(request.ttl, longest=pending.match.terms.max_ttl)
    by = _signed_by(signatory, now=now, ttl=ttl)
    _show(out, cluster=cluster, reviewed=reviewed, by=by)
    reason = obtain(
        tier=reviewed.consequence.tier,
        typed=pending.target.typed,
        consent=_consent(out, request=request, reviewed=reviewed, signatory=signatory),
    )
    # The time to read and to answer is not taken from the approval's life.
    now = datetime.now(UTC)
    payload = new_payload(pending, identity=signatory.approver.identity, reason=reason, now=now, ttl=ttl)
    if request.print_payload:
        hand_over_payload(out, request=request, payload=payload)
        return
    if signer is None:
        raise CommandError("nothing to sign with; add --key PATH, or --print-payload", exit_code=2)
    slot = request.slot or slot_for(signatory.approver.identity)
    issued = sign_payload(payload, signer=signer, pending=pending, slot=slot, now=now)
    hand_over(out, cluster=cluster, request=request, reviewed=reviewed, issued=issued)


def _signed_by(signatory: Signatory, *, now: datetime, ttl: timedelta) -> SignedBy:
    key = signatory.key
    return SignedBy(
        identity=signatory.approver.identity,
        class_=signatory.approver.class_,
        owner=signatory.approver.owner,
        key_id="a key service's" if key is None else key.public.id,
        key_comment="" if key is None else key.record.comment,
        now=now,
        ttl=ttl,
    )


def _show(out: Output, *, cluster: Cluster, reviewed: Reviewed, by: SignedBy | None) -> None:
    lines = lines_of(
        reviewed.pending,
        consequence=reviewed.consequence,
        found=reviewed.found,
        place=Place(cluster=cluster.name, context=cluster.context),
        by=by,
    )
    end = lines.index("") if "" in lines else 1
    out.lines(out.strong(line) for line in lines[:end])
    out.lines(lines[end:])
    out.say()


def _consent(out: Output, *, request: Request, reviewed: Reviewed, signatory: Signatory) -> Consent:
    return Consent(
        yes=request.yes,
        expect=request.expect,
        reason=request.reason,
        approver_class=signatory.approver.class_,
        unattended=_unattended(out, request=request, reviewed=reviewed),
    )


def _unattended(out: Output, *, request: Request, reviewed: Reviewed) -> str:
    """Return the command that signs exactly this without a terminal."""
    pending = reviewed.pending
    words = ["approve", *(shlex.quote(word) for word in request.words)]
    for flag, value in (
        ("-f", request.file),
        ("--requester", request.requester),
        ("--requester-uid", request.requester_uid or None),
        ("--key", request.key),
        ("--approver", request.approver),
        ("--cascade", None if request.cascade == "background" else request.cascade),
        ("--grace-period", None if request.grace_period is None else str(request.grace_period)),
        ("--reason", request.reason or "..."),
        ("--payload-out", request.payload_out),
    ):
        if value is not None:
            words += [flag, shlex.quote(value)]
    if request.attach:
        words.append("--attach")
    if request.print_payload:
        words.append("--print-payload")
    words += ["--yes", "--expect", pending.id]
    return visible(out.flags.command(*words, namespace=pending.target.namespace), limit=4096)


def _finish(out: Output, *, cluster: Cluster, request: Request) -> None:
    payload = read_bytes(request.payload or "", what="payload")
    try:
        statement = parse_statement(payload)
    except (StatementMalformed, StatementUnsupported) as error:
        raise CommandError(
            f"not a payload; {visible(str(error))}; name the file that --payload-out wrote",
            exit_code=2,
        ) from error
    signature = read_bytes(request.signature or "", what="signature")
    reviewed = review(cluster, request=request, statement=statement)
    check_expected(request.expect, change_id=reviewed.pending.id)
    check_same_change(statement, pending=reviewed.pending)
    slot = request.slot or slot_for(statement.predicate.approver)
    issued = finish_external(
        payload,
        signature=signature,
        pending=reviewed.pending,
        slot=slot,
        now=datetime.now(UTC),
    )
    hand_over(out, cluster=cluster, request=request, reviewed=reviewed, issued=issued)
