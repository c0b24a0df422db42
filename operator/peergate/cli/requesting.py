"""Ask for a change: try, send, say why, and wait if wanted (experience.md §1.2)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from peergate.cli.kube import ApiError, Cluster, connect
from peergate.cli.output import Output
from peergate.cli.refusals import GateRefusal
from peergate.cli.requests import Filed, state_of
from peergate.cli.sending import INTERRUPTED, Sending, sending_of
from peergate.cli.text import plural
from peergate.cli.waiting import ENDED, PENDING, REJECTED, wait_decided
from peergate.cli.watching import follow, pause_for
from peergate.errors import CommandError
from peergate.model.names import REASON_ANNOTATION, TICKET_ANNOTATION

__all__ = ["Wish", "ask_for"]

_LONGEST_CLAIM: Final = 512
_FILED_SECONDS: Final = 15.0
"""The operator files within a second; this long it is waited for."""
_PAUSES: Final = (1.0, 2.0, 4.0)
"""Seconds between repeated requests: a replica may see an approval later than this command does."""
_TOO_EARLY: Final = frozenset({"pending", "quorum", "unavailable"})
_FORBIDDEN: Final = 403
_OPEN: Final = frozenset({"pending", "quorum", "expired", "stale", "used", "self", "invalid"})
"""States of a refusal that leave a ChangeRequest to wait for."""
_CODE_OF: Final[Mapping[str, int]] = {
    "": 1,
    "unavailable": 1,
    "pending": PENDING,
    "quorum": PENDING,
    "expired": ENDED,
    "stale": ENDED,
    "used": ENDED,
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line says."""

    words: tuple[str, ...]
    file: str | None
    reason: str
    ticket: str | None
    cascade: str
    grace_period: int | None
    wait: bool
    timeout: timedelta | None
    as_json: bool


def ask_for(out: Output, *, wish: Wish) -> int:
    """Ask for the change and return the exit code of experience.md §4.

    Errors: CommandError, as the calls give them.
    """
    _check(wish)
    cluster = connect(out)
    sending = sending_of(
        cluster,
        words=wish.words,
        file=wish.file,
        cascade=wish.cascade,
        grace_period=wish.grace_period,
    )
    what = f"{sending.operation} {sending.target.shown}"
    tried = sending.send(dry_run=True)
    if tried is None:
        out.say(
            f"no approval is needed, or one that fits is there already: {what}; nothing was done; "
            "send the request itself"
        )
        return _end(out, wish=wish, state="free", place=None, code=0)
    if tried.state != "dry-run":
        return _refused(out, wish=wish, refusal=tried)
    refusal = sending.send(dry_run=False)
    if refusal is None:
        # Between the dry run and the request somebody approved it, or changed the rules.
        out.say(f"done: {what}; it was admitted at once, since what it needed had arrived meanwhile")
        return _end(out, wish=wish, state="done", place=None, code=0)
    if refusal.place is None or refusal.state not in _OPEN:
        return _refused(out, wish=wish, refusal=refusal)
    # Line 1 says what is the matter, and that nothing changed.
    out.say(refusal.lines[0])
    place = "/".join(refusal.place)
    if not wish.as_json:
        out.data(place)
    try:
        return _filed(out, cluster=cluster, wish=wish, sending=sending, place=refusal.place)
    except KeyboardInterrupt:
        again = out.flags.command("wait", refusal.place[1], namespace=refusal.place[0])
        raise CommandError(
            f"interrupted; the object is unchanged, and {place} stays filed; wait for it with: {again}",
            exit_code=INTERRUPTED,
        ) from None


def _check(wish: Wish) -> None:
    for flag, text in (("--reason", wish.reason), ("--ticket", wish.ticket)):
        if text is not None and not 0 < len(text.strip()) <= len(text) <= _LONGEST_CLAIM:
            raise CommandError(
                f"wrong {flag}; it has {plural(len(text), 'character')}, and 1 to {_LONGEST_CLAIM} that say "
                "something are possible; say it in a sentence",
                exit_code=2,
            )
    if wish.timeout is not None and not wish.wait:
        raise CommandError("--timeout is for --wait; add it, or leave both out", exit_code=2)


