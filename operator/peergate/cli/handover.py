"""Hand over what came of it: the approval, the bytes for another signer, or only what was reviewed."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from pathlib import Path

from peergate.approval.envelope import pae
from peergate.cli.attaching import attach_approval, minutes_left
from peergate.cli.envelopes import read_value
from peergate.cli.issue import Issued, progress_of
from peergate.cli.kube import Cluster
from peergate.cli.output import Output
from peergate.cli.request import Request, Reviewed
from peergate.cli.summary import approval_document, review_document
from peergate.cli.text import visible
from peergate.errors import CommandError

__all__ = ["hand_over", "hand_over_payload", "hand_over_review"]


def hand_over_review(out: Output, *, request: Request, reviewed: Reviewed) -> None:
    """Print what was reviewed, as ``-o`` says; nothing was signed."""
    pending = reviewed.pending
    if request.output == "json":
        out.document("Review", review_document(pending, reviewed.consequence, reviewed.found))
    elif request.output == "name":
        out.data(pending.id)
    out.say("dry run: nothing was signed")


def hand_over_payload(out: Output, *, request: Request, payload: bytes) -> None:
    """Keep the payload, print the bytes to be signed elsewhere, and say how to finish."""
    _write(request.payload_out or "", payload, what="payload")
    out.raw(pae(payload))
    out.say(f"payload kept in {visible(request.payload_out or '')}; sign the bytes on stdout, as they are")
    again = ["approve", *request.words, *(["-f", request.file] if request.file else [])]
    words = [*again, "--payload", request.payload_out or "", "--signature", "FILE"]
    out.hint("Then:", out.flags.command(*(shlex.quote(word) for word in words)))


def hand_over(out: Output, *, cluster: Cluster, request: Request, reviewed: Reviewed, issued: Issued) -> None:
    """Print or write the approval, say how far it goes, and attach it or say how to."""
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
