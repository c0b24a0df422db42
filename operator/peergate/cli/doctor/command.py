"""``peergate doctor``: look for ways round the gate; read-only."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from peergate.cli.flags import DurationType, cluster_flags, globals_of, output_flag
from peergate.cli.lazy import Command
from peergate.cli.output import Output

__all__ = ["doctor"]


@click.command(cls=Command)
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="The operator's settings; default: as the cluster has them.",
)
@click.option("--fix", is_flag=True, help="Print manifests that mend; apply nothing.")
@click.option("--every", is_flag=True, help="Take no two agents or namespaces for alike.")
@click.option("--no-canary", is_flag=True, help="Send no dry-run deletion as the agents.")
@click.option(
    "--max-reviews",
    type=click.IntRange(min=1),
    default=20_000,
    metavar="N",
    help="Access reviews at most; default 20000.",
)
@click.option(
    "--deadline",
    type=DurationType(),
    default=timedelta(minutes=2),
    metavar="DURATION",
    help="For the access reviews; default 2m.",
)
@output_flag("json", "yaml")
@cluster_flags
@click.pass_context
def doctor(  # noqa: PLR0917 - click passes every option by name
    context: click.Context,
    config: Path | None,
    fix: bool,  # noqa: FBT001 - as above
    every: bool,  # noqa: FBT001 - as above
    no_canary: bool,  # noqa: FBT001 - as above
    max_reviews: int,
    deadline: timedelta,
    output: str | None,
) -> int:
    r"""Find ways round the gate: rights of agents, and faults of the installation.

    Read-only, for administrators. --as and --as-group name one more identity to look at; they do not
    impersonate here. With -n only that namespace is looked at closely. Exit code 3: something fails.

    \b
    peergate doctor
    peergate doctor --as system:serviceaccount:ops:sre-bot
    peergate doctor --fix > fix.yaml; kubectl diff -f fix.yaml
    """
    if fix and output:
        raise click.UsageError("--fix prints manifests; leave out -o")
    from peergate.cli.doctor.examination import Examination, examine  # noqa: PLC0415 - help starts without it

    return examine(
        Output(globals_of(context)),
        examination=Examination(
            config=config,
            fix=fix,
            every=every,
            canary=not no_canary,
            max_reviews=max_reviews,
            seconds=deadline.total_seconds(),
            output=output,
        ),
    )