def _refused(out: Output, *, wish: Wish, refusal: GateRefusal) -> int:
    """Pass on a refusal that leaves nothing to wait for here."""
    out.lines(refusal.lines)
    code = _CODE_OF.get(refusal.state, REJECTED)
    return _end(out, wish=wish, state=refusal.state or "unavailable", place=refusal.place, code=code)


def _filed(out: Output, *, cluster: Cluster, wish: Wish, sending: Sending, place: tuple[str, str]) -> int:
    namespace, name = place
    filed = _wait_filed(cluster, namespace=namespace, name=name)
    if filed is None:
        out.say(f"it is not filed after {_FILED_SECONDS:.0f} s, so the reason is not on it; run this again")
        return _end(out, wish=wish, state="pending", place=place, code=PENDING)
    _explain(out, cluster=cluster, filed=filed, wish=wish)
    if not wish.wait:
        out.hint("Peer:", out.flags.command("show", name, namespace=namespace))
        out.hint("Wait:", out.flags.command("wait", name, namespace=namespace))
        out.say("Then: repeat the identical request once; it is admitted if approved.")
        return _end(out, wish=wish, state="pending", place=place, code=0)
    filed, outcome = wait_decided(cluster, filed=filed, timeout=wish.timeout)
    if outcome.exit_code == 0:
        out.say(outcome.text.partition(";")[0])
        return _repeat(out, wish=wish, sending=sending, place=place)
    out.say(outcome.text)
    if outcome.exit_code == PENDING:
        out.hint("Wait:", out.flags.command("wait", name, namespace=namespace))
    return _end(out, wish=wish, state=outcome.state, place=place, code=outcome.exit_code)


def _wait_filed(cluster: Cluster, *, namespace: str, name: str) -> Filed | None:
    """Return the ChangeRequest once the operator has filed it; one that has ended is filed anew."""
    until = time.monotonic() + _FILED_SECONDS
    try:
        for filed in follow(cluster, namespace=namespace, name=name, until=until):
            if filed is not None and state_of(filed, now=datetime.now(UTC)) in {"Pending", "Approved"}:
                return filed
    except ApiError as error:
        if error.status != _FORBIDDEN:
            raise
        raise CommandError(
            f"filed, but out of sight; {namespace}/{name} can't be read with these rights ({error.message}); "
            "the object is unchanged; ask an approver to look at it",
            exit_code=PENDING,
        ) from error
    return None


def _explain(out: Output, *, cluster: Cluster, filed: Filed, wish: Wish) -> None:
    """Put the reason on the ChangeRequest; that it fails is said, and stops nothing."""
    claims = {REASON_ANNOTATION: wish.reason}
    if wish.ticket is not None:
        claims[TICKET_ANNOTATION] = wish.ticket
    if claims.items() <= filed.annotations.items():
        return
    try:
        cluster.patch(filed.path, {"metadata": {"annotations": claims}})
    except ApiError as error:
        out.say(f"{out.alarm('warning:')} the reason is not on it; {error.message}")


def _repeat(out: Output, *, wish: Wish, sending: Sending, place: tuple[str, str]) -> int:
    """Send the identical request again; unless the approval is seen it changes nothing."""
    refusal = sending.send(dry_run=False)
    for pause in _PAUSES:
        if refusal is None or refusal.state not in _TOO_EARLY or _names_another(refusal, place=place):
            break
        pause_for(pause, until=time.monotonic() + pause)
        refusal = sending.send(dry_run=False)
    if refusal is not None and _names_another(refusal, place=place):
        out.lines(refusal.lines)
        out.say("stale: the object has changed since it was approved, so this is another change, filed anew")
        return _end(out, wish=wish, state="stale", place=refusal.place, code=ENDED)
    if refusal is not None:
        return _refused(out, wish=wish, refusal=refusal)
    out.say(f"{out.good('done')}: {sending.operation} {sending.target.shown}")
    return _end(out, wish=wish, state="done", place=place, code=0)


def _names_another(refusal: GateRefusal, *, place: tuple[str, str]) -> bool:
    return refusal.place is not None and refusal.place != place


def _end(out: Output, *, wish: Wish, state: str, place: tuple[str, str] | None, code: int) -> int:
    """Print the JSON document if one is wanted, and return the exit code."""
    if wish.as_json:
        request = None if place is None else "/".join(place)
        out.document("Request", {"request": request, "state": state, "exitCode": code})
    return code
