"""``peergate approve``: review one exact change and sign it."""

from __future__ import annotations

from datetime import timedelta

import click

from peergate.cli.flags import DurationType, cluster_flags, file_option, globals_of, output_flag
from peergate.cli.lazy import Command
from peergate.cli.output import Output
from peergate.cli.suggest import suggest_requests

__all__ = ["approve"]


@click.command(cls=Command)
@click.argument(
    "words",
    nargs=-1,
    required=True,
    metavar="(CR... | delete TYPE/NAME | evict POD | replace -f FILE)",
    shell_complete=suggest_requests,
)
@file_option(
    "-f",
    "--filename",
    "file",
    help="The manifest, one object: for replace, or where a CR holds no whole patch.",
)
@file_option(
    "--key",
    metavar="PATH|agent",
    help="Private key file, public key of an ssh-agent key, or agent.",
)
@click.option("--requester", metavar="NAMESPACE/NAME", help="The agent's account, or a user name.")
@click.option("--requester-uid", default="", metavar="UID", help="For a requester that is no ServiceAccount.")
@click.option("--reason", metavar="TEXT", help="Why; becomes part of what is signed.")
@click.option("--ttl", type=DurationType(), metavar="DURATION", help="Lifetime; default 15m.")
@click.option(
    "--cascade",
    type=click.Choice(["background", "foreground", "orphan", "none"]),
    help="What becomes of what it owns; none: not said. Default: background, of an eviction none.",
)
@click.option("--grace-period", type=click.IntRange(0, 2**31 - 1), metavar="SECONDS", help="For Pods.")
@click.option("--force", is_flag=True, help="For Pods: killed at once (grace 0).")
@click.option("--approver", metavar="IDENTITY", help="Sign as; default: whose key it is.")
@click.option("--slot", metavar="NAME", help="Slot of the annotation; default: from the approver's name.")
@click.option("--yes", is_flag=True, help="Don't ask; delete and replace then need --expect.")
@click.option("--expect", metavar="cr-...", help="Sign only if the change has this id.")
@click.option("--dry-run", is_flag=True, help="Show what would be signed, and stop.")
@click.option("--attach", is_flag=True, help="Put the approval on the object at once.")
@file_option(
    "--out",
    help="Write the approval to a file instead of stdout.",
)
@click.option("--print-payload", is_flag=True, help="Print the bytes an external signer signs.")
@file_option(
    "--payload-out",
    help="With --print-payload: keep the payload here.",
)
@file_option(
    "--payload",
    help="Finish with --signature: the payload that was kept.",
)
@file_option(
    "--signature",
    help="Finish: the signature from the external signer.",
)
@output_flag("envelope", "json", "name")
@cluster_flags
@click.pass_context
def approve(  # noqa: PLR0917 - click passes every option by name
    context: click.Context,
    words: tuple[str, ...],
    file: str | None,
    key: str | None,
    requester: str | None,
    requester_uid: str,
    reason: str | None,
    ttl: timedelta | None,
    cascade: str | None,
    grace_period: int | None,
    force: bool,  # noqa: FBT001 - as above
    approver: str | None,
    slot: str | None,
    yes: bool,  # noqa: FBT001 - as above
    expect: str | None,
    dry_run: bool,  # noqa: FBT001 - as above
    attach: bool,  # noqa: FBT001 - as above
    out: str | None,
    print_payload: bool,  # noqa: FBT001 - as above
    payload_out: str | None,
    payload: str | None,
    signature: str | None,
    output: str | None,
) -> None:
    r"""Review one exact change and sign it.

    Fetches the live object with your own credentials, recomputes what will be signed, shows what happens
    and whether it can be undone, and asks. A ChangeRequest gets the approval as an annotation; it must
    agree with what is there, or nothing is signed (exit code 6). Several are approved together if they are
    the same reversible or disruptive change to things of one kind.

    \b
    peergate approve cr-hbzkqvmtwxcdfgjnprst --key ~/.ssh/id_ed25519

    Without a ChangeRequest the approval is printed, and nothing in the cluster changes (with --attach: one
    annotation).

    \b
    peergate -n shop approve delete statefulset/db --requester agents/bot \
        --key ~/.ssh/id_ed25519 > approval.json
    peergate -n shop attach -f approval.json statefulset/db

    An eviction (kubectl drain) takes an approval of its own:

    \b
    peergate -n shop approve evict db-0 --requester agents/bot \
        --key ~/.ssh/id_ed25519 --attach

    A key service signs in two steps:

    \b
    peergate approve ... --approver alice@example.com --print-payload \
        --payload-out payload.json > pae.bin
    (sign pae.bin)
    peergate approve ... --payload payload.json --signature sig > approval.json
    """
    from peergate.cli.approving import run_approve  # noqa: PLC0415 - help starts without it
    from peergate.cli.request import Request, usual_cascade  # noqa: PLC0415 - as above

    run_approve(
        Output(globals_of(context)),
        request=Request(
            words=words,
            file=file,
            key=key,
            requester=requester,
            requester_uid=requester_uid,
            reason=reason,
            ttl=ttl,
            cascade=cascade or usual_cascade(words),
            grace_period=0 if force and grace_period is None else grace_period,
            approver=approver,
            slot=slot,
            yes=yes,
            expect=expect,
            dry_run=dry_run,
            attach=attach,
            out=out,
            print_payload=print_payload,
            payload_out=payload_out,
            payload=payload,
            signature=signature,
            output=output,
        ),
    )
