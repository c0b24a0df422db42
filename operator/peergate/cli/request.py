"""What ``peergate approve`` is asked for, and what that change is and does."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from peergate.cli.envelopes import slot_problem
from peergate.cli.requests import is_request_word
from peergate.cli.text import visible
from peergate.errors import CommandError
from peergate.model.names import JsonObject

__all__ = ["Request", "check_request", "delete_options", "usual_cascade"]

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
    output: str | None

    @property
    def is_filed(self) -> bool:
        """Tell whether the words name ChangeRequests."""
        return bool(self.words) and all(is_request_word(word) for word in self.words)


def check_request(request: Request) -> None:
    """Refuse what can't be meant. Errors: CommandError with exit code 2."""
    verb = request.words[0] if request.words else ""
    if request.is_filed:
        _check_filed(request)
    elif verb not in {"delete", "evict", "replace"}:
        raise CommandError(
            f"approve what?; {visible(verb, limit=80)!r} is no ChangeRequest's name, nor delete, evict or "
            "replace; write it like: peergate approve cr-hbzkqvmtwxcdfgjnprst --key PATH",
            exit_code=2,
        )
    if verb in {"delete", "evict"} and request.file is not None:
        raise CommandError(f"{verb} takes TYPE/NAME, not a file; leave out -f", exit_code=2)
    if verb == "replace" and not request.is_filed and (request.file is None or len(request.words) > 1):
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


def _check_filed(request: Request) -> None:
    """Refuse flags that say what a ChangeRequest says itself."""
    for flag, given in (
        ("--requester", request.requester is not None or request.requester_uid),
        ("--cascade", request.cascade != "background"),
        ("--grace-period", request.grace_period is not None),
        ("--attach", request.attach),
    ):
        if given:
            raise CommandError(
                f"{flag} is for delete and replace; a ChangeRequest says that itself; leave it out",
                exit_code=2,
            )
    if len(request.words) > 1 and (request.file or request.expect or request.out or request.print_payload):
        raise CommandError(
            "-f, --expect, --out and --print-payload are for one change; approve them one by one", exit_code=2
        )


def usual_cascade(words: Sequence[str]) -> str:
    """Return what a client says of owned objects unless told otherwise: kubectl drain says nothing."""
    return "none" if words[:1] == ("evict",) else "background"


def delete_options(request: Request) -> JsonObject:
    """Return the DeleteOptions that the flags say."""
    options: JsonObject = {}
    if request.cascade in _CASCADES:
        options["propagationPolicy"] = _CASCADES[request.cascade]
    if request.grace_period is not None:
        options["gracePeriodSeconds"] = request.grace_period
    return options
