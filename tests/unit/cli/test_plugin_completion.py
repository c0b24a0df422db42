"""``kubectl_complete-peergate`` answers in the words of kubectl's completion, and in time or not at all."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.harness.pki import Authority

from peergate.cli import Entry, application
from peergate.cli.plugin_completion import answer

_OPERATOR = Path(__file__).resolve().parents[3] / "operator"

CASES = {
    "the commands, with their lines": ([""], "wait\tWait until a request is decided.\n", ":4\n"),
    "commands that begin so": (["ver"], "signature, object, time.\nversion\tPrint the version.\n", ":4\n"),
    "a group's commands": (["agent", "cr"], "create\tCreate a tagged ServiceAccount", ":4\n"),
    "flags": (["list", "--al"], "--all\tAll of them, whoever decides, decided ones too.\n", ":4\n"),
    "choices": (["completion", ""], "bash\nfish\nzsh\n", ":4\n"),
    "a file is the shell's to complete": (["attach", "-f", ""], "", ":0\n"),
    "nothing": (["version", ""], "", ":4\n"),
    "an unknown command": (["sing", ""], "", ":4\n"),
}  # fmt: skip


@pytest.mark.parametrize("sentence", CASES)
def test_answers(sentence):
    arguments, begins, ends = CASES[sentence]
    root = application(extra={"run": Entry("peergate.__main__:run", "Run the operator.")})
    found = answer(root, arguments=arguments)
    assert begins in found
    assert found.endswith(ends)


def test_no_command_is_imported_to_list_them():
    code = (
        "import sys; from peergate.cli import application; from peergate.cli.plugin_completion import answer;"
        "answer(application(), arguments=['']); print('peergate.cli.approve' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(_OPERATOR), "PATH": os.defpath},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"


def _kubeconfig(path: Path, *, server: str, user: dict) -> Path:
    document = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server, "certificate-authority": "ca.pem"}}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(json.dumps(document))
    return path


def _complete(monkeypatch: pytest.MonkeyPatch, kubeconfig: Path) -> tuple[str, float]:
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    began = time.monotonic()
    return answer(application(), arguments=["wait", ""]), time.monotonic() - began


def test_a_cluster_that_does_not_answer_offers_nothing_and_is_not_waited_for(
    monkeypatch, tmp_path, authority
):
    (tmp_path / "ca.pem").write_bytes(authority)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = f"https://127.0.0.1:{silent.getsockname()[1]}"
        file = _kubeconfig(tmp_path / "config", server=server, user={"token": "t"})
        found, took = _complete(monkeypatch, file)
    assert found == ":4\n"
    assert took < 5.0  # 0.1 s on an idle machine; a call is given up after 30 s


def test_no_program_of_a_kubeconfig_is_run(monkeypatch, tmp_path):
    ran = tmp_path / "ran"
    program = {
        "exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "touch", "args": [str(ran)]}
    }
    file = _kubeconfig(tmp_path / "config", server="https://127.0.0.1:1", user=program)
    assert _complete(monkeypatch, file)[0] == ":4\n"
    assert not ran.exists()


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "pki").pair.certificate.read_bytes()
