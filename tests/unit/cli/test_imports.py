"""The command line starts without the operator, the cluster client and pydantic (experience.md §4)."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tests.support.cli import environment

_HEAVY = ("kopf", "aiohttp", "kubernetes", "pydantic", "cryptography", "rich", "yaml")
_MODULES = (
    "peergate.cli",
    "peergate.__main__",
    "peergate.cli.approve",
    "peergate.cli.show",
    "peergate.cli.reject",
    "peergate.cli.attach",
    "peergate.cli.verify",
    "peergate.cli.agent",
    "peergate.cli.approver",
    "peergate.cli.doctor.command",
    "peergate.cli.hooks.command",
    "peergate.cli.completion",
    "peergate.cli.version",
)


@pytest.mark.parametrize("module", _MODULES)
def test_importing_loads_nothing_heavy(module):
    code = f"import sys, {module}; print([name for name in {_HEAVY} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment(None)
    )
    assert done.stdout.strip() == "[]"
