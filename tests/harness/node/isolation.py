"""The node as a machine: its namespaces, its cgroups, its cable. Nothing stays, whatever ends its owner.

Its network is one cable (veth) to this machine and has no default route, so that nothing in it reaches
further. Addresses of Pods and Services exist in it alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.harness.components import SERVICES, Place
from tests.harness.node import debian
from tests.harness.node.enter import hierarchies
from tests.harness.process import Child, KeptFolder
from tests.harness.waiting import wait_until

__all__ = ["API_SERVICE", "PODS", "Isolation", "NodeError", "what_is_missing"]

PODS = "10.244.0.0/16"
"""Addresses of Pods, of all nodes of a cluster."""
API_SERVICE = "10.96.0.1"
"""The first address of Services, which is the API server's."""

_HERE = Path(__file__).parent
_START_SECONDS = 30.0
_SWEEP_SECONDS = 40.0
_TOOLS = {
    "ip": "iproute2",
    "mount": "mount",
    "nsenter": "util-linux",
    "umount": "mount",
    "unshare": "util-linux",
}
# kubelet sets these, and they are the whole machine's.
_SYSCTLS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
_IN_ITS_NETWORK = ("net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables")


class NodeError(Exception):
    """A local node can't run here; the text says why in one line."""


def what_is_missing() -> str:
    """Return in one line what keeps a local node from running here; empty if nothing does."""
    if sys.platform != "linux":
        return "a local node needs Linux"
    if os.geteuid() != 0:
        return "a local node needs root (namespaces, cgroups, mounts): sudo make e2e"
    if missing := sorted({package for tool, package in _TOOLS.items() if shutil.which(tool) is None}):
        return f"a local node needs Debian's {', '.join(missing)}"
    if problem := debian.what_is_missing():
        return f"a local node {problem}"
    may = subprocess.run(
        [
            "unshare",
            "--mount",
            "--net",
            "--pid",
            "--fork",
            "--cgroup",
            "mount",
            "-t",
            "tmpfs",
            "tmpfs",
            "/mnt",
        ],
        capture_output=True,
        check=False,
    )
    if may.returncode != 0:
        return "a local node needs the right to make namespaces and mounts, which this root lacks"
    mounted = hierarchies(Path("/proc/self/mountinfo").read_text(encoding="ascii"))
    if not any(each.type == "cgroup" for each in mounted):
        return "a local node needs cgroups of version 1 (as a hybrid machine has); this machine has version 2"
    if not all(os.access(each.path, os.W_OK) for each in mounted):
        return "a local node needs cgroups that can be written; /sys/fs/cgroup is read-only here"
    return ""


