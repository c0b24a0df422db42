"""``peergate show``: what one filed change would do, before it is decided."""

from __future__ import annotations

import click

from peergate.cli.flags import cluster_flags, file_option, globals_of, output_flag
from peergate.cli.lazy import Command
from peergate.cli.output import Output
from peergate.cli.suggest import suggest_requests

__all__ = ["show"]


@click.command(cls=Command)
@click.argument("request", metavar="CR", shell_complete=suggest_requests)
@file_option(
    "-f",
    "--filename",
    "file",
    help="The manifest, where the request holds no whole patch.",
)
@click.option("--full", is_flag=True, help="Every line of a long difference.")
@click.option("--with-claim", is_flag=True, help="With -o: the agent's own reason too; nobody checked it.")
@output_flag("json", "yaml", "name")
@cluster_flags
@click.pass_context
def show(  # noqa: PLR0917 - click passes every option by name
    context: click.Context,
    request: str,
    file: str | None,
    full: bool,  # noqa: FBT001 - as above
    with_claim: bool,  # noqa: FBT001 - as above
    output: str | None,
) -> int:
    r"""Show what a ChangeRequest would do and whether it can be undone.

    Everything is computed anew from the live object, with your own credentials: the difference, what goes
    along, who asks, who may sign. Signs nothing. Exit code 6: the request does not agree with what is there.

    \b
    peergate show cr-hbzkqvmtwxcdfgjnprst
    peergate show shop/cr-hbzkqvmtwxcdfgjnprst -o json
    """
    from peergate.cli.showing import run_show  # noqa: PLC0415 - help starts without it

    return run_show(
        Output(globals_of(context)),
        request=request,
        file=file,
        full=full,
        with_claim=with_claim,
        output=output,
    )
