"""``peergate reject``: say no to one exact change, and what would be acceptable."""

from __future__ import annotations

from datetime import timedelta

import click

from peergate.cli.flags import DurationType, cluster_flags, globals_of
from peergate.cli.lazy import Command
from peergate.cli.output import Output
from peergate.cli.suggest import suggest_requests

__all__ = ["BECAUSE", "reject"]

BECAUSE = {
    "wrong-target": "This is not the object that is meant; ask again about the right one.",
    "snapshot-first": "Take a snapshot of the data first, then ask again.",
    "smaller-first": "Do less at once: ask for a smaller or reversible step first.",
    "not-now": "Not at this time; ask again later.",
    "explain": "Say why, as annotation peergate.dev/reason of this ChangeRequest, then ask again.",
    "duplicate": "Another request does this already; wait for that one.",
}
"""What each word tells the agent: one sentence, with the acceptable next request (experience.md §2.5)."""


@click.command(cls=Command)
@click.argument("request", metavar="CR", shell_complete=suggest_requests)
@click.option("--reason", metavar="TEXT", help="Why; the agent reads it as it is.")
@click.option(
    "--because",
    type=click.Choice(list(BECAUSE)),
    metavar="WORD",
    help=f"A reason in one word: {', '.join(BECAUSE)}.",
)
@click.option("--suggest", metavar="TEXT", help="What to ask for instead; the agent reads it too.")
@click.option("--for", "lasts", type=DurationType(), metavar="DURATION", help="How long; default 24h.")
@cluster_flags
@click.pass_context
def reject(  # noqa: PLR0917 - click passes every option by name
    context: click.Context,
    request: str,
    reason: str | None,
    because: str | None,
    suggest: str | None,
    lasts: timedelta | None,
) -> None:
    r"""Say no to one exact change.

    One no of an approver is final for that change until it lapses, whatever was signed before. You are the
    approver whose kubernetesUsernames has your user; no key is needed. The agent reads the reason.

    \b
    peergate reject cr-hbzkqvmtwxcdfgjnprst --reason 'meant for staging'
    peergate reject cr-hbzkqvmtwxcdfgjnprst --because snapshot-first
    """
    from peergate.cli.rejecting import Rejecting, run_reject  # noqa: PLC0415 - help starts without it

    run_reject(
        Output(globals_of(context)),
        rejecting=Rejecting(request=request, reason=reason, because=because, suggest=suggest, lasts=lasts),
    )
