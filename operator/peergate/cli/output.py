"""Where text goes and how it looks: data on stdout, everything else on stderr (experience.md §4)."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from typing import Any, Final, Literal, TextIO

import click

from peergate.cli.flags import Globals

__all__ = ["API_VERSION", "Output"]

API_VERSION: Final = "cli.peergate.dev/v1"
"""``apiVersion`` of the documents that ``-o json`` prints."""


class Output:
    """The two streams, and whether colour is on."""

    def __init__(self, flags: Globals) -> None:
        self._flags = flags
        self.color = _wants_color(flags.color, stream=sys.stderr)

    @property
    def flags(self) -> Globals:
        """Return the flags, for hints."""
        return self._flags

    def data(self, text: str) -> None:
        """Write data to stdout, with one line end."""
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
        sys.stdout.flush()

    def raw(self, content: bytes) -> None:
        """Write bytes to stdout as they are."""
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()

    def document(self, kind: str, members: dict[str, Any], *, form: Literal["json", "yaml"] = "json") -> None:
        """Write one document with ``apiVersion`` and ``kind``, keys in the order given."""
        document = {"apiVersion": API_VERSION, "kind": kind, **members}
        if form == "json":
            self.data(json.dumps(document, indent=2, ensure_ascii=True))
            return
        import yaml  # noqa: PLC0415 - only this form needs it

        self.data(yaml.safe_dump(document, sort_keys=False, allow_unicode=False))

    def table(self, lines: Iterable[str]) -> None:
        """Write lines for people to stdout; set apart only where stdout is a terminal, too."""
        color = self.color and (self._flags.color == "always" or sys.stdout.isatty())
        click.echo("\n".join(lines), color=color)

    def say(self, text: str = "") -> None:
        """Write one message to stderr."""
        click.echo(text, err=True, color=self.color)

    def lines(self, lines: Iterable[str]) -> None:
        """Write several lines to stderr."""
        for line in lines:
            self.say(line)

    def hint(self, label: str, command: str) -> None:
        """Write the next step: a label and one command."""
        self.say(f"{label} {command}")

    def trace(self, text: str, *, level: int = 1) -> None:
        """Write detail that ``-v`` asked for."""
        if self._flags.verbosity >= level:
            self.say(text)

    def strong(self, text: str) -> str:
        """Return the text set apart; colour never carries a meaning of its own."""
        return click.style(text, bold=True)

    def alarm(self, text: str) -> str:
        """Return the text as a danger."""
        return click.style(text, bold=True, fg="red")

    def good(self, text: str) -> str:
        """Return the text as good news."""
        return click.style(text, fg="green")


def _wants_color(choice: str, *, stream: TextIO) -> bool:
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()
