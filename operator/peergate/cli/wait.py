"""``peergate wait``: until a request is decided."""

from __future__ import annotations

from datetime import timedelta

import click

from peergate.cli.flags import DurationType, cluster_flags, globals_of, output_flag
from peergate.cli.lazy import Command
from peergate.cli.output import Output
from peergate.cli.suggest import suggest_requests

__all__ = ["wait"]


@click.command(cls=Command)
@click.argument("request", metavar="CR", shell_complete=suggest_requests)
@click.option(
    "--timeout", type=DurationType(), metavar="DURATION", help="Wait no longer; default: until it ends."
)
@output_flag("text", "json", default="text")
@cluster_flags
@click.pass_context
def wait(context: click.Context, *, request: str, timeout: timedelta | None, output: str) -> int:
    r"""Wait until a request is decided.

    Exit code 0: approved, so repeat the identical request once. 3: rejected; the reason is printed.
    4: still pending. 5: expired, stale or used. Nothing in the cluster changes.

    \b
    peergate -n shop wait cr-hbzkqvmtwxcdfgjnprst --timeout 50s
    """
    from peergate.cli.waiting import wait_for  # noqa: PLC0415 - help and completion start without it

    return wait_for(Output(globals_of(context)), word=request, timeout=timeout, as_json=output == "json")
