"""Reject one filed change: who does, for how long, in which words; set once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from peergate.approval.keyring import RegisteredApprover
from peergate.cli.kube import ApiError, Cluster, connect
from peergate.cli.output import Output
from peergate.cli.reject import BECAUSE
from peergate.cli.requests import Filed, find_request, state_of
from peergate.cli.text import visible
from peergate.cli.trust import audience_of, load_keyring
from peergate.cli.when import clock, date_of, left
from peergate.cli.whoami import who_am_i
from peergate.errors import CommandError
from peergate.model.wire import format_instant

__all__ = ["Rejecting", "run_reject", "words_of"]

_LONGEST: Final = 512
_LASTS: Final = timedelta(hours=24)
_SHORTEST: Final = timedelta(minutes=1)
_LASTS_MOST: Final = timedelta(days=30)
_CONFUSED: Final = 2
_REFUSED: Final = 3
_ENDED: Final = 5
_DIFFERS: Final = 6
_FORBIDDEN: Final = 403
_INVALID: Final = 422
_CONFLICT: Final = 409


@dataclass(frozen=True, slots=True)
class Rejecting:
    """What the command line says."""

    request: str
    reason: str | None
    because: str | None
    suggest: str | None
    lasts: timedelta | None


def run_reject(out: Output, *, rejecting: Rejecting) -> None:
    """Write the rejection into the request's status.

    Errors: CommandError: exit code 2 without a reason, 3 when the user is no approver who may, 5 when it is
        decided already, 6 when the request is about another cluster.
    """
    reason = words_of(rejecting)
    lasts = _LASTS if rejecting.lasts is None else rejecting.lasts
    if not _SHORTEST <= lasts <= _LASTS_MOST:
        raise CommandError("how long?; from 1m to 720h; correct --for", exit_code=_CONFUSED)
    cluster = connect(out)
    filed = find_request(cluster, rejecting.request)
    if filed.change.audience != audience_of(cluster):
        raise CommandError(
            f"another cluster; {filed.shown} is about another one; nothing was rejected; check --context",
            exit_code=_DIFFERS,
        )
    here = datetime.now(UTC)
    # Whether it is open yet, and until when it is refused, the gate tells by the cluster's clock. By a clock
    # that is behind, the rejection would be over before it is written.
    theirs = date_of(cluster.date) or here
    _check_open(filed, now=theirs)
    now = max(here, theirs).replace(microsecond=0)
    approver = _approver(cluster, filed=filed)
    until = now + lasts
    _write(
        cluster,
        filed=filed,
        rejection={
            "by": approver.identity,
            "reason": reason,
            "at": format_instant(now),
            "until": format_instant(until),
        },
    )
    out.say(
        f"{out.good('rejected')} {filed.shown} as {visible(approver.identity)} until "
        f"{clock(until, now=now)} ({left(until, now=now)}); the agent reads: {visible(reason)}"
    )
    out.say("The identical request stays refused until then; a different change is a new request.")


def words_of(rejecting: Rejecting) -> str:
    """Return what the agent is told. Errors: CommandError with exit code 2 without a reason, or above 512."""
    because = "" if rejecting.because is None else BECAUSE[rejecting.because]
    parts = [because, (rejecting.reason or "").strip()]
    suggest = (rejecting.suggest or "").strip()
    if suggest:
        parts.append(f"Ask instead for: {suggest}")
    text = " ".join(part for part in parts if part)
    if not text:
        raise CommandError(
            "no reason; the agent needs one to do better; add --reason '...', or --because "
            f"{'|'.join(BECAUSE)}",
            exit_code=_CONFUSED,
        )
    if len(text) > _LONGEST:
        raise CommandError(
            f"the reason is too long; {_LONGEST} characters fit in all; shorten it", exit_code=_CONFUSED
        )
    if visible(text) != text:
        raise CommandError(
            "the reason holds invisible characters; it is plain one-line text; type it again",
            exit_code=_CONFUSED,
        )
    return text


def _check_open(filed: Filed, *, now: datetime) -> None:
    state, rejection = state_of(filed, now=now), filed.status.rejection
    if rejection is not None:
        raise CommandError(
            f"no effect: decided already; {filed.shown} was rejected by {visible(rejection.by)} until "
            f"{clock(rejection.until, now=now)}; a rejection is set once",
            exit_code=_REFUSED,
        )
    if state not in {"Pending", "Approved"}:
        raise CommandError(
            f"no effect: decided already; {filed.shown} is {state.lower()}; nothing was written",
            exit_code=_ENDED,
        )


def _approver(cluster: Cluster, *, filed: Filed) -> RegisteredApprover:
    """Return the approver that the user is, if it may reject this. Errors: CommandError with exit code 3."""
    me = who_am_i(cluster, keyring=load_keyring(cluster))
    user = visible(me.username) or "your user"
    approver = me.approver
    if approver is None:
        raise CommandError(
            f"not an approver; no Approver has {user} in its kubernetesUsernames; register it: peergate "
            f"approver create NAME --username {user} ...",
            exit_code=_REFUSED,
        )
    if approver.disabled:
        raise CommandError(
            f"not an approver; {visible(approver.identity)} is disabled; ask another approver",
            exit_code=_REFUSED,
        )
    owner = filed.spec.requester.owner
    if approver.class_ == "agent" and owner in {"", approver.owner}:
        raise CommandError(
            "not independent; an agent does not reject for its own owner's agents (SameOwner); ask another "
            "approver",
            exit_code=_REFUSED,
        )
    return approver


def _write(cluster: Cluster, *, filed: Filed, rejection: dict[str, str]) -> None:
    # The version makes the server refuse when it was decided in between.
    body = {
        "metadata": {"resourceVersion": filed.resource_version},
        "status": {"rejection": rejection},
    }
    try:
        cluster.patch(f"{filed.path}/status", body)
    except ApiError as error:
        if error.status == _CONFLICT:
            raise CommandError(
                f"{filed.shown} changed while you decided; nothing was written; look again: peergate show "
                f"{filed.name}",
                exit_code=_DIFFERS,
            ) from error
        if error.status == _FORBIDDEN:
            raise CommandError(
                f"may not reject; {error.message}; ask for the right to patch changerequests/status (role "
                "peergate-approver)",
                exit_code=_REFUSED,
            ) from error
        if error.status == _INVALID:
            raise CommandError(
                f"not written; {error.message}; look again: peergate show {filed.name}", exit_code=_REFUSED
            ) from error
        raise
