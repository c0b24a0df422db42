"""Show one filed change: the screen, or the same as a document."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from peergate.cli.gathering import filed_dossier
from peergate.cli.kube import connect
from peergate.cli.output import Output
from peergate.cli.screen import screen_of
from peergate.cli.screen_filed import action_lines
from peergate.cli.summary import review_document
from peergate.cli.variants import variants_of

__all__ = ["run_show"]

_DIFFERS: Final = 6
_MOST: Final = 200
"""Lines of a difference that are shown at once."""


def run_show(
    out: Output, *, request: str, file: str | None, full: bool, with_claim: bool, output: str | None
) -> int:
    """Print what the request would do and return the exit code: 6 when it does not agree with what is there.

    Errors: CommandError, as ``filed_dossier`` gives them.
    """
    dossier = filed_dossier(connect(out), request, file=file, ask_me=True, now=datetime.now(UTC))
    part = dossier.filed
    status = _DIFFERS if part is not None and part.differs else 0
    if output == "name":
        out.data(dossier.reviewed.pending.id)
        return status
    if output is not None:
        members = review_document(dossier, with_claim=with_claim)
        out.document("Review", members, form="yaml" if output == "yaml" else "json")
        return status
    screen = screen_of(dossier)
    reviewed = dossier.reviewed
    variants = variants_of(reviewed.pending, consequence=reviewed.consequence, around=reviewed.around)
    lines = [
        *(out.strong(line) for line in screen.headline),
        *(out.alarm(line) for line in screen.warnings),
        "",
        *screen.before,
        *_cut(screen.difference, full=full, again=f"peergate show {request} --full"),
        *screen.after,
        "",
        *action_lines(dossier, flags=out.flags, variants=variants),
    ]
    out.table(lines)
    return status


def _cut(lines: Sequence[str], *, full: bool, again: str) -> Sequence[str]:
    if full or len(lines) <= _MOST:
        return lines
    return [*lines[:_MOST], f"  CUT: {len(lines) - _MOST} more lines; all of them: {again}", ""]
