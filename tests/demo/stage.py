"""What the demo is played on: runs real commands, shows them with their output, checks what came of them."""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

__all__ = ["Actor", "Outcome", "Stage"]

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended."""

    status: int
    output: str
    """Both streams, as a terminal shows them."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who types commands, with an own kubeconfig."""

    name: str
    environment: Mapping[str, str]
    folder: Path


class Stage:
    """Shows the story and keeps count of what was as it should be."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, soft_wrap=True)
        self._checks: list[tuple[str, bool]] = []

    def act(self, title: str) -> None:
        """Begin a scene."""
        self.console.print()
        self.console.print(Rule(title, align="left", style="bold"))

    def tell(self, text: str) -> None:
        """Say what goes on."""
        self.console.print(Text(text, style="italic"))

    def run(self, actor: Actor, *command: str) -> Outcome:
        """Run a command as the actor and show both."""
        self._announce(actor, shlex.join(command))
        return self._execute(actor, command)

    def shell(self, actor: Actor, line: str) -> Outcome:
        """Run a line of the shell as the actor and show both."""
        self._announce(actor, line)
        return self._execute(actor, ("sh", "-c", line))

    def _execute(self, actor: Actor, command: Sequence[str]) -> Outcome:
        done = subprocess.run(
            command,
            env=dict(actor.environment),
            cwd=actor.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=_PATIENCE_SECONDS,
        )
        self._show(done.stdout)
        return Outcome(status=done.returncode, output=done.stdout)

    def type(self, actor: Actor, *command: str, answers: Sequence[tuple[str, str]]) -> Outcome:
        """Run a command at a terminal; type each answer when its prompt stands there."""
        self._announce(actor, shlex.join(command))
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(actor.folder)
            os.execvpe(command[0], list(command), {**actor.environment, "TERM": "dumb", "COLUMNS": "80"})  # noqa: S606
        output, waiting = "", list(answers)
        seen = 0
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if select.select([terminal], [], [], 0.2)[0]:
                try:
                    chunk = os.read(terminal, 65536)
                except OSError:
                    break
                if not chunk:
                    break
                output += chunk.decode("utf-8", errors="replace")
            if waiting and waiting[0][0] in output[seen:]:
                seen = len(output)
                os.write(terminal, f"{waiting.pop(0)[1]}\n".encode())
        _, status = os.waitpid(child, 0)
        os.close(terminal)
        shown = _ESCAPES.sub("", output)
        self._show(shown)
        return Outcome(status=os.waitstatus_to_exitcode(status), output=shown)

    def check(self, claim: str, holds: bool) -> None:
        """Say whether it is as the story claims."""
        self._checks.append((claim, holds))
        mark, style = ("ok", "green") if holds else ("NOT SO", "bold red")
        self.console.print(Text(f"  {mark}: {claim}", style=style))

    def finish(self) -> int:
        """Sum up; return the exit code: 0 only if everything was as claimed."""
        self.act("Summary")
        for claim, holds in self._checks:
            self.console.print(
                Text(f"  {'ok    ' if holds else 'NOT SO'}  {claim}", style="" if holds else "bold red")
            )
        failed = sum(not holds for _, holds in self._checks)
        self.console.print()
        self.console.print(
            Text(
                f"{len(self._checks) - failed} of {len(self._checks)} claims hold.",
                style="bold green" if not failed else "bold red",
            ),
        )
        return 1 if failed or not self._checks else 0

    def _announce(self, actor: Actor, command: str) -> None:
        self.console.print()
        line = Text(f"{actor.name}$ ", style="bold cyan")
        line.append(command, style="bold")
        self.console.print(line)

    def _show(self, output: str) -> None:
        for line in output.rstrip("\n").split("\n"):
            self.console.print(Text(f"  {line}"))
