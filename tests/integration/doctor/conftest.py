"""A cluster of its own, whose gate and rights can be spoilt without harm to other tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.harness.cluster import Cluster
from tests.harness.namespaces import fresh_namespace
from tests.harness.peergate import Installation
from tests.harness.principals import create_account
from tests.support.cli import Done, run

CONFIGURATION = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/peergate"


@dataclass(frozen=True, slots=True)
class Ward:
    """A cluster with Peergate and an agent of operator-level rights."""

    cluster: Cluster
    installation: Installation
    agent: str
    """Its display name."""

    def run(self, *arguments: str, kubeconfig: Path | None = None) -> Done:
        """Run the command line as the administrator."""
        return run(*arguments, kubeconfig=kubeconfig or self.cluster.kubeconfig)

    def report(self, *arguments: str) -> dict[str, Any]:
        """Return what ``doctor -o json`` says."""
        done = self.run("doctor", *arguments, "-o", "json")
        assert done.status in {0, 3}, done.err
        document: dict[str, Any] = done.json()
        failing = document["summary"]["fail"]
        assert done.status == (3 if failing else 0)
        return document

    def findings(self, *arguments: str, about: str = "", check: str = "") -> list[dict[str, Any]]:
        """Return the findings about somebody, or of one check."""
        return [
            finding
            for finding in self.report(*arguments)["findings"]
            if (not about or about in finding["subjects"]) and check in {"", finding["check"]}
        ]


@pytest.fixture(scope="session")
def ward() -> Iterator[Ward]:
    with Cluster() as cluster, Installation(cluster) as installation:
        client = create_account(cluster, "agents", "demo-agent", owner="team-platform")
        with fresh_namespace(cluster, protected=True) as namespace:
            installation.wait_gated(client, namespace=namespace)
        yield Ward(cluster=cluster, installation=installation, agent="agents/demo-agent")


@pytest.fixture
def place(ward: Ward) -> Iterator[str]:
    """A fresh protected namespace of that cluster."""
    with fresh_namespace(ward.cluster, protected=True) as name:
        yield name
