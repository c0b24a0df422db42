"""Hand over what came of it: the approval, the bytes for another signer, or only what was reviewed."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from peergate.approval.envelope import pae
from peergate.cli.attaching import attach_approval, minutes_left
from peergate.cli.carrier import Carrier, carry
from peergate.cli.dossier import Dossier, FiledPart
from peergate.cli.envelopes import read_value
from peergate.cli.issue import Issued
from peergate.cli.kube import Cluster
from peergate.cli.outcome import until_words
from peergate.cli.output import Output
from peergate.cli.request import Request
from peergate.cli.requests import read_request, state_of
from peergate.cli.standing import annotations_of, standing_of
from peergate.cli.summary import approval_document, review_document
from peergate.cli.text import visible
from peergate.errors import CommandError
from peergate.model.names import APPROVAL_SLOT_PREFIX, JsonObject

__all__ = ["hand_over", "hand_over_payload", "hand_over_review"]


def hand_over_review(out: Output, *, request: Request, dossiers: Sequence[Dossier]) -> None:
    """Print what was reviewed, as ``-o`` says; nothing was signed."""
    if request.output == "json":
        _documents(out, "Review", [review_document(dossier) for dossier in dossiers])
    elif request.output == "name":
        for dossier in dossiers:
            out.data(dossier.reviewed.pending.id)
    out.say("dry run: nothing was signed")


def hand_over_payload(out: Output, *, request: Request, payload: bytes) -> None:
    """Keep the payload, print the bytes to be signed elsewhere, and say how to finish."""
    _write(request.payload_out or "", payload, what="payload")
    out.raw(pae(payload))
    out.say(f"payload kept in {visible(request.payload_out or '')}; sign the bytes on stdout, as they are")
    again = ["approve", *request.words, *(["-f", request.file] if request.file else [])]
    words = [*again, "--payload", request.payload_out or "", "--signature", "FILE"]
    out.hint("Then:", out.flags.command(*(shlex.quote(word) for word in words)))


def hand_over(
    out: Output,
    *,
    cluster: Cluster,
    request: Request,
    dossiers: Sequence[Dossier],
    issued: Sequence[Issued],
) -> None:
    """Print or write the approvals, say how far they go, and put them on their carriers or say how."""
    documents = []
    for dossier, one in zip(dossiers, issued, strict=True):
        if request.out is not None:
            _write(request.out, f"{one.value}\n".encode(), what="approval")
        if request.output == "name":
            out.data(dossier.reviewed.pending.id)
        elif request.output == "envelope" or (
            request.output is None and request.out is None and dossier.filed is None
        ):
            out.data(one.value)
        key = APPROVAL_SLOT_PREFIX + one.verified.slot
        if dossier.filed is None:
            after = _after(dossier, one)
            _say_direct(out, dossier=after, issued=one)
            _hand_over_direct(out, cluster=cluster, request=request, dossier=after, issued=one)
        else:
            key, after = _put_on_request(
                out, cluster=cluster, dossier=dossier, part=dossier.filed, issued=one, slot=request.slot
            )
        pending, words = dossier.reviewed.pending, after.standing.words
        documents.append(approval_document(pending, issued=one, annotation=key, progress=words))
    if request.output == "json":
        _documents(out, "Approval", documents)


def _documents(out: Output, kind: str, documents: Sequence[JsonObject]) -> None:
    if len(documents) == 1:
        out.document(kind, documents[0])
    else:
        out.document(f"{kind}List", {"items": list(documents)})


def _after(dossier: Dossier, issued: Issued) -> Dossier:
    """Return the dossier as it stands once this approval is on the object."""
    now, pending = datetime.now(UTC), dossier.reviewed.pending
    standing = standing_of(
        pending,
        carriers=[annotations_of(pending.target.object)],
        now=now,
        more=[issued.verified],
    )
    return dataclasses.replace(dossier, standing=standing, now=now)


def _say_direct(out: Output, *, dossier: Dossier, issued: Issued) -> None:
    expires = issued.verified.statement.predicate.expires
    end = _until(expires, now=dossier.now)
    if dossier.standing.complete:
        out.say(f"{out.good('signed; complete')}: it is admitted until {end}, once attached")
    else:
        out.say(f"{out.good('signed')} {dossier.standing.words}; good until {end}")


def _hand_over_direct(
    out: Output, *, cluster: Cluster, request: Request, dossier: Dossier, issued: Issued
) -> None:
    target = dossier.reviewed.pending.target
    if request.attach:
        approval = read_value(issued.value)
        attach_approval(out, cluster=cluster, target=target, approval=approval, slot=request.slot)
        return
    file = request.out or "FILE"
    words = ["attach", "-f", shlex.quote(file), target.quoted]
    if request.slot:
        words += ["--slot", request.slot]
    out.hint("Next:", visible(out.flags.command(*words, namespace=target.namespace), limit=4096))


def _put_on_request(
    out: Output,
    *,
    cluster: Cluster,
    dossier: Dossier,
    part: FiledPart,
    issued: Issued,
    slot: str | None,
) -> tuple[str, Dossier]:
    """Put the approval on its ChangeRequest and say how far it goes with all that is there by then."""
    filed, pending = part.filed, dossier.reviewed.pending
    live = cluster.get(filed.path)
    carrier = Carrier(
        path=filed.path,
        live=live,
        shown=filed.shown,
        quoted=f"-n {filed.namespace} chreq/{filed.name}",
        appends=True,
        idle=frozenset(slot for slot, _ in dossier.standing.refused),
    )
    key = carry(out, cluster=cluster, carrier=carrier, approval=read_value(issued.value), slot=slot)
    now = datetime.now(UTC)
    filed = read_request(cluster.get(filed.path))
    standing = standing_of(
        pending,
        carriers=[annotations_of(pending.target.object), filed.annotations],
        now=now,
    )
    after = dataclasses.replace(dossier, standing=standing, now=now)
    state = state_of(filed, now=now)
    if state not in {"Pending", "Approved"}:
        out.say(f"no effect: decided already; {filed.shown} is {state.lower()} by now")
    elif standing.complete:
        out.say(f"{out.good('complete')}; {until_words(after)}")
    else:
        out.say(f"{out.good('signed')} {standing.words}")
    return key, after


def _until(expires: datetime, *, now: datetime) -> str:
    return f"{expires.astimezone():%H:%M} ({minutes_left(expires, now=now)})"


def _write(path: str, content: bytes, *, what: str) -> None:
    try:
        Path(path).write_bytes(content)
    except OSError as error:
        raise CommandError(
            f"can't write the {what}; {visible(path)}: {error.strerror}; choose another file",
            exit_code=2,
        ) from error
