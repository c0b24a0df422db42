"""A node of our own: nothing is left of it, whatever ends its owner; and it says what it needs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.harness.node import backend
from tests.harness.waiting import wait_until

pytestmark = pytest.mark.e2e
__test__ = backend.chosen() == "node"  # where the others run on kind there may be no root

ROOT = Path(__file__).resolve().parents[3]
OWNER = """
import sys, time
from tests.harness.node.localnode import LocalNode
with LocalNode() as node:
    print(node.machine._name, node.machine.folder, node.cluster.folder, node.machine.pid, flush=True)
    time.sleep(600)
"""


def test_nothing_stays_of_a_node_whose_owner_is_killed():
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT}"}
    with subprocess.Popen(
        [sys.executable, "-c", OWNER], env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as owner:
        name, *folders, pid = owner.stdout.readline().split()
        assert Path("/sys/class/net", name).exists()
        assert any(Path("/sys/fs/cgroup").glob(f"*/{name}"))
        owner.send_signal(signal.SIGKILL)

    def processes() -> list[str]:
        found = []
        for status in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                words = status.read_bytes().decode(errors="replace")
                if any(folder in words for folder in folders):
                    found.append(words)
        return found

    wait_until("its programs end", lambda: not processes())
    wait_until("its cable goes", lambda: not Path("/sys/class/net", name).exists())
    wait_until("its cgroups go", lambda: not any(Path("/sys/fs/cgroup").glob(f"*/{name}")))
    wait_until("its files go", lambda: not any(Path(folder).exists() for folder in folders))
    assert not Path("/proc", pid).exists()
    assert not [line for line in Path("/proc/mounts").read_text().splitlines() if folders[0] in line]


def test_who_is_not_root_is_told_so_in_one_line():
    script = (
        "import os\nfrom tests.harness.node.isolation import what_is_missing\nos.seteuid(65534)\n"
        "print(what_is_missing())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "a local node needs root (namespaces, cgroups, mounts): sudo make e2e\n"
