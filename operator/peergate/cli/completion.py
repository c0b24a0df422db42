"""``peergate completion``: the script a shell sources."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from peergate.cli.flags import cluster_flags, globals_of
from peergate.cli.lazy import Command
from peergate.cli.output import Output

__all__ = ["completion"]

_LOAD = {
    "bash": 'eval "$(peergate completion bash)"   # in ~/.bashrc',
    "zsh": 'eval "$(peergate completion zsh)"    # in ~/.zshrc',
    "fish": "peergate completion fish | source     # in ~/.config/fish/config.fish",
}


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(sorted(_LOAD)))
@cluster_flags
@click.pass_context
def completion(context: click.Context, *, shell: str) -> None:
    r"""Print shell completion for bash, zsh or fish.

    \b
    bash:  eval "$(peergate completion bash)"
    zsh:   eval "$(peergate completion zsh)"
    fish:  peergate completion fish | source
    """
    script = get_completion_class(shell)
    if script is None:
        raise RuntimeError(f"click knows no {shell}")
    root = context.find_root().command
    out = Output(globals_of(context))
    # The source alone is wanted; click's own bash class would first run bash to learn its version.
    source = script(root, {}, "peergate", "_PEERGATE_COMPLETE")
    out.data(source.source_template % source.source_vars())
    out.trace(f"load it with: {_LOAD[shell]}")
