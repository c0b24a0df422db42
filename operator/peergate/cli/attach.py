"""``peergate attach``: put an approval on the object it is about."""

from __future__ import annotations

import click

from peergate.cli.flags import cluster_flags, globals_of
from peergate.cli.lazy import Command
from peergate.cli.output import Output

__all__ = ["attach"]


@click.command(cls=Command)
@click.argument("words", nargs=-1, required=True, metavar="TYPE/NAME")
@click.option("-f", "--filename", "file", default="-", metavar="FILE", help="The envelope; default: stdin.")
@click.option("--slot", metavar="NAME", help="Slot; default: from the approver's name.")
@cluster_flags
@click.pass_context
def attach(context: click.Context, *, words: tuple[str, ...], file: str, slot: str | None) -> None:
    r"""Put an approval on the object it is about.

    Sets one annotation, approval.peergate.dev/v1.<slot>, and nothing else; that needs no approval. The change
    itself is made by whoever asked for it, with the identical request.

    \b
    peergate -n shop attach -f approval.json statefulset/db
    """
    from peergate.cli.attaching import attach_file  # noqa: PLC0415 - help and completion start without it

    attach_file(Output(globals_of(context)), words=words, file=file, slot=slot)
