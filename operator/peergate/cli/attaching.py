"""Attach an approval: one annotation on one object, and the next step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from peergate.cli.carrier import Carrier, carry
from peergate.cli.envelopes import Approval, read_approval, slot_problem
from peergate.cli.kube import ApiError, Cluster, connect
from peergate.cli.output import Output
from peergate.cli.targets import Target, find_target
from peergate.cli.text import visible
from peergate.cli.trust import audience_of
from peergate.errors import CommandError

__all__ = ["attach_approval", "attach_file", "check_fit", "minutes_left", "repeat_command", "retry_command"]

_REFUSED: Final = 3
_ENDED: Final = 5
_DIFFERS: Final = 6
_FORBIDDEN: Final = 403


def attach_file(out: Output, *, words: Sequence[str], file: str, slot: str | None) -> None:
    """Attach the approval in a file to the object that the words name.

    Errors: CommandError: exit code 3 for what is no approval or one of another object, 5 when it has expired
        or the object was replaced, 6 when it is for another cluster.
    """
    if slot is not None and slot_problem(slot):
        raise CommandError(f"wrong slot; {slot_problem(slot)}; correct --slot", exit_code=2)
    approval = read_approval(file)
    cluster = connect(out)
    target = find_target(cluster, words=words)
    check_fit(approval, audience=_audience(out, cluster), target=target)
    attach_approval(out, cluster=cluster, target=target, approval=approval, slot=slot)


def attach_approval(
    out: Output,
    *,
    cluster: Cluster,
    target: Target,
    approval: Approval,
    slot: str | None,
) -> None:
    """Annotate the live object with the approval and say what comes next."""
    carry(
        out,
        cluster=cluster,
        carrier=Carrier(path=target.path, live=target.live, shown=target.shown, quoted=target.quoted),
        approval=approval,
        slot=slot,
    )
    _next_step(out, target=target, approval=approval)


def _audience(out: Output, cluster: Cluster) -> str:
    """Return which cluster this is; empty where that may not be looked at, as an agent mostly may not."""
    try:
        return audience_of(cluster)
    except ApiError as error:
        if error.status != _FORBIDDEN:
            raise
        out.trace("which cluster this is can't be read with these rights; the gate checks it")
        return ""


def check_fit(approval: Approval, *, audience: str, target: Target) -> None:
    """Refuse an approval that is no use on this object; an empty audience leaves the cluster to the gate.

    Errors: CommandError: exit code 3 for another object, 5 when it has expired or the object was replaced, 6
        when it is for another cluster.
    """
    predicate = approval.statement.predicate
    signed, live = predicate.ref, target.ref
    if audience and predicate.audience != audience:
        raise CommandError(
            f"another cluster; the approval is for {visible(predicate.audience)}, not for this one; "
            "check --context",
            exit_code=_DIFFERS,
        )
    same_name = (signed.group, signed.resource, signed.namespace, signed.name)
    if same_name != (live.group, live.resource, live.namespace, live.name):
        place = f"{signed.namespace}/{signed.name}" if signed.namespace else signed.name
        raise CommandError(
            f"another object; the approval is about {visible(f'{signed.resource} {place}')}, not about "
            f"{target.shown}; name that one",
            exit_code=_REFUSED,
        )
    if signed.uid != live.uid:
        raise CommandError(
            f"the object was replaced; {target.shown} is a new one of the same name since it was approved; "
            "ask for another approval",
            exit_code=_ENDED,
        )
    if datetime.now(UTC) >= predicate.expires:
        raise CommandError(
            f"the approval has expired; it ended {predicate.expires:%Y-%m-%dT%H:%MZ}; ask for another",
            exit_code=_ENDED,
        )


def _next_step(out: Output, *, target: Target, approval: Approval) -> None:
    predicate = approval.statement.predicate
    requester = visible(predicate.requester.username)
    until = predicate.expires.astimezone()
    left = minutes_left(predicate.expires, now=datetime.now(UTC))
    out.say(f"{requester} may now send the identical request, once, until {until:%H:%M} ({left}).")
    again = retry_command(
        replace(target, subresource=predicate.ref.subresource),
        operation=predicate.operation,
        options=dict(predicate.options),
    )
    out.hint("Next:", again)


def minutes_left(expires: datetime, *, now: datetime) -> str:
    """Return ``14 min``, rounded down; ``less than a minute`` below one."""
    minutes = int((expires - now).total_seconds() // 60)
    return f"{minutes} min" if minutes >= 1 else "less than a minute"


def retry_command(target: Target, *, operation: str, options: dict[str, str | int]) -> str:
    """Return the kubectl command that makes exactly the approved request."""
    return repeat_command(
        namespace=target.namespace,
        quoted=target.quoted,
        operation=operation,
        options=options,
        subresource=target.subresource,
    )


def repeat_command(
    *, namespace: str, quoted: str, operation: str, options: Mapping[str, str | int], subresource: str
) -> str:
    """Return the same from an object's namespace and its quoted ``TYPE/NAME``."""
    scope = f" -n {namespace}" if namespace else ""
    if operation == "UPDATE":
        return f"kubectl{scope} replace -f FILE   # {quoted}, as approved"
    cascade = str(options.get("propagationPolicy", ""))
    flag = f" --cascade={cascade.lower()}" if cascade in {"Foreground", "Orphan"} else ""
    grace = options.get("minGracePeriodSeconds")
    if subresource == "eviction":
        flag = "" if grace is None else f" --grace-period={grace}"
        return f"kubectl drain NODE{flag}   # which evicts {quoted}"
    if grace == 0:
        flag += " --force --grace-period=0"
    elif grace is not None:
        flag += f" --grace-period={grace}"
    return f"kubectl{scope} delete {quoted}{flag}"
