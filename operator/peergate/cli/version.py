"""``peergate version``: what is installed."""

from __future__ import annotations

import click

from peergate import __version__
from peergate.cli.flags import cluster_flags, globals_of, output_flag
from peergate.cli.output import Output

__all__ = ["version"]


@click.command
@output_flag("text", "json", default="text")
@cluster_flags
@click.pass_context
def version(context: click.Context, *, output: str) -> None:
    """Print the version of this program."""
    out = Output(globals_of(context))
    if output == "json":
        out.document("Version", {"version": __version__})
    else:
        out.data(f"peergate {__version__}")
