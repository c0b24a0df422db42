"""A click group that imports a command only when it is called or its own help is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click
from click.shell_completion import CompletionItem

__all__ = ["Command", "Entry", "LazyGroup"]


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a command lives, and the line that stands for it in the list of commands."""

    target: str
    """``module:attribute``."""
    help: str
    hidden: bool = False
    """Not for people: it works, and no list names it."""


class Command(click.Command):
    r"""A command whose help is its raw docstring: there ``\b`` on a line of its own keeps the lines below it.

    click wants the backspace character itself, which a raw docstring, with its shell lines, can't hold.
    """

    def __init__(self, name: str | None, **settings: Any) -> None:
        settings["help"] = (settings.get("help") or "").replace("\\b\n", "\b\n")
        super().__init__(name, **settings)


class LazyGroup(click.Group):
    """A group whose list of commands costs no import.

    Source: experience.md §4 (Speed).
    """

    def __init__(self, *args: Any, entries: Mapping[str, Entry] | None = None, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.entries: dict[str, Entry] = dict(entries or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names that people are shown, in the order of registration."""
        return [*self._shown, *super().list_commands(ctx)]

    @property
    def _shown(self) -> dict[str, Entry]:
        return {name: entry for name, entry in self.entries.items() if not entry.hidden}

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command, importing its module; ``None`` for an unknown name."""
        entry = self.entries.get(cmd_name)
        if entry is None:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = entry.target.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{entry.target} is no command")
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return what may follow: the registered commands, without importing any, then the options."""
        if not self.entries:
            return super().shell_complete(ctx, incomplete)
        named = [
            CompletionItem(name, help=entry.help)
            for name, entry in self._shown.items()
            if name.startswith(incomplete)
        ]
        return [*named, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the registered lines."""
        rows = [(name, entry.help) for name, entry in self._shown.items()]
        for name in super().list_commands(ctx):
            command = super().get_command(ctx, name)
            if command is not None:
                rows.append((name, command.get_short_help_str(limit=60)))
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def resolve_command(
        self,
        ctx: click.Context,
        args: list[str],
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command to run; an unknown name is a usage error that names what exists."""
        names = {*self.entries, *self.list_commands(ctx)}
        if args and args[0] not in names and not args[0].startswith("-"):
            known = ", ".join(self.list_commands(ctx))
            ctx.fail(f"no such command {args[0]!r}; the commands are {known}")
        return super().resolve_command(ctx, args)