class Isolation:
    """One node's namespaces and cable, by ``start`` and ``end``; ``folder`` keeps its state in between.

    ``number`` counts the nodes of a cluster, from 1.
    """

    def __init__(self, kept: KeptFolder, *, number: int = 1) -> None:
        if missing := what_is_missing():
            raise NodeError(missing)
        self._kept = kept
        self.folder = kept.path
        self.hostname = f"node{number}"
        self.pods = f"10.244.{number - 1}.0/24"
        """Addresses of its Pods."""
        self._name = f"pg{secrets.token_hex(3)}"
        network = secrets.randbelow(1 << 14) * 4
        self._outside, self.address = (
            f"10.123.{(network + each) >> 8}.{(network + each) & 255}" for each in (1, 2)
        )
        self._child: Child | None = None
        self._sweeper: subprocess.Popen[bytes] | None = None
        (self.folder / "units").mkdir()

    @property
    def place(self) -> Place:
        """Return where a control plane runs that shares the node's network."""
        return Place(address=self.address, addresses=(API_SERVICE,), prefix=self._prefix)

    @property
    def pid(self) -> int:
        """Return the process, as seen from here, that holds the network; 0 when there is none."""
        return self._child.pid if self._child is not None and self._child.running else 0

    def start(self) -> None:
        """Make the namespaces and lay the cable.

        Errors:
            RuntimeError: with the end of the node's own log.
        """
        ready = self.folder / "ready"
        ready.unlink(missing_ok=True)
        configuration = self.folder / "node.json"
        document = {
            "state": str(self.folder),
            "cgroup": self._name,
            "hostname": self.hostname,
            "sysctls": {path: value for path, value in _SYSCTLS.items() if Path("/proc/sys", path).exists()},
        }
        configuration.write_text(json.dumps(document), encoding="utf-8")
        self._sweeper = self._sweep_later()
        command = [sys.executable, "-I", "-S", str(_HERE / "enter.py"), str(configuration)]
        log = self.folder / "node.log"
        environment = {"PATH": os.environ.get("PATH", os.defpath)}
        child = self._child = Child(command, folder=self._kept, log=log, environment=environment)
        wait_until(
            "the node's namespaces are there",
            lambda: not child.running or ready.exists(),
            within=_START_SECONDS,
        )
        if not child.running:
            raise RuntimeError(f"the node ended with {child.exit_status}:\n{child.tail()}")
        self._lay_cable()

    def connect(self, other: Isolation) -> None:
        """Lay a cable to another node that was started, for its address and its Pods'."""
        ends = (
            "eth1",
            "netns",
            str(self.pid),
            "type",
            "veth",
            "peer",
            "name",
            "eth1",
            "netns",
            str(other.pid),
        )
        _ip("link", "add", *ends)
        for here, there in ((self, other), (other, self)):
            inside = here._prefix()
            _ip("link", "set", "eth1", "up", inside=inside)
            # The cable's ends have no addresses of their own: nodes answer for theirs on every cable.
            _ip("route", "add", f"{there.address}/32", "dev", "eth1", inside=inside)
            _ip("route", "add", there.pods, "via", there.address, "dev", "eth1", "onlink", inside=inside)

    def end(self) -> None:
        """End everything in it at once; what it wrote to its folder stays.

        Errors:
            RuntimeError: a cgroup stays.
        """
        if self._child is None or self._sweeper is None:
            return
        self._child.kill()
        # The kernel takes the cable away too, a little later.
        subprocess.run(["ip", "link", "delete", self._name], capture_output=True, check=False)
        with contextlib.suppress(OSError):
            if self._sweeper.stdin is not None:
                self._sweeper.stdin.close()
        self._child = None
        if self._sweeper.wait(timeout=_SWEEP_SECONDS) != 0:
            raise RuntimeError(f"cgroups {self._name} of the node stay")

    def run(self, name: str, command: Sequence[str], *, environment: Mapping[str, str]) -> None:
        """Let a program run in the node from now on, over power cuts too."""
        unit = self.folder / "units" / f"{name}.json"
        part = unit.with_suffix(".part")
        part.write_text(
            json.dumps({"command": list(command), "environment": dict(environment)}), encoding="utf-8"
        )
        part.rename(unit)

    def reaches(self, address: str, *, port: int) -> bool:
        """Tell whether a TCP connection from the node, where the API server is, is taken."""
        script = f"import socket; socket.create_connection(({address!r}, {port}), 2)"
        command = [*self._prefix(), sys.executable, "-I", "-S", "-c", script]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def log(self, name: str, *, lines: int = 15) -> str:
        """Return the last lines of what a program said."""
        path = self.folder / "log" / f"{name}.log"
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def processes(self, program: str, *, pod: str = "") -> tuple[int, ...]:
        """Return the pids, as seen from here, of what runs in the node by that program name.

        With the uid of a Pod only what runs in it.
        """
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            with contextlib.suppress(OSError):
                groups = (entry / "cgroup").read_text(encoding="ascii")
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if (
                    f"/{self._name}" in groups
                    and pod in groups
                    and Path(os.fsdecode(words[0])).name == program
                ):
                    found.append(int(entry.name))
        return tuple(found)

    def kill(self, program: str, *, pod: str = "") -> None:
        """End every process of that program name in the node, or in one of its Pods, at once (SIGKILL)."""
        for pid in self.processes(program, pod=pod):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _prefix(self) -> tuple[str, ...]:
        return ("nsenter", f"--net=/proc/{self.pid}/ns/net")

    def _lay_cable(self) -> None:
        _ip("link", "add", self._name, "type", "veth", "peer", "name", "eth0", "netns", str(self.pid))
        _ip("address", "add", f"{self._outside}/30", "dev", self._name)
        _ip("link", "set", self._name, "up")
        inside = self._prefix()
        _ip("link", "set", "lo", "up", inside=inside)
        _ip("address", "add", f"{self.address}/30", "dev", "eth0", inside=inside)
        _ip("link", "set", "eth0", "up", inside=inside)
        # Needed before kube-proxy's rules rewrite the address: without a route nothing gets as far as them.
        _ip("route", "add", SERVICES, "dev", "eth0", inside=inside)
        for path in _IN_ITS_NETWORK:
            subprocess.run([*inside, "sh", "-c", f"echo 1 > /proc/sys/{path}"], check=True)

    def _sweep_later(self) -> subprocess.Popen[bytes]:
        mounted = hierarchies(Path("/proc/self/mountinfo").read_text(encoding="ascii"))
        folders = [str(each.path / self._name) for each in mounted]
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(_HERE / "sweep.py"), *folders],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


def _ip(*arguments: str, inside: Sequence[str] = ()) -> None:
    subprocess.run([*inside, "ip", *arguments], check=True)
