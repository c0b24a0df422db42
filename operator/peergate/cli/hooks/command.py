"""``peergate hook``: hidden from people, run by the chart's hooks (experience.md §3.4)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from peergate.cli.flags import DurationType, cluster_flags, globals_of
from peergate.cli.lazy import Command
from peergate.cli.output import Output

__all__ = ["hook"]


@click.group
@cluster_flags
def hook() -> None:
    """What the chart's hooks run."""


@hook.command("remove-gate", cls=Command)
@click.option("--configuration", required=True, metavar="NAME", help="The webhook configuration.")
@click.option("--binding", "bindings", multiple=True, metavar="NAME", help="A companion's binding; repeat.")
@click.option(
    "--within", type=DurationType(), default=timedelta(minutes=1), metavar="DURATION", help="Default 1m."
)
@cluster_flags
@click.pass_context
def remove_gate(
    context: click.Context, configuration: str, bindings: tuple[str, ...], within: timedelta
) -> int:
    """Remove the webhook configuration, so that nothing of an uninstallation waits for the gate.

    What is gone already is a success. A companion policy that stands in the way is unbound first.
    """
    from peergate.cli.hooks.removal import Removal  # noqa: PLC0415 - help starts without it

    return Removal(
        Output(globals_of(context)),
        configuration=configuration,
        bindings=bindings,
        seconds=within.total_seconds(),
    ).run()


@hook.command("self-test", cls=Command)
@click.option(
    "--config",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="The operator's settings.",
)
@click.option(
    "--target", required=True, metavar="NAME", help="Account that is not deleted, in each namespace."
)
@click.option("--open", "open_", required=True, metavar="NAME", help="Namespace of canary and bystander.")
@click.option(
    "--failure-policy",
    type=click.Choice(["Fail", "Ignore"]),
    default="Fail",
    help="Of the entries that judge agents, as installed.",
)
@click.option("--held", required=True, metavar="NAME", help="A protected namespace.")
@click.option(
    "--within", type=DurationType(), default=timedelta(minutes=2), metavar="DURATION", help="Default 2m."
)
@click.option(
    "--settle",
    type=DurationType(),
    default=timedelta(seconds=15),
    metavar="DURATION",
    help="How long it must go on holding: longer than replicas drain. Default 15s.",
)
@cluster_flags
@click.pass_context
def self_test(  # noqa: PLR0917 - click passes every option by name
    context: click.Context,
    config: Path,
    target: str,
    open_: str,
    held: str,
    failure_policy: str,
    within: timedelta,
    settle: timedelta,
) -> int:
    """Prove that the gate guards: a tagged account must be refused, an untagged one not even sent.

    Every entry that judges agents is tried by dry-run deletions. Exit code 3: one of them does not hold.
    """
    from peergate.cli.hooks.selftest import SelfTest, Stage  # noqa: PLC0415 - help starts without it
    from peergate.settings import load_settings  # noqa: PLC0415 - as above

    return SelfTest(
        Output(globals_of(context)),
        settings=load_settings(config),
        stage=Stage(target=target, open=open_, held=held),
        failure_policy=failure_policy,
        seconds=within.total_seconds(),
        settle_seconds=settle.total_seconds(),
    ).run()
