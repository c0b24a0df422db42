"""``peergate approver``: register who may approve."""

from __future__ import annotations

import click

from peergate.cli.flags import cluster_flags, file_option, globals_of, output_flag
from peergate.cli.lazy import Command
from peergate.cli.output import Output

__all__ = ["approver"]


@click.group
@cluster_flags
def approver() -> None:
    """Register approvers and their public keys."""


@approver.command(cls=Command)
@click.argument("name")
@click.option("--identity", required=True, metavar="TEXT", help="What a signed statement names; unique.")
@click.option("--owner", default="", metavar="TEXT", help="Who answers for this approver: a team, a person.")
@click.option(
    "--class", "class_", type=click.Choice(["human", "agent"]), default="human", help="Default: human."
)
@file_option(
    "--key",
    "keys",
    multiple=True,
    metavar="FILE.pub",
    help="Public key, SSH or PEM; repeat.",
)
@file_option(
    "--allowed-signers",
    help="Take the keys of --identity from ssh's file.",
)
@click.option("--username", "usernames", multiple=True, metavar="USER", help="Kubernetes user name; repeat.")
@click.option(
    "--group", "groups", multiple=True, metavar="GROUP", help="Group that rules can ask for; repeat."
)
@click.option("--rsa", type=click.Choice(["pkcs1", "pss"]), default="pkcs1", help="How an RSA PEM key signs.")
@click.option("--dry-run", type=click.Choice(["none", "client"]), default="none", help="client: print only.")
@output_flag("name", "json", "yaml", default="name")
@cluster_flags
@click.pass_context
def create(  # noqa: PLR0917 - click passes every option by name
    context: click.Context,
    name: str,
    identity: str,
    owner: str,
    class_: str,
    keys: tuple[str, ...],
    allowed_signers: str | None,
    usernames: tuple[str, ...],
    groups: tuple[str, ...],
    rsa: str,
    dry_run: str,
    output: str,
) -> None:
    r"""Register an approver with public keys.

    The keys are checked here as the gate checks them. Private keys are never read.

    \b
    peergate approver create alice --identity alice@example.com \
        --owner team-payments --key ~/.ssh/id_ed25519.pub
    """
    from peergate.cli.registering import Registration, register  # noqa: PLC0415 - help starts without it

    register(
        Output(globals_of(context)),
        registration=Registration(
            name=name,
            identity=identity,
            owner=owner,
            class_=class_,
            keys=keys,
            allowed_signers=allowed_signers,
            usernames=usernames,
            groups=groups,
            rsa=rsa,
        ),
        dry_run=dry_run == "client",
        output=output,
    )
