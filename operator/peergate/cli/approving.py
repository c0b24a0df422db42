"""The way of one approval: fetch, recompute, show, ask, sign, verify, hand over."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from peergate.approval.envelope import pae
from peergate.approval.statement import (
    Statement,
    StatementMalformed,
    StatementUnsupported,
    parse_statement,
)
from peergate.cli.asker import find_asker
from peergate.cli.attaching import attach_approval, minutes_left
from peergate.cli.confirm import Consent, check_expected, obtain
from peergate.cli.consequences import Consequence, of_delete, of_update
from peergate.cli.diff import Difference, differences
from peergate.cli.envelopes import read_value, slot_for, slot_problem
from peergate.cli.independence import check_independent, lifetime
from peergate.cli.issue import (
    Issued,
    check_same_change,
    finish_external,
    new_payload,
    progress_of,
    sign_payload,
)
from peergate.cli.kube import Cluster, connect
from peergate.cli.manifest import read_bytes, read_manifest
from peergate.cli.output import Output
from peergate.cli.pending import Pending, delete_options_of, pending_delete, pending_replace
from peergate.cli.screen import Place, SignedBy, lines_of
from peergate.cli.signing import Signatory, find_signatory, find_signer
from peergate.cli.summary import approval_document, review_document
from peergate.cli.surroundings import look_around
from peergate.cli.targets import find_target
from peergate.cli.text import visible
from peergate.errors import CommandError
from peergate.model.names import JsonObject

__all__ = ["Request", "run_approve"]

_CASCADES: Final = {"background": "Background", "foreground": "Foreground", "orphan": "Orphan"}


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line says."""

    words: tuple[str, ...]
    file: str | None
    key: str | None
    requester: str | None
    requester_uid: str
    reason: str | None
    ttl: timedelta | None
    cascade: str
    grace_period: int | None
    approver: str | None
    slot: str | None
    yes: bool
    expect: str | None
    dry_run: bool
    attach: bool
    out: str | None
    print_payload: bool
    payload_out: str | None
    payload: str | None
    signature: str | None
    output: str


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A change with what it does."""

    pending: Pending
    consequence: Consequence
    found: tuple[Difference, ...]


def run_approve(out: Output, *, request: Request) -> None:
    """Review the change that the request names and sign it.

    Errors: CommandError with the exit codes of experience.md §4.
    """
    _check(request)
    cluster = connect(out)
    if request.payload is not None:
        _finish(out, cluster=cluster, request=request)
        return
    reviewed = _review(cluster, request=request, statement=None)
    check_expected(request.expect, change_id=reviewed.pending.id)
    if request.dry_run:
        _show(out, cluster=cluster, reviewed=reviewed, by=None)
        _hand_over_review(out, request=request, reviewed=reviewed)
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
        _hand_over_payload(out, request=request, payload=payload)
        return
    if signer is None:
        raise CommandError("nothing to sign with; add --key PATH, or --print-payload", exit_code=2)
    slot = request.slot or slot_for(signatory.approver.identity)
    issued = sign_payload(payload, signer=signer, pending=pending, slot=slot, now=now)
    _hand_over(out, cluster=cluster, request=request, reviewed=reviewed, issued=issued)


def _check(request: Request) -> None:
    verb = request.words[0] if request.words else ""
    if verb not in {"delete", "replace"}:
        raise CommandError(
            f"approve what?; {visible(verb, limit=80)!r} is neither delete nor replace; write it like: "
            "peergate approve delete statefulset/db --requester NAMESPACE/NAME --key PATH",
            exit_code=2,
        )
    if verb == "delete" and request.file is not None:
        raise CommandError("delete takes TYPE/NAME, not a file; leave out -f", exit_code=2)
    if verb == "replace" and (request.file is None or len(request.words) > 1):
        raise CommandError("replace takes a manifest and nothing else; write: replace -f FILE", exit_code=2)
    if request.slot is not None and slot_problem(request.slot):
        raise CommandError(f"wrong slot; {slot_problem(request.slot)}; correct --slot", exit_code=2)
    if (request.payload is None) != (request.signature is None):
        raise CommandError("--payload and --signature go together; add the other one", exit_code=2)
    if request.print_payload and not request.payload_out:
        raise CommandError(
            "--print-payload needs --payload-out FILE; the payload is wanted again to finish; add it",
            exit_code=2,
        )
    if request.print_payload and sys.stdout.isatty():
        raise CommandError("binary on a terminal; send stdout to a file: > pae.bin", exit_code=2)


def _review(cluster: Cluster, *, request: Request, statement: Statement | None) -> Reviewed:
    if statement is None:
        name, uid = request.requester, request.requester_uid
        options = _options(request)
    else:
        wanted = statement.predicate.requester
        name, uid = wanted.username, wanted.uid
        options = delete_options_of(statement)
    if request.words[0] == "delete":
        target = find_target(cluster, words=request.words[1:])
        asker = find_asker(cluster, name=name, uid=uid)
        pending = pending_delete(cluster, target=target, asker=asker, options=options)
        consequence = of_delete(
            kind=target.resource.kind,
            live=target.live,
            cascade=str(options.get("propagationPolicy", "")),
            around=look_around(cluster, kind=target.resource.kind, live=target.live),
        )
        return Reviewed(pending=pending, consequence=consequence, found=())
    manifest = read_manifest(request.file or "-")
    asker = find_asker(cluster, name=name, uid=uid)
    pending = pending_replace(cluster, manifest=manifest, asker=asker)
    found = differences(pending.before, pending.after or {})
    target = pending.target
    consequence = of_update(kind=target.resource.kind, live=target.live, found=found)
    return Reviewed(pending=pending, consequence=consequence, found=found)


def _options(request: Request) -> JsonObject:
    options: JsonObject = {}
    if request.cascade in _CASCADES:
        options["propagationPolicy"] = _CASCADES[request.cascade]
    if request.grace_period is not None:
        options["gracePeriodSeconds"] = request.grace_period
    return options


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


def _hand_over_review(out: Output, *, request: Request, reviewed: Reviewed) -> None:
    pending = reviewed.pending
    if request.output == "json":
        out.document("Review", review_document(pending, reviewed.consequence, reviewed.found))
    elif request.output == "name":
        out.data(pending.id)
    out.say("dry run: nothing was signed")


def _hand_over_payload(out: Output, *, request: Request, payload: bytes) -> None:
    _write(request.payload_out or "", payload, what="payload")
    out.raw(pae(payload))
    out.say(f"payload kept in {visible(request.payload_out or '')}; sign the bytes on stdout, as they are")
    again = ["approve", *request.words, *(["-f", request.file] if request.file else [])]
    words = [*again, "--payload", request.payload_out or "", "--signature", "FILE"]
    out.hint("Then:", out.flags.command(*(shlex.quote(word) for word in words)))


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
    reviewed = _review(cluster, request=request, statement=statement)
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
    _hand_over(out, cluster=cluster, request=request, reviewed=reviewed, issued=issued)


def _hand_over(
    out: Output, *, cluster: Cluster, request: Request, reviewed: Reviewed, issued: Issued
) -> None:
    pending = reviewed.pending
    now = datetime.now(UTC)
    complete, progress = progress_of(pending, issued=issued, now=now)
    if request.out is not None:
        _write(request.out, f"{issued.value}\n".encode(), what="approval")
    if request.output == "json":
        slot = issued.verified.slot
        out.document("Approval", approval_document(pending, issued=issued, slot=slot, progress=progress))
    elif request.output == "name":
        out.data(pending.id)
    elif request.out is None:
        out.data(issued.value)
    expires = issued.verified.statement.predicate.expires
    left = minutes_left(expires, now=now)
    out.say(
        out.good("signed; complete")
        + f": it is admitted until {expires.astimezone():%H:%M} ({left}), once attached"
        if complete
        else out.good("signed") + f" {progress}; good until {expires.astimezone():%H:%M} ({left})"
    )
    if request.attach:
        attach_approval(
            out, cluster=cluster, target=pending.target, approval=read_value(issued.value), slot=request.slot
        )
        return
    file = request.out or "FILE"
    words = ["attach", "-f", shlex.quote(file), pending.target.quoted]
    if request.slot:
        words += ["--slot", request.slot]
    out.hint("Next:", visible(out.flags.command(*words, namespace=pending.target.namespace), limit=4096))


def _write(path: str, content: bytes, *, what: str) -> None:
    try:
        Path(path).write_bytes(content)
    except OSError as error:
        raise CommandError(
            f"can't write the {what}; {visible(path)}: {error.strerror}; choose another file",
            exit_code=2,
        ) from error
