"""``make up`` and ``make down``: a development cluster with Peergate in front of it, left running.

One background process owns all of it and ends on SIGTERM; should it be killed, everything that it started
ends too (``process.py``). Its files lie in ``.dev/`` (design.md §7):

    admin.kubeconfig      a user whom RBAC does not hold
    agent.kubeconfig      ServiceAccount agents/demo-agent: tagged, owner team-platform
    bystander.kubeconfig  ServiceAccount workers/bystander: the same rights, no tag
    alice  alice.pub  bob  bob.pub  carol-bot  carol-bot.pub
                          SSH keys, each registered as an Approver of its name
    alice.kubeconfig  bob.kubeconfig
                          the persons: they read everything and decide about ChangeRequests
    env                   shell exports: KUBECONFIG (admin), the paths above, kubectl and peergate on PATH
    log                   of the background process
    cluster/              state, and the logs of every component and of peergate-0
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from tests.harness.binaries import BinariesError, find_binaries
from tests.harness.cache import locked
from tests.harness.cluster import Cluster
from tests.harness.peergate import Installation
from tests.harness.process import KeptFolder
from tests.harness.scenario import set_up
from tests.harness.waiting import wait_until

__all__ = ["down", "main", "up"]

_REPOSITORY = Path(__file__).resolve().parents[2]
_FOLDER = _REPOSITORY / ".dev"
_PID_FILE = "pid"
_READY = "ready"
_DOWN_SECONDS = 30.0


def up(folder: Path = _FOLDER) -> int:
    """Start it unless it runs; return 0 once it is ready."""
    with locked(folder.parent):
        if _owner(folder) is not None:
            print(f"already up; . {_shown(folder)}/env")
            return 0
        shutil.rmtree(folder, ignore_errors=True)  # a crash left it
        try:
            find_binaries()  # here, where progress is seen
        except BinariesError as error:
            sys.stderr.write(f"error: {error}\n")
            return 1
        folder.mkdir()
        reported, report = os.pipe()
        with (folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.harness.dev", "serve", str(folder), str(report)],
                cwd=_REPOSITORY,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(report,),
                start_new_session=True,
            )
        os.close(report)
        last = ""
        try:
            with os.fdopen(reported) as lines:
                for line in lines:
                    last = line.strip()
                    print(last, flush=True)
        except KeyboardInterrupt:
            process.terminate()
            process.wait()
            raise
        if last.startswith(_READY):
            return 0
        process.wait()
        # Its folder may be gone by now, and the log with it: what it said is in the report.
        return 1


def down(folder: Path = _FOLDER) -> int:
    """Stop it and remove the folder; harmless when nothing runs."""
    with locked(folder.parent):
        owner = _owner(folder)
        if owner is not None:
            for number in (signal.SIGTERM, signal.SIGKILL):
                if _ends(owner, by=number):
                    break
            with contextlib.suppress(
                TimeoutError
            ):  # after SIGKILL others tidy up; what they leave is removed
                wait_until(
                    "the state is gone", lambda: not (folder / "cluster").exists(), within=_DOWN_SECONDS
                )
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
            sys.stderr.write(f"error: can't remove {folder}\n")
            return 1
        print("down" if owner is not None else "nothing is up")
        return 0


def _serve(folder: Path, *, report: int) -> NoReturn:
    """Be the owner: start everything, report, stay until SIGTERM."""
    signal.signal(signal.SIGTERM, _end)
    began = time.monotonic()

    def tell(what: str) -> None:
        with contextlib.suppress(OSError):
            os.write(report, f"{what} ({time.monotonic() - began:.1f} s)\n".encode())

    with contextlib.ExitStack() as stack:
        stack.enter_context(KeptFolder(folder))
        pid_file = stack.enter_context((folder / _PID_FILE).open("w", encoding="ascii"))
        fcntl.flock(pid_file, fcntl.LOCK_EX)
        pid_file.write(str(os.getpid()))
        pid_file.flush()
        try:
            cluster = stack.enter_context(Cluster(folder=folder / "cluster"))
            tell(f"Kubernetes API on {cluster.server}")
            installation = stack.enter_context(Installation(cluster))
            tell(f"Peergate on {installation.url}")
            cluster.kubeconfig_for_user("admin", groups=("system:masters",), path=folder / "admin.kubeconfig")
            set_up(installation, folder=folder)
            _write_env(folder, kubectl=find_binaries().kubectl)
        except Exception as error:
            tell(f"error: {error}")
            raise
        tell(f"{_READY}: . {_shown(folder)}/env; make down ends it")
        os.close(report)
        while True:
            signal.pause()


def _end(_number: int, _frame: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # one is enough: tidying up is not interrupted
    sys.exit(0)


def _owner(folder: Path) -> int | None:
    """Return the pid of the process that owns the folder; ``None`` when nobody does."""
    try:
        with (folder / _PID_FILE).open(encoding="ascii") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read())
    except FileNotFoundError:
        pass
    return None


def _ends(process: int, *, by: signal.Signals) -> bool:
    """Send the signal; tell whether the process ended in time."""
    try:
        handle = os.pidfd_open(process)  # unlike the number, it can't come to mean another process
    except ProcessLookupError:
        return True
    try:
        signal.pidfd_send_signal(handle, by)
        ended, _, _ = select.select([handle], [], [], _DOWN_SECONDS)
    finally:
        os.close(handle)
    return bool(ended)


def _write_env(folder: Path, *, kubectl: Path) -> None:
    exports = {
        "KUBECONFIG": folder / "admin.kubeconfig",
        "KUBECACHEDIR": folder / "cluster" / "home" / "cache",
        "KUBERC": "off",
        "PEERGATE_DEV": folder,
        "ADMIN_KUBECONFIG": folder / "admin.kubeconfig",
        "AGENT_KUBECONFIG": folder / "agent.kubeconfig",
        "BYSTANDER_KUBECONFIG": folder / "bystander.kubeconfig",
        "ALICE_KUBECONFIG": folder / "alice.kubeconfig",
        "BOB_KUBECONFIG": folder / "bob.kubeconfig",
        "ALICE_KEY": folder / "alice",
        "BOB_KEY": folder / "bob",
        "CAROL_BOT_KEY": folder / "carol-bot",
    }
    lines = [f"export {name}={shlex.quote(str(value))}" for name, value in exports.items()]
    programs = ":".join(shlex.quote(str(path)) for path in (Path(sys.executable).parent, kubectl.parent))
    lines.append(f'export PATH={programs}:"$PATH"')
    (folder / "env").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _shown(folder: Path) -> Path:
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command: ``up [FOLDER]``, ``down [FOLDER]``; ``serve FOLDER FD`` is what ``up`` starts."""
    match list(sys.argv[1:] if arguments is None else arguments):
        case ["up", *folder] if len(folder) <= 1:
            return up(*map(Path, folder))
        case ["down", *folder] if len(folder) <= 1:
            return down(*map(Path, folder))
        case ["serve", folder, report]:
            _serve(Path(folder), report=int(report))
        case _:
            sys.stderr.write("usage: python -m tests.harness.dev (up | down) [FOLDER]\n")
            return 2


if __name__ == "__main__":
    sys.exit(main())
