"""Wait until a ChangeRequest is decided, and say what came of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from peergate.cli.attaching import repeat_command
from peergate.cli.known_types import typed
from peergate.cli.kube import Cluster, connect
from peergate.cli.output import Output
from peergate.cli.requests import Filed, find_request, state_of
from peergate.cli.text import visible
from peergate.cli.watching import follow, pause_for

__all__ = ["ENDED", "PENDING", "REJECTED", "Outcome", "outcome_of", "repeat_of", "wait_decided", "wait_for"]

REJECTED: Final = 3
PENDING: Final = 4
ENDED: Final = 5
_GONE_SECONDS: Final = 2.0
"""The operator replaces a foreign object of that name; that long there may be none."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where a ChangeRequest is, as an exit code, a word and a sentence."""

    exit_code: int
    state: str
    """A word for programs: ``approved rejected expired stale used pending gone``."""
    text: str


def wait_for(out: Output, *, word: str, timeout: timedelta | None, as_json: bool) -> int:
    """Wait for the ChangeRequest that the word names; print what came of it; return the exit code.

    Errors: CommandError, as ``find_request`` and ``follow`` give them.
    """
    cluster = connect(out)
    filed, outcome = wait_decided(cluster, filed=find_request(cluster, word), timeout=timeout)
    if as_json:
        out.document("Outcome", document_of(filed, outcome=outcome))
    else:
        out.data(f"{filed.shown} {outcome.state}")
    out.say(outcome.text)
    if outcome.exit_code == 0:
        out.hint("Next:", repeat_of(filed))
    elif outcome.exit_code == PENDING:
        out.hint("Next:", out.flags.command("wait", filed.name, namespace=filed.namespace))
    return outcome.exit_code


def document_of(filed: Filed, *, outcome: Outcome) -> dict[str, object]:
    """Return the members of the JSON document about a request that was waited for."""
    rejection = filed.status.rejection
    return {
        "request": f"{filed.namespace}/{filed.name}",
        "state": outcome.state,
        "exitCode": outcome.exit_code,
        "approvals": filed.status.progress,
        "missing": filed.status.missing,
        **(
            {"rejection": {"by": rejection.by, "reason": rejection.reason}}
            if rejection is not None and outcome.exit_code == REJECTED
            else {}
        ),
    }


def wait_decided(cluster: Cluster, *, filed: Filed, timeout: timedelta | None) -> tuple[Filed, Outcome]:
    """Return the ChangeRequest once it is decided, or as it is when the time is over, and what that means.

    Without a timeout it ends with the request itself. Errors: as ``follow``.
    """
    began = time.monotonic()
    ends = began + max(0.0, (filed.spec.expires - datetime.now(UTC)).total_seconds())
    until = ends if timeout is None else min(ends, began + timeout.total_seconds())
    absent = False
    while True:
        for seen in follow(cluster, namespace=filed.namespace, name=filed.name, until=until):
            if seen is None:
                break
            filed, absent = seen, False
            outcome = outcome_of(filed, now=datetime.now(UTC))
            if outcome.exit_code != PENDING:
                return filed, outcome
        else:
            return filed, outcome_of(filed, now=datetime.now(UTC))
        if absent:
            text = f"{filed.shown} is gone; nobody decides it any more; send the change again to ask anew"
            return filed, Outcome(ENDED, "gone", text)
        absent = True
        pause_for(_GONE_SECONDS, until=time.monotonic() + _GONE_SECONDS)


def outcome_of(filed: Filed, *, now: datetime) -> Outcome:
    """Return what the request's state means to whoever waits for it."""
    what = f"{filed.shown} ({filed.spec.operation.lower()} {filed.target})"
    rejection = filed.status.rejection
    match state_of(filed, now=now):
        case "Rejected":
            by = f" by {visible(rejection.by)}" if rejection else ""
            why = f": '{visible(rejection.reason)}'" if rejection and rejection.reason else ""
            until = f" until {rejection.until:%Y-%m-%dT%H:%MZ}" if rejection else ""
            return Outcome(
                REJECTED,
                "rejected",
                f"rejected{by}{why}\n{what} stays rejected{until}; a different change is a new request",
            )
        case "Approved":
            by = f" by {visible(', '.join(filed.status.approvals))}" if filed.status.approvals else ""
            return Outcome(0, "approved", f"approved{by}: {what}; repeat the identical request once")
        case "Used":
            return Outcome(
                ENDED, "used", f"used: {what} was carried out already; nothing is left to wait for"
            )
        case "Stale":
            why = visible(filed.status.missing) or "the object has changed or gone since"
            return Outcome(ENDED, "stale", f"stale: {why}; {what}; look at it, then ask anew")
        case "Expired":
            return Outcome(
                ENDED, "expired", f"expired: nobody decided {what} in time; send the change again to ask anew"
            )
        case _:
            missing = f"; missing: {visible(filed.status.missing)}" if filed.status.missing else ""
            progress = f" {visible(filed.status.progress)}" if filed.status.progress else ""
            return Outcome(PENDING, "pending", f"pending{progress}: {what} waits for a peer{missing}")


def repeat_of(filed: Filed) -> str:
    """Return the kubectl command that makes exactly the recorded request."""
    ref = filed.spec.object
    return repeat_command(
        namespace=ref.namespace,
        quoted=typed(group=ref.group, resource=ref.resource, name=ref.name),
        operation=filed.spec.operation,
        options=dict(filed.spec.options),
        subresource=ref.subresource,
    )
