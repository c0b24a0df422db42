"""Put the approvals on a ChangeRequest onto the object it is about."""

from __future__ import annotations

from collections.abc import Sequence

from peergate.approval.carriers import collect
from peergate.cli.attaching import check_fit, repeat_command
from peergate.cli.carrier import Carrier, carry
from peergate.cli.discovery import resource_of_type
from peergate.cli.envelopes import read_value
from peergate.cli.kube import Cluster, connect
from peergate.cli.output import Output
from peergate.cli.requests import Filed, find_request
from peergate.cli.targets import Target, find_target, read_target
from peergate.cli.text import plural
from peergate.cli.waiting import ENDED, REJECTED
from peergate.errors import CommandError

__all__ = ["attach_filed"]


def attach_filed(out: Output, *, word: str, words: Sequence[str]) -> None:
    """Attach every approval of the ChangeRequest that fits; the object that the words name must be its own.

    Errors: CommandError: exit code 3 when there is none, for another object, or where the object can't carry
        it; 5 when the object was replaced or every approval has expired.
    """
    cluster = connect(out)
    filed = find_request(cluster, word)
    ref = filed.spec.object
    if ref.subresource not in {"", "eviction"}:
        raise CommandError(
            f"not on the object; {filed.shown} is about {filed.target}, where the gate sees no annotations; "
            "it reads the ChangeRequest; repeat the identical request",
            exit_code=REJECTED,
        )
    target = _target_of(filed, cluster=cluster, words=words)
    attached = 0
    problems: list[CommandError] = []
    for carried in collect(filed.annotations).approvals:
        try:
            approval = read_value(carried.value)
            check_fit(approval, audience=filed.spec.audience, target=target)
        except CommandError as problem:
            problems.append(problem)
            out.say(f"left out v1.{carried.slot}: {problem.user_message}")
            continue
        carrier = Carrier(path=target.path, live=target.live, shown=target.shown, quoted=target.quoted)
        carry(out, cluster=cluster, carrier=carrier, approval=approval, slot=None)
        target = Target(resource=target.resource, live=cluster.get(target.path))
        attached += 1
    if not attached:
        ended = bool(problems) and all(problem.exit_code == ENDED for problem in problems)
        raise CommandError(
            f"nothing to attach; {filed.shown} carries no approval that fits; ask a peer: "
            + out.flags.command("show", filed.name, namespace=filed.namespace),
            exit_code=ENDED if ended else REJECTED,
        )
    out.say(f"{plural(attached, 'approval')} on {target.shown}; the requester may send the identical request")
    again = repeat_command(
        namespace=target.namespace,
        quoted=target.quoted,
        operation=filed.spec.operation,
        options=dict(filed.spec.options),
        subresource=ref.subresource,
    )
    out.hint("Next:", again)


def _target_of(filed: Filed, *, cluster: Cluster, words: Sequence[str]) -> Target:
    ref = filed.spec.object
    if words:
        target = find_target(cluster, words=words, namespace=ref.namespace)
    else:
        name = f"{ref.resource}.{ref.version}.{ref.group}" if ref.group else ref.resource
        target = read_target(
            cluster, resource=resource_of_type(cluster, name), name=ref.name, namespace=ref.namespace
        )
    same = (target.resource.kind.group, target.resource.plural, target.namespace, target.name)
    if same != (ref.group, ref.resource, ref.namespace, ref.name):
        raise CommandError(
            f"another object; {filed.shown} is about {filed.target}, not about {target.shown}; name that one",
            exit_code=REJECTED,
        )
    return target
