"""Child processes and folders that end with their owner (see ``keeper.py`` for how)."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

__all__ = ["Child", "KeptFolder", "resident_mib"]

_KEEPER = Path(__file__).with_name("keeper.py")
_LOCK_NAME = ".kept"
_REMOVE_SECONDS = 30.0


class KeptFolder:
    """A folder that goes away with its owner, after every program that was started in it."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.lock = path / _LOCK_NAME
        self.lock.touch()
        self._keeper = _keeper("remove", "--lock", str(self.lock), str(path))
        self._children: list[Child] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def remove(self) -> None:
        """End what still runs in it (SIGKILL) and remove it; harmless when it is gone.

        Errors:
            RuntimeError: something in it can't be removed.
        """
        for child in self._children:
            child.kill()
        _close_input(self._keeper)
        if self._keeper.wait(timeout=_REMOVE_SECONDS) != 0:
            raise RuntimeError(f"can't remove {self.path}")

    def adopt(self, child: Child) -> None:
        """Remember a program that runs in it; ``Child`` calls it."""
        self._children = [known for known in self._children if known.running]
        self._children.append(child)


class Child:
    """One running program; its output goes to a log file."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        folder: KeptFolder,
        log: Path,
        environment: Mapping[str, str],
    ) -> None:
        self.name = Path(arguments[0]).name
        self.log = log
        told, tell = os.pipe()
        try:
            with log.open("ab") as output:
                self._keeper = _keeper(
                    *("run", "--lock", str(folder.lock), "--pid-fd", str(tell), "--", *arguments),
                    output=output.fileno(),
                    environment=environment,
                    keep_fd=tell,
                )
        finally:
            os.close(tell)
        with os.fdopen(told) as line:
            self.pid = int(line.readline() or "0")
        """The program's own process, not its keeper's; 0 when it could not be started."""
        folder.adopt(self)

    @property
    def exit_status(self) -> int | None:
        """Return the exit status, 128 + n for signal n; ``None`` while it runs."""
        status = self._keeper.poll()
        if status is not None:
            _close_input(self._keeper)
        return status

    @property
    def running(self) -> bool:
        """Tell whether the program runs; a paused one does."""
        return self.exit_status is None

    def stop(self, *, within: float = 20.0) -> int:
        """End it by SIGTERM, by SIGKILL after ``within`` seconds; return the exit status."""
        if self.running:
            self._keeper.send_signal(signal.SIGTERM)
            self.resume()
        try:
            return self._keeper.wait(timeout=within)
        except subprocess.TimeoutExpired:
            return self.kill()
        finally:
            _close_input(self._keeper)

    def kill(self) -> int:
        """End it by SIGKILL; return the exit status."""
        _close_input(self._keeper)
        return self._keeper.wait()

    def wait(self, *, within: float) -> int:
        """Return the exit status once it ended.

        Errors:
            TimeoutError: it still runs after ``within`` seconds.
        """
        try:
            status = self._keeper.wait(timeout=within)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"{self.name} still runs after {within:g} s") from error
        _close_input(self._keeper)
        return status

    def pause(self) -> None:
        """Stop it in its tracks (SIGSTOP): connections stay open and nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused one go on."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGCONT)

    def tail(self, *, lines: int = 15) -> str:
        """Return the last lines of its log."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])


def _keeper(
    *arguments: str,
    output: int = subprocess.DEVNULL,
    environment: Mapping[str, str] | None = None,
    keep_fd: int | None = None,
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(_KEEPER), *arguments],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT if output != subprocess.DEVNULL else output,
        env=None if environment is None else dict(environment),
        pass_fds=() if keep_fd is None else (keep_fd,),
        start_new_session=True,  # Ctrl-C reaches the owner alone, who then ends things in order
    )


def _close_input(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()


def resident_mib(pid: int) -> float:
    """Return a process's resident memory (VmRSS), in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1]) / 1024
