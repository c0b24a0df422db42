"""``make up`` and ``make down``, in a folder of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.harness.waiting import wait_until
from tests.integration.harness.test_cluster import processes_in

FILES = {
    *("admin.kubeconfig", "agent.kubeconfig", "bystander.kubeconfig", "alice.kubeconfig", "bob.kubeconfig"),
    *("alice", "alice.pub", "bob", "bob.pub", "carol-bot", "carol-bot.pub", "env"),
}

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def dev(command: str, folder: Path) -> str:
    """Run ``make``'s command in another folder; it must end with 0."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.harness.dev", command, str(folder)],
        cwd=Path(__file__).resolve().parents[3],
        env={**os.environ, "PYTHONPATH": "operator:."},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def in_env(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    script = f". {folder}/env; {command}"
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    return subprocess.run(
        ["/bin/sh", "-c", script], env=environment, capture_output=True, text=True, check=False
    )


def test_up_twice_then_down_twice_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "dev"
    try:
        assert "ready" in dev("up", folder)
        assert {path.name for path in folder.iterdir()} >= FILES
        assert "already up" in dev("up", folder)
        refused = in_env(folder, "kubectl --kubeconfig $AGENT_KUBECONFIG -n shop delete configmap settings")
        assert refused.returncode == 1
        assert "APPROVAL REQUIRED" in refused.stderr
        let = in_env(
            folder,
            "kubectl --kubeconfig $BYSTANDER_KUBECONFIG -n shop delete deployment web --dry-run=server",
        )
        assert let.returncode == 0, let.stderr
        free = in_env(folder, "kubectl --kubeconfig $AGENT_KUBECONFIG -n sandbox delete configmap scratch")
        assert free.returncode == 0, free.stderr
    finally:
        assert "down" in dev("down", folder)
    assert not folder.exists()
    assert processes_in(tmp_path) == []
    assert "nothing is up" in dev("down", folder)


def test_a_killed_owner_takes_everything_along_and_a_stale_folder_is_no_hindrance(tmp_path: Path) -> None:
    folder = tmp_path / "dev"
    try:
        dev("up", folder)
        os.kill(int((folder / "pid").read_text()), signal.SIGKILL)
        wait_until("nothing is left", lambda: not folder.exists() and not processes_in(tmp_path), within=20)
        folder.mkdir()
        (folder / "pid").write_text("1")
        (folder / "agent.kubeconfig").write_text("stale")
        dev("up", folder)
        assert "token" in (folder / "agent.kubeconfig").read_text()
    finally:
        dev("down", folder)
    assert processes_in(tmp_path) == []
