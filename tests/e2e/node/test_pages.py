"""The commands of the pages that need Pods, for which tests/integration/pages has stand-ins."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.harness.binaries import find_binaries
from tests.support.documents import ROOT
from tests.support.pages import Page, search_path, workplace

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]


def test_what_the_runbook_looks_at_is_there(town, release, tmp_path):
    environment = {
        "PATH": search_path(Path(sys.executable).parent, find_binaries().kubectl.parent),
        "HOME": str(tmp_path),
        "KUBECONFIG": str(release.cluster.kubeconfig),
        "KUBECACHEDIR": str(tmp_path / "cache"),
        "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT}",
    }
    page = Page("runbook.md", folder=workplace(tmp_path / "top"), environment=environment, prelude="names")
    # The agent there has the rights of an operator, of which the doctor finds fault.
    *_, readiness, metrics = page.run("look", status={0: 3})
    for check in ("first-sync", "listener", "self-test"):
        assert f"[+]{check} ok" in readiness
    assert "peergate_gate_exact 1.0" in metrics
    deployment, _, addresses, logged = page.run("down")
    assert "2/2" in deployment
    assert "peergate-" in addresses
    assert '"level"' in logged
    _, status = page.run("restart")
    assert "successfully rolled out" in status
    release.wait_ready()
