"""The program as it is met first: help, exit codes, streams, names (experience.md §4)."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from tests.support.cli import command, environment, run

_GOLDEN = Path(__file__).parent / "golden"
_HELP = {
    "help": ("--help",),
    "help-approve": ("approve", "--help"),
    "help-show": ("show", "--help"),
    "help-reject": ("reject", "--help"),
    "help-attach": ("attach", "--help"),
    "help-list": ("list", "--help"),
    "help-policy-test": ("policy", "test", "--help"),
    "help-request": ("request", "--help"),
    "help-wait": ("wait", "--help"),
    "help-verify": ("verify", "--help"),
    "help-approver-create": ("approver", "create", "--help"),
    "help-agent-create": ("agent", "create", "--help"),
    "help-doctor": ("doctor", "--help"),
    "help-run": ("run", "--help"),
}


@pytest.mark.parametrize("name", _HELP)
def test_help_is_the_golden_one_and_fits_80_columns(name):
    done = run(*_HELP[name])
    assert (done.status, done.err) == (0, "")
    assert all(len(line) <= 80 for line in done.out.splitlines())
    path = _GOLDEN / f"{name}.txt"
    if os.environ.get("PEERGATE_GOLDEN") == "write":
        path.write_text(done.out, encoding="utf-8")
    assert done.out == path.read_text(encoding="utf-8")


def test_as_a_kubectl_plugin_it_says_kubectl_peergate():
    done = run("approve", "--help", name="/usr/local/bin/kubectl-peergate")
    assert done.out.startswith("Usage: kubectl peergate approve ")
    wrong = run("approve", "sing", name="kubectl-peergate")
    assert "write it like: kubectl peergate approve cr-" in wrong.err


def test_the_version_is_data():
    assert run("version").out == "peergate 0.1.0\n"
    assert run("version", "-o", "json").json() == {
        "apiVersion": "cli.peergate.dev/v1",
        "kind": "Version",
        "version": "0.1.0",
    }


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_for_the_shell(shell):
    done = run("completion", shell)
    assert (done.status, done.err) == (0, "")
    assert "_PEERGATE_COMPLETE" in done.out


def test_the_bash_script_is_valid_bash():
    script = run("completion", "bash").out
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0


@dataclass(frozen=True, slots=True)
class Case:
    arguments: tuple[str, ...]
    status: int
    err: str
    input: str = ""


_DELETE = ("approve", "delete", "statefulset/db")
CASES = {
    "an unknown command is a usage error": Case(
        ("sing",), 2, "error: no such command 'sing'; the commands are "
    ),
    "an unknown flag is a usage error": Case(("approve", "--sing"), 2, "error: no such option"),
    "a duration is read as kubectl reads it": Case(
        (*_DELETE, "--ttl", "15 minutes"), 2, "write it like 15m, 1h30m or 90s"
    ),
    "approve needs to know what": Case(("approve", "sing"), 2, "error: approve what?; 'sing' is no"),
    "replace needs a manifest": Case(("approve", "replace"), 2, "replace takes a manifest"),
    "delete takes no manifest": Case((*_DELETE, "-f", "x"), 2, "delete takes TYPE/NAME, not a file"),
    "payload and signature go together": Case((*_DELETE, "--payload", "x"), 2, "go together"),
    "a printed payload must be kept": Case((*_DELETE, "--print-payload"), 2, "needs --payload-out FILE"),
    "a slot has a form": Case((*_DELETE, "--slot", "Alice!"), 2, "'Alice!' is no slot; write it like alice"),
    "no kubeconfig is an error that says what to set": Case(
        (*_DELETE, "--key", "k"), 1, "error: no cluster to talk to; "
    ),
    "nothing on stdin is a usage error": Case(("verify", "-"), 2, "error: no approval; the input is empty"),
    "what is no JSON is no approval": Case(
        ("verify", "-"), 3, "error: not an approval; not strict JSON", "{"
    ),
    "two signatures are no approval": Case(
        ("attach", "deployment/web"),
        3,
        "exactly one signature",
        '{"payloadType":"application/vnd.in-toto+json","payload":"","signatures":[]}',
    ),
    "another attestation is no approval": Case(
        ("verify", "-"),
        3,
        "another payloadType",
        '{"payloadType":"x","payload":"","signatures":[{"sig":""}]}',
    ),
    "a file that is not there is named": Case(
        ("verify", "/nonexistent/a.json"), 2, "No such file or directory"
    ),
    "an approver needs a key": Case(
        ("approver", "create", "al", "--identity", "al"), 2, "no key; an approver needs one"
    ),
    "an agent that approves says whose it is": Case(
        ("approver", "create", "al", "--identity", "al", "--class", "agent", "--key", "{key}"),
        2,
        "an approver of class agent needs --username and --owner",
    ),
    "an agent's token lives ten minutes at least": Case(
        ("agent", "create", "bot", "--owner", "o", "--ttl", "1m", "--kubeconfig-out", "/nonexistent/x"),
        2,
        "tokens live 10m at least",
    ),
    "a kubeconfig goes into a folder that is there": Case(
        ("agent", "create", "bot", "--owner", "o", "--kubeconfig-out", "/nonexistent/x"),
        2,
        "no folder /nonexistent for the kubeconfig; nothing was created",
    ),
    "a request needs a reason": Case(("request", "delete", "pod/a"), 2, "error: missing option '--reason'"),
    "a reason is a sentence": Case(
        ("request", "delete", "pod/a", "--reason", " "), 2, "error: wrong --reason; it has 1 character, "
    ),
    "a reason has 512 characters at most": Case(
        ("request", "delete", "pod/a", "--reason", "x" * 513),
        2,
        "error: wrong --reason; it has 513 characters",
    ),
    "a timeout is for waiting": Case(
        ("request", "delete", "pod/a", "--reason", "x", "--timeout", "5s"),
        2,
        "error: --timeout is for --wait",
    ),
    "a list is of all or of mine": Case(("list", "--all", "--mine"), 2, "exclude each other"),
    "a watch shows lines": Case(("list", "-w", "-o", "json"), 2, "-w shows lines"),
    "approvals come from one place": Case(
        ("attach", "cr-hbzkqvmtwxcdfgjnprst", "-f", "x"), 2, "approvals come from CR or from -f FILE"
    ),
    "wrong settings end the operator with 1": Case(
        ("run", "--config", "/nonexistent/c"), 1, "can't read the settings"
    ),
}


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    path = tmp_path_factory.mktemp("key") / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "laptop", "-f", path], check=True)
    return path


@pytest.mark.parametrize("sentence", CASES)
def test_exit_codes_and_errors(sentence, key):
    case = CASES[sentence]
    arguments = [
        argument.format(key=f"{key}.pub") if "{key}" in argument else argument for argument in case.arguments
    ]
    done = run(*arguments, input=case.input)
    assert (done.status, done.out) == (case.status, "")
    assert done.err.startswith("error: ")
    assert case.err in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("arguments", [(), ("approver",), ("agent",)])
def test_a_group_without_a_command_shows_its_help_as_a_usage_error(arguments):
    done = run(*arguments)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("Usage: peergate ")


def test_stack_traces_are_for_v4_only():
    words = ("verify", "/nonexistent/a.json")
    assert "Traceback" not in run(*words, "-v").err
    assert "Traceback" in run(*words, "-v=4").err


def test_an_approver_can_be_printed_without_a_cluster(key):
    done = run(
        "approver", "create", "alice", "--identity", "alice@example.com", "--owner", "team-a",
        "--key", f"{key}.pub",
        "--dry-run=client", "-o", "yaml",
    )  # fmt: skip
    public = " ".join(Path(f"{key}.pub").read_text().split()[:2])
    assert yaml.safe_load(done.out) == {
        "apiVersion": "peergate.dev/v1alpha1",
        "kind": "Approver",
        "metadata": {"name": "alice"},
        "spec": {
            "identity": "alice@example.com",
            "class": "human",
            "owner": "team-a",
            "keys": [{"type": "ssh", "publicKey": public, "comment": "laptop"}],
        },
    }
    shown = subprocess.run(
        ["ssh-keygen", "-lf", key], capture_output=True, text=True, check=True
    ).stdout.split()[1]
    assert done.err == f"key {shown}\n"


def test_a_reader_that_goes_away_is_no_stack_trace():
    reading, writing = os.pipe()
    os.close(reading)
    words = command("approver", "create", "--help")
    done = subprocess.run(words, stdout=writing, stderr=subprocess.PIPE, env=environment(None), check=False)
    os.close(writing)
    assert b"Traceback" not in done.stderr
