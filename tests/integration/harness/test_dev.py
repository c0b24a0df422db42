"""``make up`` and ``make down``, in a folder of their own."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from tests.harness import dev
from tests.harness.waiting import wait_until
from tests.integration.harness.test_cluster import processes_in

FILES = {
    *("admin.kubeconfig", "agent.kubeconfig", "bystander.kubeconfig", "alice.kubeconfig", "bob.kubeconfig"),
    *("alice", "alice.pub", "bob", "bob.pub", "carol-bot", "carol-bot.pub", "env"),
}

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def in_env(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    script = f". {folder}/env; {command}"
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    return subprocess.run(
        ["/bin/sh", "-c", script], env=environment, capture_output=True, text=True, check=False
    )


def test_up_twice_then_down_twice_leaves_nothing(tmp_path: Path, capsys) -> None:
    folder = tmp_path / "dev"
    try:
        assert dev.up(folder) == 0
        assert {path.name for path in folder.iterdir()} >= FILES
        assert "ready" in capsys.readouterr().out
        assert dev.up(folder) == 0
        assert "already up" in capsys.readouterr().out
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
        assert dev.down(folder) == 0
    assert not folder.exists()
    assert processes_in(tmp_path) == []
    assert dev.down(folder) == 0
    assert "nothing is up" in capsys.readouterr().out


def test_a_killed_owner_takes_everything_along_and_a_stale_folder_is_no_hindrance(tmp_path: Path) -> None:
    folder = tmp_path / "dev"
    try:
        assert dev.up(folder) == 0
        os.kill(int((folder / "pid").read_text()), signal.SIGKILL)
        wait_until("nothing is left", lambda: not folder.exists() and not processes_in(tmp_path), within=20)
        folder.mkdir()
        (folder / "pid").write_text("1")
        (folder / "agent.kubeconfig").write_text("stale")
        assert dev.up(folder) == 0
        assert "token" in (folder / "agent.kubeconfig").read_text()
    finally:
        assert dev.down(folder) == 0
    assert processes_in(tmp_path) == []
