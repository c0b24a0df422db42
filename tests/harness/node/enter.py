"""Become a node: cgroups and namespaces of its own, then process 1 in them, which keeps its programs running.

Started as root by ``isolation.py``, standard library only. The process that is started enters the network
namespace itself (so that the control plane can join it by this pid); its child is process 1 of the rest. When
either ends, however it ends, the kernel ends everything inside.

Shape: ``enter.py CONFIGURATION``, a JSON file: ``{"state", "cgroup", "hostname", "sysctls": {path: value}}``.
Programs are files ``STATE/units/NAME.json``: ``{"command": [...], "environment": {...}}``; each is started
when its file appears, and again 0.3 s after it ended. Their output goes to ``STATE/log/NAME.log``.
``STATE/ready`` appears when the namespaces are there.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Hierarchy", "hierarchies", "main"]

_NEW = (
    0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x20000000 | 0x40000000
)  # mnt cgroup uts ipc pid net
_PR_SET_PDEATHSIG = 1
_RESTART_SECONDS = 0.3
_POLL_SECONDS = 0.05
_GENERIC = frozenset({"rw", "ro"})

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """One mounted cgroup hierarchy of the machine."""

    path: Path
    type: str
    options: str
    """As mount takes them; empty for version 2."""


def hierarchies(text: str) -> tuple[Hierarchy, ...]:
    """Return what ``/proc/self/mountinfo`` says; the order is that of their paths."""
    found = {}
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, rest = after.partition(" ")
        if kind in {"cgroup", "cgroup2"}:
            path = before.split()[4]
            names = [name for name in rest.split()[-1].split(",") if name not in _GENERIC]
            if any(name.startswith("name=") for name in names):
                names.insert(0, "none")
            found[path] = Hierarchy(Path(path), kind, ",".join(names) if kind == "cgroup" else "")
    return tuple(found[path] for path in sorted(found))


def main(arguments: Sequence[str]) -> int:
    """Become the node; return when its process 1 has ended."""
    configuration = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    mounted = hierarchies(Path("/proc/self/mountinfo").read_text(encoding="ascii"))
    for each in mounted:
        _join(each.path, configuration["cgroup"])
    if _libc.unshare(_NEW) != 0:
        raise OSError(ctypes.get_errno(), "can't make namespaces")
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() not in {0, parent}:  # 0: in the new namespace the parent is not to be seen
            os._exit(1)
        _be_first(configuration, mounted=mounted)
    os.waitpid(child, 0)
    return 1


def _join(hierarchy: Path, name: str) -> None:
    own = hierarchy / name
    own.mkdir(exist_ok=True)
    if (hierarchy / "cpuset.cpus").exists():  # version 1 starts empty, and then takes no process
        for file in ("cpuset.cpus", "cpuset.mems"):
            (own / file).write_text((hierarchy / file).read_text())
        (own / "cgroup.clone_children").write_text("1")
    (own / "cgroup.procs").write_text(str(os.getpid()))


def _be_first(configuration: dict[str, Any], *, mounted: Sequence[Hierarchy]) -> None:
    """Be process 1; does not return."""
    state = Path(configuration["state"])
    try:
        socket.sethostname(configuration["hostname"])
        _mount_all(state, mounted=mounted)
        for path, value in configuration["sysctls"].items():
            _show(state, path=path, value=value)
        (state / "ready").touch()
        _Programs(state).keep()
    except BaseException as error:  # noqa: BLE001 - whatever it is, the log has to have it
        sys.stderr.write(f"the node can't start: {error!r}\n")
        sys.stderr.flush()
    os._exit(1)


def _mount_all(state: Path, *, mounted: Sequence[Hierarchy]) -> None:
    """Lay out what the node sees: the machine's files, but processes, cgroups, /run and /var of its own."""
    _mount("--make-rprivate", "/")  # nothing that follows reaches the machine
    _mount("--make-rshared", "/")  # and kubelet wants its mounts shared with containers
    _mount("-t", "proc", "proc", "/proc")
    # Mounted afresh, since kubelet reads the first mount of a hierarchy, and that was the machine's.
    subprocess.run(["umount", "-R", "-l", "/sys"], check=True)
    _mount("-t", "sysfs", "sysfs", "/sys")
    if len(mounted) > 1:
        _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/sys/fs/cgroup")
    for each in mounted:
        each.path.mkdir(parents=True, exist_ok=True)
        options = ("-o", each.options) if each.options else ()
        _mount("-t", each.type, *options, each.type, str(each.path))
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    for name in ("lock", "netns"):
        Path("/run", name).mkdir()
    upper, work = state / "var", state / "var-work"
    for folder in (upper, work):
        folder.mkdir(exist_ok=True)
    _mount("-t", "overlay", "-o", f"lowerdir=/var,upperdir={upper},workdir={work}", "overlay", "/var")
    if not Path("/var/run").is_symlink():
        _mount("--bind", "/run", "/var/run")


def _show(state: Path, *, path: str, value: str) -> None:
    """Let a setting of the whole machine look as kubelet wants it, and leave it as it is."""
    file = state / "sysctl" / path.replace("/", ".")
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"{value}\n", encoding="ascii")
    _mount("--bind", str(file), f"/proc/sys/{path}")


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


@dataclass(slots=True)
class _Programs:
    """What runs in the node."""

    state: Path
    running: dict[int, str] = field(default_factory=dict)
    not_before: dict[str, float] = field(default_factory=dict)

    def keep(self) -> None:
        """Start what is to run, collect what ended; does not return."""
        units = self.state / "units"
        while True:
            for unit in sorted(units.glob("*.json")):
                name = unit.stem
                if name not in self.running.values() and time.monotonic() >= self.not_before.get(name, 0):
                    self._start(name, json.loads(unit.read_text(encoding="utf-8")))
            self._collect()
            time.sleep(_POLL_SECONDS)

    def _start(self, name: str, unit: dict[str, Any]) -> None:
        self.not_before[name] = time.monotonic() + _RESTART_SECONDS
        log = self.state / "log" / f"{name}.log"
        log.parent.mkdir(exist_ok=True)
        with log.open("ab") as output, contextlib.suppress(OSError):
            process = subprocess.Popen(
                unit["command"],
                env=unit["environment"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self.running[process.pid] = name

    def _collect(self) -> None:
        """Collect what ended, orphans of containers included."""
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG)[0]) != 0:
                name = self.running.pop(ended, None)
                if name is not None:
                    self.not_before[name] = time.monotonic() + _RESTART_SECONDS


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
