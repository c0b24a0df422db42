"""Other programs that tests compare with; a missing one fails the test and says what to install."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

PACKAGES = {
    "ssh-keygen": "OpenSSH 8.9 or later (package openssh-client)",
    "ssh-agent": "OpenSSH 8.9 or later (package openssh-client)",
    "ssh-add": "OpenSSH 8.9 or later (package openssh-client)",
    "openssl": "OpenSSL 3 (package openssl)",
    "jq": "jq 1.6 or later (package jq)",
    "env": "coreutils",
}


def tool(name: str) -> str:
    """Return a program's path."""
    path = shutil.which(name)
    if path is None:
        pytest.fail(f"{name} is not on PATH; install {PACKAGES[name]} and run the tests again")
    return path


def run(name: str, *arguments: str | Path, data: bytes = b"", cwd: Path | None = None) -> bytes:
    """Return what a program prints; it must succeed."""
    done = attempt(name, *arguments, data=data, cwd=cwd)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


def attempt(
    name: str,
    *arguments: str | Path,
    data: bytes = b"",
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Return how a program ends, within two minutes."""
    return subprocess.run(
        [tool(name), *map(str, arguments)],
        input=data,
        cwd=cwd,
        capture_output=True,
        check=False,
        timeout=120,
    )
