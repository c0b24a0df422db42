"""``peergate request``: ask for a change as the agent that wants it, and say why."""

from __future__ import annotations

from datetime import timedelta

import click

from peergate.cli.flags import DurationType, cluster_flags, file_option, globals_of, output_flag
from peergate.cli.lazy import Command
from peergate.cli.output import Output

__all__ = ["request"]


@click.command(cls=Command)
@click.argument("words", nargs=-1, required=True, metavar="(delete TYPE/NAME | replace -f FILE)")
@file_option(
    "-f",
    "--filename",
    "file",
    help="For replace: the manifest, one object.",
)
@click.option("--reason", required=True, metavar="TEXT", help="Why; approvers read it as your claim.")
@click.option("--ticket", metavar="TEXT", help="Where it was agreed on.")
@click.option(
    "--cascade",
    type=click.Choice(["background", "foreground", "orphan", "none"]),
    default="background",
    help="What becomes of what it owns; none: not said.",
)
@click.option("--grace-period", type=click.IntRange(0, 2**31 - 1), metavar="SECONDS", help="For Pods.")
@click.option("--force", is_flag=True, help="For Pods: killed at once (grace 0).")
@click.option("--wait", is_flag=True, help="Wait for the decision; if approved, repeat the request once.")
@click.option("--timeout", type=DurationType(), metavar="DURATION", help="With --wait: no longer than that.")
@output_flag("name", "json", default="name")
@cluster_flags
@click.pass_context
def request(  # noqa: PLR0917 - click passes every option by name
    context: click.Context,
    words: tuple[str, ...],
    file: str | None,
    reason: str,
    ticket: str | None,
    cascade: str,
    grace_period: int | None,
    force: bool,  # noqa: FBT001 - as above
    wait: bool,  # noqa: FBT001 - as above
    timeout: timedelta | None,
    output: str,
) -> int:
    r"""Ask for a change as the agent that wants it, and say why.

    A dry run comes first; if no approval is needed, nothing is done. Else the real request is sent, once.
    It is refused and so files a ChangeRequest, whose name is printed. With --wait the identical request is
    repeated as soon as a peer has approved it.

    \b
    peergate -n shop request delete statefulset/db --reason 'CHG-7: moved to db2'
    """
    from peergate.cli.requesting import Wish, ask_for  # noqa: PLC0415 - help and completion start without it

    return ask_for(
        Output(globals_of(context)),
        wish=Wish(
            words=words,
            file=file,
            reason=reason,
            ticket=ticket,
            cascade=cascade,
            grace_period=0 if force and grace_period is None else grace_period,
            wait=wait,
            timeout=timeout,
            as_json=output == "json",
        ),
    )
