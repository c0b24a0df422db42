"""``peergate verify``: check an approval that somebody hands over."""

from __future__ import annotations

import click

from peergate.cli.flags import cluster_flags, globals_of, output_flag
from peergate.cli.output import Output

__all__ = ["verify"]


@click.command
@click.argument("file", metavar="FILE|-")
@click.option("-f", "--filename", "manifest", metavar="MANIFEST", help="For a replacement: what it becomes.")
@click.option("--offline", is_flag=True, help="Ask no cluster: check form and time only.")
@output_flag("text", "json", default="text")
@cluster_flags
@click.pass_context
def verify(
    context: click.Context,
    *,
    file: str,
    manifest: str | None,
    offline: bool,
    output: str,
) -> int:
    """Check an approval: form, signature, object, time.

    Exit code 0: it holds now. 3: it does not count. 5: it has expired, or the object is another one by now.
    """
    from peergate.cli.verifying import verify_file  # noqa: PLC0415 - help and completion start without it

    return verify_file(
        Output(globals_of(context)),
        file=file,
        manifest=manifest,
        offline=offline,
        as_json=output == "json",
    )
