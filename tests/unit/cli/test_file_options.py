"""An option that takes a file is completed with files by every shell."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from peergate.cli.app import application


def options(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Option]]:
    context = click.Context(command, info_name=command.name)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from options(below, (*words, name))
    for one in command.params:
        if isinstance(one, click.Option) and {"FILE", "PATH"} & set(
            (one.metavar or "").replace("|", ".").split(".")
        ):
            yield f"{' '.join(words)} {one.opts[0]}", one


FILES = dict(options(application()))


def test_there_are_some():
    assert {"approve -f", "approve --key", "show -f", "attach -f", "request -f"} <= FILES.keys()


@pytest.mark.parametrize("option", FILES.values(), ids=FILES.keys())
def test_files_are_offered(option):
    context = click.Context(click.Command("any"))
    assert [one.type for one in option.shell_complete(context, "some")] == ["file"]
