"""Run one program, or keep one folder, and never outlive the process that asked for it.

Started as a script by ``process.py``, standard library only, so that it is up in a few milliseconds. Its
standard input is a pipe whose other end only the owner holds: when the owner ends, however it ends, the
kernel closes the pipe, and the keeper kills its program or removes its folder. Should the keeper itself be
killed, the kernel kills the program (PR_SET_PDEATHSIG, Linux).

Shape:
    ``keeper.py run --lock FILE --pid-fd N -- PROGRAM ARGUMENT...`` holds a shared lock on FILE until the
    program is gone, and writes the program's pid to N. SIGTERM is passed on. Its exit status is the
    program's, or 128 + the signal.
    ``keeper.py remove --lock FILE FOLDER`` waits for the end of its input and for all shared locks on FILE
    to be gone (at most 20 s), then removes FOLDER.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import fcntl
import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

__all__ = ["main"]

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LOCK_WAIT_SECONDS = 20.0
_NOT_STARTED = 127


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit status of the program, or 0 when the folder is gone."""
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run")
    run.add_argument("--lock", required=True)
    run.add_argument("--pid-fd", type=int, required=True)
    run.add_argument("program", nargs="+")
    remove = commands.add_parser("remove")
    remove.add_argument("--lock", required=True)
    remove.add_argument("folder")
    options = parser.parse_args(arguments)
    if options.command == "run":
        return _run(options.program, lock=options.lock, pid_fd=options.pid_fd)
    return _remove(Path(options.folder), lock=options.lock)


def _run(program: Sequence[str], *, lock: str, pid_fd: int) -> int:
    held = os.open(lock, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_SH)
    os.set_inheritable(held, True)  # the program holds it too: released only when both are gone
    os.set_inheritable(pid_fd, False)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    waked, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, _noted)
    keeper = os.getpid()
    child = os.fork()
    if child == 0:
        _become(program, keeper=keeper)
    with contextlib.suppress(OSError):  # on both sides: whoever is first, the group is there from now on
        os.setpgid(child, child)
    with contextlib.suppress(OSError):
        os.write(pid_fd, f"{child}\n".encode())
    os.close(pid_fd)
    return _watch(child, waked=waked)


def _become(program: Sequence[str], *, keeper: int) -> None:
    """Turn into the program; does not return."""
    try:
        os.setpgid(0, 0)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != keeper:  # it died before the line above took effect
            os._exit(_NOT_STARTED)
        silence = os.open(os.devnull, os.O_RDONLY)
        os.dup2(silence, 0)
        os.execvp(program[0], list(program))  # noqa: S606 - no shell is wanted
    except OSError as error:
        sys.stderr.write(f"can't start {program[0]}: {error}\n")
        sys.stderr.flush()
    os._exit(_NOT_STARTED)


def _watch(child: int, *, waked: int) -> int:
    watched = [0, waked]
    while True:
        ready, _, _ = select.select(watched, [], [])
        if waked in ready:
            for number in os.read(waked, 64):
                if number == signal.SIGCHLD:
                    status = _reap(child)
                    if status is not None:
                        _signal_group(child, signal.SIGKILL)
                        return status
                else:
                    _signal_group(child, signal.SIGTERM)
        if 0 in ready and not os.read(0, 64):
            _signal_group(child, signal.SIGKILL)
            watched = [waked]  # its end is reported like any other


def _reap(child: int) -> int | None:
    """Return the child's exit status once it ended; other descendants handed to us are only collected."""
    while True:
        try:
            ended, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return None
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        if ended == 0:
            return None


def _remove(folder: Path, *, lock: str) -> int:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    held = os.open(lock, os.O_RDONLY)
    while os.read(0, 64):
        pass
    deadline = time.monotonic() + _LOCK_WAIT_SECONDS
    while time.monotonic() < deadline:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            time.sleep(0.02)
    while folder.exists() and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)  # again, should something in it still be ending
        time.sleep(0.02)
    return 1 if folder.exists() else 0


def _noted(_number: int, _frame: object) -> None:
    """Let the wake-up pipe tell of the signal."""


def _signal_group(leader: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main())
