"""``peergate agent``: make an account for an agent, so that nobody has to lend it their own."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from peergate.cli.flags import DurationType, cluster_flags, globals_of
from peergate.cli.lazy import Command
from peergate.cli.output import Output

__all__ = ["agent"]


@click.group
@cluster_flags
def agent() -> None:
    """Create agents: account, rights, kubeconfig."""


@agent.command(cls=Command)
@click.argument("name")
@click.option("--owner", required=True, metavar="TEXT", help="Who answers for it: a team, a person.")
@click.option(
    "--profile", type=click.Choice(["viewer", "operator"]), default="viewer", help="Default: viewer."
)
@click.option(
    "--in", "places", multiple=True, metavar="NAMESPACE", help="Where it works; default: its own; repeat."
)
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="It works in every namespace.")
@click.option("--ttl", type=DurationType(), default=timedelta(hours=8), help="Life of the token; default 8h.")
@click.option(
    "--kubeconfig-out",
    "file",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where the kubeconfig goes; must not exist yet.",
)
@cluster_flags
@click.pass_context
def create(  # noqa: PLR0917 - click passes every option by name
    context: click.Context,
    name: str,
    owner: str,
    profile: str,
    places: tuple[str, ...],
    everywhere: bool,  # noqa: FBT001 - as above
    ttl: timedelta,
    file: Path,
) -> None:
    r"""Create a tagged ServiceAccount with least rights and a short-lived kubeconfig.

    Run it again, with another file, for a fresh token.

    \b
    peergate agent create bot -n agents --owner team-platform \
        --profile operator --in shop --kubeconfig-out bot.kubeconfig
    """
    from peergate.cli.enlisting import Enlistment, enlist  # noqa: PLC0415 - help starts without it

    enlist(
        Output(globals_of(context)),
        enlistment=Enlistment(
            name=name,
            owner=owner,
            profile=profile,
            places=places,
            everywhere=everywhere,
            ttl=ttl,
            file=file,
        ),
    )
