"""A real ssh-agent signs approvals."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.tools import run, tool

from peergate.approval.envelope import pae
from peergate.approval.sshagent import LIST_KEYS, AgentRefused, read_keys, read_signature, sign_request

PAE = pae(b"{}")


@contextmanager
def agent(folder: Path) -> Iterator[Path]:
    """Run an agent of our own and end it again, by its process id."""
    path = folder / "s"
    printed = run("ssh-agent", "-s", "-a", path).decode()
    pid = re.search(r"SSH_AGENT_PID=(\d+)", printed)
    assert pid is not None
    try:
        yield path
    finally:
        tool("ssh-agent")
        run("env", f"SSH_AGENT_PID={pid[1]}", f"SSH_AUTH_SOCK={path}", "ssh-agent", "-k")


def ask(path: Path, request: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(path))
        connection.sendall(request)
        with connection.makefile("rb") as answer:
            return answer.read(int.from_bytes(answer.read(4)))


@pytest.mark.parametrize(
    "kind", [("ed25519",), ("ecdsa", "-b", "256"), ("rsa", "-b", "3072")], ids=lambda k: k[0]
)
def test_an_agent_signs_with_the_keys_it_holds(tmp_path: Path, kind: tuple[str, ...]):
    key = tmp_path / "k"
    run("ssh-keygen", "-q", "-t", *kind, "-N", "", "-C", "laptop", "-f", key)
    with agent(tmp_path) as path:
        assert read_keys(ask(path, LIST_KEYS)) == ()
        run("env", f"SSH_AUTH_SOCK={path}", "ssh-add", "-q", key)
        (found,) = read_keys(ask(path, LIST_KEYS))
        signature = read_signature(ask(path, sign_request(found.public, pae=PAE)), key=found.public)
        run("env", f"SSH_AUTH_SOCK={path}", "ssh-add", "-q", "-D")
        with pytest.raises(AgentRefused):
            read_signature(ask(path, sign_request(found.public, pae=PAE)), key=found.public)
    assert found.comment == "laptop"
    found.public.verify(signature=signature, pae=PAE)
