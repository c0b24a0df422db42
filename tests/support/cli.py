"""Run the command line as a person would: as a process, with or without a terminal."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

__all__ = ["Done", "Terminal", "command", "environment", "run"]

_OPERATOR = Path(__file__).resolve().parents[2] / "operator"
_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Done:
    """What one call gave."""

    status: int
    out: str
    err: str

    def json(self) -> Any:
        """Return standard output as JSON."""
        return json.loads(self.out)


def environment(kubeconfig: Path | None, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a call: nothing of the real home is read."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": str(_OPERATOR),
        "HOME": "/nonexistent",
        "KUBECONFIG": str(kubeconfig or "/nonexistent/kubeconfig"),
        "TZ": "UTC",
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "80",
        **(extra or {}),
    }


def command(*arguments: str) -> list[str]:
    """Return the command line of a call."""
    return [sys.executable, "-m", "peergate", *arguments]


def run(
    *arguments: str,
    kubeconfig: Path | None = None,
    input: str | bytes = b"",  # noqa: A002 - as subprocess calls it
    extra: Mapping[str, str] | None = None,
    name: str = "",
) -> Done:
    """Return what the command gave, without a terminal; ``name`` is how it was called."""
    content = input.encode() if isinstance(input, str) else input
    words = command(*arguments)
    if name:
        code = f"import sys; sys.argv[0] = {name!r}; from peergate.__main__ import main; main()"
        words = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(
        words,
        input=content,
        capture_output=True,
        env=environment(kubeconfig, extra),
        timeout=_SECONDS,
        check=False,
    )
    out = done.stdout.decode("utf-8", "surrogateescape")
    return Done(status=done.returncode, out=out, err=done.stderr.decode())


_PATIENCE_SECONDS = 3.0
"""Before a key is pressed again that seems to do nothing."""


class Terminal:
    """A call at a terminal (stdin and stderr), with stdout in a file as with ``> approval.json``.

    With ``data`` stdout is the terminal too.
    """

    def __init__(
        self,
        *arguments: str,
        kubeconfig: Path,
        extra: Mapping[str, str] | None = None,
        data: bool = False,
    ) -> None:
        self._data = data
        self._arguments = arguments
        self._environment = environment(kubeconfig, {"TERM": "xterm", **(extra or {})})
        self._screen = b""

    def __enter__(self) -> Self:
        self._master, slave = pty.openpty()
        self._process = subprocess.Popen(
            command(*self._arguments),
            stdin=slave,
            stdout=slave if self._data else subprocess.PIPE,
            stderr=slave,
            env=self._environment,
            start_new_session=True,
        )
        os.close(slave)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()
        os.close(self._master)

    @property
    def screen(self) -> str:
        """Return what was shown so far."""
        return self._screen.decode("utf-8", "replace").replace("\r\n", "\n")

    def expect(self, text: str, *, within: float = 30.0) -> None:
        """Wait until the terminal shows the text."""
        deadline = time.monotonic() + within
        while text not in self.screen:
            if not self._more(deadline - time.monotonic()):
                raise AssertionError(f"the terminal never showed {text!r}; it shows:\n{self.screen}")

    def type(self, text: str) -> None:
        """Type a line."""
        os.write(self._master, f"{text}\n".encode())

    def interrupt(self, *, within: float = 30.0) -> None:
        """Press Ctrl-C until it is heeded, as people do.

        One that comes between the prompt and the read that follows it is noticed by Python only when that
        read ends: no program can tell, and nobody types so fast.
        """
        deadline = time.monotonic() + within
        again = float("-inf")
        while self._process.poll() is None and (now := time.monotonic()) < deadline:
            if now > again:
                self._process.send_signal(signal.SIGINT)
                again = now + _PATIENCE_SECONDS
            self._more(0.1)

    def end(self, *, within: float = 30.0) -> Done:
        """Wait for the end and return what it gave; ``err`` is the whole screen."""
        deadline = time.monotonic() + within
        while self._more(deadline - time.monotonic()):
            pass
        out, _ = self._process.communicate(timeout=max(0.1, deadline - time.monotonic()))
        return Done(status=self._process.returncode, out=(out or b"").decode(), err=self.screen)

    def _more(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], max(0.0, seconds))
        if not ready:
            return False
        try:
            part = os.read(self._master, 65536)
        except OSError:  # the other side was closed: Linux says EIO
            return False
        self._screen += part
        return bool(part)
