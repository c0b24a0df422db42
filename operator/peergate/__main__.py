"""The program's entry: the command line, and ``run``, which starts the operator."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

import click

from peergate.cli import Entry, LazyGroup, application, run_program

__all__ = ["complete", "main", "run"]


@click.command
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The operator's settings (YAML); default: all defaults.",
)
def run(*, config: Path | None) -> int:
    """Run the operator: the admission webhook and its controllers.

    It ends with exit code 0 on SIGTERM and 1 when it cannot start.
    """
    from peergate.settings import load_settings  # noqa: PLC0415 - only the operator reads settings
    from peergate.wiring import run as run_operator  # noqa: PLC0415 - the command line starts without it

    return run_operator(load_settings(config))


def main() -> NoReturn:
    """Run the program and end the process with its exit code."""
    root = _root()
    name = sys.argv[0]
    if "_PEERGATE_COMPLETE" in os.environ:
        root.main(prog_name="peergate", complete_var="_PEERGATE_COMPLETE")
    sys.exit(run_program(root, arguments=sys.argv[1:], name=name))


def complete() -> NoReturn:
    """Answer kubectl, which asks ``kubectl_complete-peergate`` what may follow, and end the process."""
    from peergate.cli.plugin_completion import answer  # noqa: PLC0415 - the command itself starts without it

    sys.stdout.write(answer(_root(), arguments=sys.argv[1:]))
    sys.exit(0)


def _root() -> LazyGroup:
    return application(extra={"run": Entry("peergate.__main__:run", "Run the operator.")})


if __name__ == "__main__":
    main()
