"""Run the commands of a page of the documentation, as a reader would who copies them.

A block of commands is fenced as ``sh`` and stands below a line ``<!-- run: NAME -->``, which no reader sees.
Each of its commands is one line, or several that end in backslashes.
"""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.documents import DOCS, ROOT

__all__ = [
    "Page",
    "blocks_of",
    "commands_of",
    "fences_of",
    "quoted",
    "search_path",
    "stand_in",
    "workplace",
]

_BLOCK = re.compile(
    r"^(?P<indent> *)<!-- run: (?P<name>[a-z-]+) -->\n(?P=indent)```sh\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_FENCE = re.compile(r"^ *```sh$", re.MULTILINE)
_MARK = "\x1e"
_SECONDS = 240.0
_SILENCE_SECONDS = 60.0
_NOT_LINKED = frozenset({".git", ".dev", "build", "dist"})


def blocks_of(page: str) -> dict[str, str]:
    """Return the text of each named block of a page, in the page's order."""
    found = list(_BLOCK.finditer((DOCS / page).read_text(encoding="utf-8")))
    blocks = {match["name"]: match["text"] for match in found}
    assert len(blocks) == len(found), f"{page} names two blocks alike"
    return blocks


def fences_of(page: str) -> int:
    """Return how many blocks of commands a page has, named or not."""
    return len(_FENCE.findall((DOCS / page).read_text(encoding="utf-8")))


def commands_of(text: str) -> list[str]:
    """Return the commands of a block, without comments on lines of their own."""
    lines = (line.strip() for line in text.replace("\\\n", " ").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def workplace(folder: Path) -> Path:
    """Make the top of a repository in which files can be left behind; return the folder."""
    folder.mkdir()
    for entry in ROOT.iterdir():
        if entry.name not in _NOT_LINKED:
            (folder / entry.name).symlink_to(entry)
    return folder


class Page:
    """One page and what has been run of it."""

    def __init__(
        self, page: str, *, folder: Path, environment: Mapping[str, str], prelude: str = "", over: str = ""
    ) -> None:
        """``prelude`` names the block that sets variables; ``over`` are commands that come after it.

        Aliases that the page defines hold in all of its blocks, as they do for a reader.
        """
        self._page = page
        self._blocks = blocks_of(page)
        self._folder = folder
        self._environment = environment
        aliases = [
            command
            for text in self._blocks.values()
            for command in commands_of(text)
            if command.startswith("alias ")
        ]
        before = [*commands_of(self._blocks.get(prelude, "")), *commands_of(over), *aliases]
        self._before = ["shopt -s expand_aliases", *before]
        self._left = set(self._blocks)

    def run(
        self,
        block: str,
        *,
        status: Mapping[int, int] | None = None,
        answers: Mapping[str, str] | None = None,
    ) -> list[str]:
        """Run a block; return what each command printed.

        ``status`` says which command ends with something else than 0. With ``answers`` there is a terminal,
        and what is asked is answered, once each and in that order.
        """
        self._left.discard(block)
        commands = commands_of(self._blocks[block])
        assert commands, f"{self._page}: block {block} is empty"
        script = "\n".join([*self._before, *(f"{one}\nprintf '{_MARK}%s{_MARK}' \"$?\"" for one in commands)])
        said = self._at_a_terminal(script, answers) if answers else self._silently(script)
        parts = said.split(_MARK)
        printed, ended = parts[:-1:2], [int(part) for part in parts[1::2]]
        wanted = [(status or {}).get(number, 0) for number in range(len(commands))]
        assert ended == wanted, f"{self._page}, {block}: {list(zip(commands, ended, strict=False))}\n{said}"
        return printed

    def _silently(self, script: str) -> str:
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self._folder,
            env=dict(self._environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        return done.stdout

    def _at_a_terminal(self, script: str, answers: Mapping[str, str]) -> str:
        master, slave = pty.openpty()
        process = subprocess.Popen(
            ["bash", "-c", script],
            cwd=self._folder,
            env={**self._environment, "TERM": "dumb", "COLUMNS": "80"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        shown, asked = "", iter(answers.items())
        question = next(asked, None)
        try:
            while part := _more(master):
                shown += part
                if question is not None and question[0] in shown.rpartition(_MARK)[2]:
                    os.write(master, f"{question[1]}\n".encode())
                    question = next(asked, None)
        finally:
            process.kill()
            process.wait()
            os.close(master)
        assert question is None, f"never asked {question}:\n{shown}"
        return shown.replace("\r\n", "\n")

    def finish(self, *not_run: str) -> None:
        """Fail where a block was left out that is not listed, or where the list is too long."""
        assert self._left == set(not_run), f"{self._page}: not run, or not as listed"


def _more(terminal: int) -> str:
    """Return what is shown next; empty at the end, or after a long silence."""
    ready, _, _ = select.select([terminal], [], [], _SILENCE_SECONDS)
    if not ready:
        return ""
    try:
        return os.read(terminal, 65536).decode("utf-8", "replace")
    except OSError:  # the other side was closed: Linux says EIO
        return ""


def stand_in(folder: Path, name: str, script: str) -> None:
    """Write a program that is found before the real one."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/bash\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def search_path(*folders: Path) -> str:
    """Return a PATH in which these come first."""
    return os.pathsep.join([*map(str, folders), os.environ.get("PATH", os.defpath)])


def quoted(path: Path | str) -> str:
    """Return it as a shell takes it for one word."""
    return shlex.quote(str(path))
