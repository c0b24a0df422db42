"""Server processes: started on one core, looked at through /proc, ended with their input."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.harness.process import resident_mib
from tests.perf.servers import CERTIFICATE, KEY

from peergate.webhook.tls import self_signed

__all__ = ["Server", "client_core", "running"]

_PATIENCE_SECONDS = 15
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Server:
    """One running server."""

    arm: str
    pid: int
    port: int
    tls: ssl.SSLContext
    """What a client trusts it by."""
    authority: bytes
    """The same as PEM."""
    directory: Path
    """Where its certificate and key are."""

    def cpu_seconds(self) -> float:
        """Return the processor time it has used, in user and kernel mode."""
        stat = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / _TICKS

    def resident_mib(self) -> float:
        """Return its resident memory."""
        return resident_mib(self.pid)


def client_core() -> int:
    """Keep this process off the servers' core; return its own."""
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return core


@contextmanager
def running(*arms: str, core: int | None) -> Iterator[list[Server]]:
    """Run the arms' servers inside the block, all on one core unless it is ``None``, with one certificate."""
    with TemporaryDirectory() as name:
        directory = Path(name)
        material = self_signed(["localhost", "127.0.0.1"], now=datetime.now(UTC))
        (directory / CERTIFICATE).write_bytes(material.cert_pem)
        (directory / KEY).write_bytes(material.key_pem)
        tls = ssl.create_default_context(cadata=material.ca_pem.decode())
        processes = [_start(arm, directory=directory, core=core) for arm in arms]
        try:
            yield [
                Server(
                    arm=arm,
                    pid=process.pid,
                    port=_port(process, arm=arm),
                    tls=tls,
                    authority=material.ca_pem,
                    directory=directory,
                )
                for arm, process in zip(arms, processes, strict=True)
            ]
        finally:
            for process in processes:
                _end(process)


def _start(arm: str, *, directory: Path, core: int | None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        (
            sys.executable,
            "-m",
            "tests.perf.servers",
            arm,
            str(directory),
            *([] if core is None else [str(core)]),
        ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """Close its input, which ends it."""
    try:
        process.communicate(timeout=_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _port(process: subprocess.Popen[bytes], *, arm: str) -> int:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"the server {arm} did not start")
    return int(line)
