"""``peergate list``: the requests that wait for a decision."""

from __future__ import annotations

from typing import Literal

import click

from peergate.cli.flags import cluster_flags, globals_of, output_flag
from peergate.cli.lazy import Command
from peergate.cli.output import Output

__all__ = ["list_"]


@click.command("list", cls=Command)
@click.option("--all", "everything", is_flag=True, help="All of them, whoever decides, decided ones too.")
@click.option("--mine", "asked", is_flag=True, help="Those that you asked for.")
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="In every namespace.")
@click.option("-l", "--selector", default="", metavar="SELECTOR", help="With these labels.")
@click.option("-w", "--watch", is_flag=True, help="Go on showing what changes.")
@click.option("--approver", metavar="IDENTITY", help="Decide as; default: whose user name this is.")
@output_flag("name", "wide", "json", "yaml")
@cluster_flags
@click.pass_context
def list_(  # noqa: PLR0917 - click passes every option by name
    context: click.Context,
    everything: bool,  # noqa: FBT001 - as above
    asked: bool,  # noqa: FBT001 - as above
    everywhere: bool,  # noqa: FBT001 - as above
    selector: str,
    watch: bool,  # noqa: FBT001 - as above
    approver: str | None,
    output: Literal["name", "wide", "json", "yaml"] | None,
) -> None:
    r"""List the requests that are yours to decide.

    Those are open, a rule counts you, you have not asked for them and not signed them yet. What can't be
    undone comes first, then what waits longest.

    \b
    peergate list -A
    peergate list -n shop --all -w
    """
    from peergate.cli.listing import Listing, list_requests  # noqa: PLC0415 - help starts without it

    if everything and asked:
        raise click.UsageError("--all and --mine exclude each other; leave one out")
    if watch and output in {"json", "yaml"}:
        raise click.UsageError("-w shows lines; leave out -o json and -o yaml")
    list_requests(
        Output(globals_of(context)),
        listing=Listing(
            scope="all" if everything else "mine" if asked else "to-decide",
            everywhere=everywhere,
            selector=selector,
            watch=watch,
            approver=approver,
            output=output or "text",
        ),
    )
