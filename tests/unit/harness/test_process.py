"""Programs and folders end with their owner, however it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.harness.ports import Port, listens
from tests.harness.process import Child, KeptFolder
from tests.harness.waiting import wait_until

REPOSITORY = Path(__file__).resolve().parents[3]
ENVIRONMENT = {"PATH": os.defpath}

# Starts a program that leaves a grandchild of its own, in a folder it keeps; then does what it is told.
OWNER = """
import os, signal, sys, time
from pathlib import Path
from tests.harness.process import Child, KeptFolder
signal.signal(signal.SIGINT, signal.default_int_handler)
with KeptFolder(Path(sys.argv[1])) as folder:
    shell = ["/bin/sh", "-c", "sleep 300 & echo grandchild; wait"]
    child = Child(shell, folder=folder, log=folder.path / "log", environment={"PATH": os.defpath})
    print(child.pid, flush=True)
    if sys.argv[2] == "raise":
        raise RuntimeError
    time.sleep(300)
"""


def alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


def group(leader: int) -> list[int]:
    """Return the living members of a process group."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            if os.getpgid(int(entry.name)) == leader and alive(int(entry.name)):
                found.append(int(entry.name))
    return found


@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "raise"])
def test_nothing_outlives_an_owner_that_ends_by(how: str, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder), how],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with owner:
        assert owner.stdout is not None
        child = int(owner.stdout.readline())
        if how != "raise":
            owner.send_signal(signal.Signals[how])
        owner.wait(timeout=20)
    wait_until("all of them are gone", lambda: not group(child), within=10)
    wait_until("the folder is gone", lambda: not folder.exists(), within=10)


def test_a_program_ends_with_its_keeper(tmp_path: Path) -> None:
    with KeptFolder(tmp_path / "kept") as folder:
        child = Child(["/bin/sleep", "300"], folder=folder, log=folder.path / "log", environment=ENVIRONMENT)
        os.kill(child._keeper.pid, signal.SIGKILL)
        wait_until("it is gone", lambda: not alive(child.pid), within=10)


def test_the_exit_status_is_the_programs(tmp_path: Path) -> None:
    with KeptFolder(tmp_path / "kept") as folder:
        cases = {"exit 0": 0, "exit 7": 7, "kill -KILL $$": 137}
        for script, want in cases.items():
            command = ["/bin/sh", "-c", script]
            child = Child(command, folder=folder, log=folder.path / "log", environment=ENVIRONMENT)
            assert child.wait(within=10) == want


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    with KeptFolder(tmp_path / "kept") as folder:
        command = [str(tmp_path / "nothing")]
        child = Child(command, folder=folder, log=folder.path / "log", environment=ENVIRONMENT)
        assert child.wait(within=10) == 127
        assert "can't start" in child.tail()


def test_stopping_lets_a_program_tidy_up_and_waits_for_it(tmp_path: Path) -> None:
    with KeptFolder(tmp_path / "kept") as folder:
        script = "trap 'echo tidy; exit 3' TERM; echo ready; while :; do sleep 0.02; done"
        log = folder.path / "log"
        child = Child(["/bin/sh", "-c", script], folder=folder, log=log, environment=ENVIRONMENT)
        wait_until("it is ready", lambda: "ready" in child.tail(), within=10)
        assert child.stop() == 3
        assert "tidy" in child.tail()


def test_a_paused_program_and_one_that_ignores_sigterm_can_be_stopped(tmp_path: Path) -> None:
    with KeptFolder(tmp_path / "kept") as folder:
        log = folder.path / "log"
        paused = Child(["/bin/sleep", "300"], folder=folder, log=log, environment=ENVIRONMENT)
        paused.pause()
        assert paused.stop() == 128 + signal.SIGTERM
        script = "trap '' TERM; echo ready; while :; do sleep 0.02; done"
        stubborn = Child(["/bin/sh", "-c", script], folder=folder, log=log, environment=ENVIRONMENT)
        wait_until("it is ready", lambda: "ready" in stubborn.tail(), within=10)
        assert stubborn.stop(within=0.2) == 128 + signal.SIGKILL


def test_ports_are_drawn_once_until_released() -> None:
    with contextlib.ExitStack() as stack:
        numbers = [stack.enter_context(Port()).number for _ in range(50)]
        assert len(set(numbers)) == 50
        assert all(20_000 <= number < 30_000 for number in numbers)


def test_whose_port_it_is_can_be_told() -> None:
    with Port() as port, socket.create_server(("127.0.0.1", port.number)):
        assert listens(os.getpid(), port=port.number)
        assert not listens(os.getppid(), port=port.number)
    assert not listens(os.getpid(), port=port.number)
