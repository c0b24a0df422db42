"""The way of an approval: fetch, recompute, show, ask, sign, verify, hand over; filed or not, one or more."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from peergate.approval.sign import ApprovalSigner
from peergate.approval.statement import StatementMalformed, StatementUnsupported, parse_statement
from peergate.cli.batch import batch_lines, check_batch
from peergate.cli.confirm import Consent, check_expected, obtain
from peergate.cli.dossier import Dossier, SignedBy
from peergate.cli.envelopes import slot_for
from peergate.cli.filed_change import check_agrees
from peergate.cli.gathering import direct_dossier, filed_dossier
from peergate.cli.handover import hand_over, hand_over_payload, hand_over_review
from peergate.cli.independence import check_independent, lifetime
from peergate.cli.issue import Issued, check_same_change, finish_external, new_payload, sign_payload
from peergate.cli.kube import Cluster, connect
from peergate.cli.manifest import read_bytes
from peergate.cli.outcome import already_decided
from peergate.cli.output import Output
from peergate.cli.paging import print_screen
from peergate.cli.request import Request, check_request, usual_cascade
from peergate.cli.screen import screen_of
from peergate.cli.signing import Signatory, find_signatory, find_signer
from peergate.cli.text import visible
from peergate.cli.when import date_of, off_by
from peergate.errors import CommandError

__all__ = ["run_approve"]


def run_approve(out: Output, *, request: Request) -> None:
    """Review the changes that the request names and sign them.

    Errors: CommandError with the exit codes of experience.md §4.
    """
    check_request(request)
    cluster = connect(out)
    if request.payload is not None:
        _finish(out, cluster=cluster, request=request)
        return
    dossiers = _gather(cluster, request=request)
    if request.dry_run:
        for dossier in dossiers:
            print_screen(out, screen_of(dossier))
        hand_over_review(out, request=request, dossiers=dossiers)
        return
    for dossier in dossiers:
        _check_signable(dossier)
    if off := off_by(date_of(cluster.date), now=datetime.now(UTC)):
        out.say(
            f"Warning: this machine's clock is {off} the cluster's, by which the approval counts; "
            "set the clock (NTP), or it may begin too late or be over at once"
        )
    keyring = dossiers[0].reviewed.pending.snapshot.keyring
    external = request.print_payload and (request.key is None)
    signer = None if external or request.key is None else find_signer(request.key, keyring=keyring)
    signatory = find_signatory(keyring, signer=signer, identity=request.approver)
    dossiers = [one for one in dossiers if not already_decided(out, one, by=signatory)]
    if not dossiers:
        return
    ttl = _lifetime(dossiers, signatory=signatory, wanted=request.ttl)
    reason = _consent(out, request=request, dossiers=dossiers, signatory=signatory, ttl=ttl)
    if signer is None and not request.print_payload:
        raise CommandError("nothing to sign with; add --key PATH, or --print-payload", exit_code=2)
    issued = [
        one
        for dossier in dossiers
        if (
            one := _sign(
                out,
                request=request,
                dossier=dossier,
                signer=signer,
                signatory=signatory,
                reason=reason,
                ttl=ttl,
            )
        )
    ]
    if issued:
        hand_over(out, cluster=cluster, request=request, dossiers=dossiers, issued=issued)


def _gather(cluster: Cluster, *, request: Request) -> list[Dossier]:
    """Return what each word names; what differs from what was asked for ends it here."""
    now = datetime.now(UTC)
    if not request.is_filed:
        dossier = direct_dossier(cluster, request=request, statement=None, now=now)
        check_expected(request.expect, change_id=dossier.reviewed.pending.id)
        return [dossier]
    dossiers = [
        filed_dossier(cluster, word, file=request.file, now=now) for word in dict.fromkeys(request.words)
    ]
    if len(dossiers) > 1:
        check_batch(dossiers)
    for dossier in dossiers:
        check_expected(request.expect, change_id=dossier.reviewed.pending.id)
    return dossiers


def _check_signable(dossier: Dossier) -> None:
    """Refuse what is not what the request says, or is not known whole. Errors: CommandError."""
    if dossier.filed is not None:
        part = dossier.filed
        check_agrees(part.filed, differs=part.differs, whole=part.whole)


def _lifetime(dossiers: Sequence[Dossier], *, signatory: Signatory, wanted: timedelta | None) -> timedelta:
    now = datetime.now(UTC)
    for dossier in dossiers:
        pending = dossier.reviewed.pending
        check_independent(signatory, asker=pending.asker, rules=pending.match.enforced, now=now)
    longest = min(dossier.reviewed.pending.match.terms.max_ttl for dossier in dossiers)
    return lifetime(wanted, longest=longest)


def _consent(
    out: Output, *, request: Request, dossiers: Sequence[Dossier], signatory: Signatory, ttl: timedelta
) -> str:
    """Show what is about to be signed, ask, and return the reason."""
    by = _signed_by(signatory, now=datetime.now(UTC), ttl=ttl)
    first = dataclasses.replace(dossiers[0], by=by)
    reviewed = first.reviewed
    print_screen(out, screen_of(first), asks=not request.yes)
    if len(dossiers) > 1:
        out.lines(batch_lines(dossiers))
        out.say()
    return obtain(
        tier=reviewed.consequence.tier,
        typed=reviewed.pending.target.typed,
        count=len(dossiers),
        consent=Consent(
            yes=request.yes,
            expect=reviewed.pending.id if request.is_filed else request.expect,
            reason=request.reason,
            approver_class=signatory.approver.class_,
            unattended=_unattended(out, request=request, dossier=first),
        ),
    )


def _sign(
    out: Output,
    *,
    request: Request,
    dossier: Dossier,
    signer: ApprovalSigner | None,
    signatory: Signatory,
    reason: str,
    ttl: timedelta,
) -> Issued | None:
    """Return the approval of one change; ``None`` when its bytes went to an external signer."""
    # The time to read and to answer is not taken from the approval's life.
    now, identity = datetime.now(UTC), signatory.approver.identity
    payload = new_payload(dossier.reviewed, identity=identity, reason=reason, now=now, ttl=ttl)
    if signer is None or request.print_payload:
        hand_over_payload(out, request=request, payload=payload)
        return None
    slot = request.slot or slot_for(identity)
    return sign_payload(payload, signer=signer, pending=dossier.reviewed.pending, slot=slot, now=now)


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


def _unattended(out: Output, *, request: Request, dossier: Dossier) -> str:
    """Return the command that signs exactly this without a terminal."""
    pending = dossier.reviewed.pending
    words = ["approve", *(shlex.quote(word) for word in request.words)]
    for flag, value in (
        ("-f", request.file),
        ("--requester", request.requester),
        ("--requester-uid", request.requester_uid or None),
        ("--key", request.key),
        ("--approver", request.approver),
        ("--cascade", None if request.cascade == usual_cascade(request.words) else request.cascade),
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
    words.append("--yes")
    if not request.is_filed:
        words += ["--expect", pending.id]
    scope = dossier.filed.filed.namespace if dossier.filed is not None else pending.target.namespace
    return visible(out.flags.command(*words, namespace=scope), limit=4096)


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
    if request.is_filed:
        dossier = filed_dossier(
            cluster, request.words[0], file=request.file, history=False, now=datetime.now(UTC)
        )
        _check_signable(dossier)
    else:
        dossier = direct_dossier(cluster, request=request, statement=statement, now=datetime.now(UTC))
    check_expected(request.expect, change_id=dossier.reviewed.pending.id)
    check_same_change(statement, pending=dossier.reviewed.pending)
    slot = request.slot or slot_for(statement.predicate.approver)
    issued = finish_external(
        payload,
        signature=signature,
        pending=dossier.reviewed.pending,
        slot=slot,
        now=datetime.now(UTC),
    )
    hand_over(out, cluster=cluster, request=request, dossiers=[dossier], issued=[issued])
