"""The story of the README, played from beginning to end on a cluster of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.cluster
def test_every_claim_of_the_demo_holds():
    done = subprocess.run(
        [sys.executable, "-m", "tests.demo"],
        cwd=_REPOSITORY,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    assert "26 of 26 claims hold." in done.stdout
