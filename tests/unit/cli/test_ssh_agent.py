"""Keys in a real ssh-agent sign approvals; a private key never leaves it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest

from peergate.cli.ssh_agent import AgentSigner, SshAgent
from peergate.errors import CommandError

_PAE = b"DSSEv1 28 application/vnd.in-toto+json 2 {}"


@pytest.fixture
def folder():
    # A socket's path is at most 108 bytes, and pytest's own folders can be longer.
    path = Path(tempfile.mkdtemp(prefix="pg-agent-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def agent(folder):
    path = folder / "socket"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    yield path
    process.send_signal(signal.SIGTERM)
    process.communicate()


def _add(folder: Path, socket_path: Path, *options: str) -> str:
    key = folder / "-".join(("key", *options)).replace("/", "")
    subprocess.run(["ssh-keygen", "-q", "-N", "", "-C", "laptop", "-f", key, *options], check=True)
    subprocess.run(["ssh-add", "-q", key], check=True, env={**os.environ, "SSH_AUTH_SOCK": str(socket_path)})
    shown = subprocess.run(["ssh-keygen", "-lf", key], check=True, capture_output=True, text=True).stdout
    return shown.split()[1]


KINDS = {
    "Ed25519": ("-t", "ed25519"),
    "ECDSA on P-256": ("-t", "ecdsa", "-b", "256"),
    "RSA, with SHA-512": ("-t", "rsa", "-b", "3072"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_in_the_agent_signs(kind, agent, folder):
    fingerprint = _add(folder, agent, *KINDS[kind])
    (held,) = SshAgent(str(agent)).keys()
    assert (held.public.id, held.comment) == (fingerprint, "laptop")
    signature = AgentSigner(agent=SshAgent(str(agent)), public=held.public).sign(_PAE)
    assert held.public.verify(signature=signature, pae=_PAE) == 0


def test_keys_that_approvals_do_not_take_are_not_offered(agent, folder):
    _add(folder, agent, "-t", "rsa", "-b", "2048")
    _add(folder, agent, "-t", "ecdsa", "-b", "384")
    assert SshAgent(str(agent)).keys() == ()


def test_a_key_the_agent_lost_is_refused_in_words(agent, folder):
    _add(folder, agent, "-t", "ed25519")
    (held,) = SshAgent(str(agent)).keys()
    subprocess.run(["ssh-add", "-q", "-D"], check=True, env={**os.environ, "SSH_AUTH_SOCK": str(agent)})
    with pytest.raises(CommandError, match="did not sign"):
        SshAgent(str(agent)).sign(held.public, pae=_PAE)


def test_without_an_agent_the_error_says_what_to_do():
    with pytest.raises(CommandError, match="SSH_AUTH_SOCK is not set"):
        SshAgent("").keys()


def test_a_socket_that_leads_nowhere_is_an_error_in_words(folder):
    with pytest.raises(CommandError, match="points nowhere"):
        SshAgent(str(folder / "nothing")).keys()


ANSWERS = {
    "silence": b"",
    "a length without a body": b"\x00\x00\x00\x05\x0c",
    "an enormous length": b"\xff\xff\xff\xff\x0c",
    "an empty message": b"\x00\x00\x00\x00",
    "another message": b"\x00\x00\x00\x01\x63",
    "a broken list": b"\x00\x00\x00\x05\x0c\x00\x00\x00\x01",
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_nonsense_from_the_socket_is_an_error_in_words(answer, folder):
    path = str(folder / "socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(path)
        server.listen()

        def serve():
            channel, _ = server.accept()
            with channel:
                channel.recv(1024)
                channel.sendall(ANSWERS[answer])

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(CommandError, match="ssh-agent"):
            SshAgent(path).keys()
        thread.join()
