"""What ``peergate approve`` is asked for, and what that change is and does."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from peergate.approval.statement import Statement
from peergate.cli.asker import find_asker
from peergate.cli.consequences import Consequence, of_delete, of_update
from peergate.cli.diff import Difference, differences
from peergate.cli.envelopes import slot_problem
from peergate.cli.kube import Cluster
from peergate.cli.manifest import read_manifest
from peergate.cli.pending import Pending, delete_options_of, pending_delete, pending_replace
from peergate.cli.surroundings import look_around
from peergate.cli.targets import find_target
from peergate.cli.text import visible
from peergate.errors import CommandError
from peergate.model.names import JsonObject

__all__ = ["Request", "Reviewed", "check_request", "review"]

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


def check_request(request: Request) -> None:
    """Refuse what can't be meant. Errors: CommandError with exit code 2."""
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


def review(cluster: Cluster, *, request: Request, statement: Statement | None) -> Reviewed:
    """Return the change and what it does, from the live object; a statement gives requester and options.

    Errors: CommandError, as the look-ups give them.
    """
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
