"""``peergate attach``: put an approval on the object it is about."""

from __future__ import annotations

import click

from peergate.cli.flags import cluster_flags, file_option, globals_of
from peergate.cli.lazy import Command
from peergate.cli.output import Output
from peergate.cli.suggest import suggest_requests

__all__ = ["attach"]


@click.command(cls=Command)
@click.argument("words", nargs=-1, required=True, metavar="[CR] TYPE/NAME", shell_complete=suggest_requests)
@file_option(
    "-f",
    "--filename",
    "file",
    help="The envelope; default: stdin.",
)
@click.option("--slot", metavar="NAME", help="Slot; default: from the approver's name.")
@cluster_flags
@click.pass_context
def attach(context: click.Context, *, words: tuple[str, ...], file: str | None, slot: str | None) -> None:
    r"""Put an approval on the object it is about.

    Sets one annotation, approval.peergate.dev/v1.<slot>, and nothing else; that needs no approval. The change
    itself is made by whoever asked for it, with the identical request. With CR, the approvals on that
    ChangeRequest are put on its object; that is needed only where the gate does not see the ChangeRequest.

    \b
    peergate -n shop attach -f approval.json statefulset/db
    peergate -n shop attach cr-hbzkqvmtwxcdfgjnprst
    """
    from peergate.cli.attaching import attach_file  # noqa: PLC0415 - help and completion start without it
    from peergate.cli.requests import is_request_word  # noqa: PLC0415 - as above
    from peergate.cli.transferring import attach_filed  # noqa: PLC0415 - as above

    out = Output(globals_of(context))
    if not is_request_word(words[0]):
        attach_file(out, words=words, file=file or "-", slot=slot)
    elif file is None and slot is None:
        attach_filed(out, word=words[0], words=words[1:])
    else:
        raise click.UsageError("approvals come from CR or from -f FILE; leave out one of them")
