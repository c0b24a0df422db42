"""A cluster on which every file of ``manifests/`` is in force, and Peergate in front of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.harness.clients import Client
from tests.harness.cluster import Cluster
from tests.harness.peergate import Installation
from tests.harness.principals import create_account
from tests.support.changes import Crew, Desk
from tests.support.companions import unheld
from tests.tools.generate import ROOT

MANIFESTS = ROOT / "manifests"

BEFORE = (
    "install.yaml",
    "crds/approvaluses.yaml",
    "crds/approvers.yaml",
    "crds/changerequests.yaml",
    "crds/protectionpolicies.yaml",
    "rbac.yaml",
    "webhook.yaml",
)
"""What an installation consists of, twice over: as the bundle, and in parts."""
AFTER = (
    "approver.example.yaml",
    "approver-hardware.example.yaml",
    "approver-agent.example.yaml",
    "policy.example.yaml",
    "policy-payments.example.yaml",
    "policy-platform.example.yaml",
    "policy-startup.example.yaml",
    "agent.example.yaml",
    "companions.example.yaml",
    "companions-stricter.example.yaml",
)
"""What a platform team applies to it."""
ON_DISK = ("static/companions.example.yaml", "static/companions-stricter.example.yaml")
"""What the API server reads from a folder; its own API refuses such names."""
NOT_OF_A_CLUSTER = ("krew/peergate.yaml",)
"""For kubectl's plugin manager (tests/contract/manifests)."""


@dataclass(frozen=True, slots=True)
class Place:
    """Who is there."""

    installation: Installation
    warnings: Mapping[str, str]
    """What kubectl said on standard error, by file."""
    sre_bot: Client
    """The agent of the example, with the rights of the example."""
    demo: Client
    """Another agent, that RBAC hardly holds."""
    probe: Client
    """An account in the namespace of agents that RBAC does not hold at all."""

    @property
    def cluster(self) -> Cluster:
        return self.installation.cluster


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    file = tmp_path_factory.mktemp("admission") / "admission.yaml"
    file.write_text(yaml.safe_dump(_admission_of(MANIFESTS / "static")), encoding="utf-8")
    warnings = {}
    with (
        Cluster(api_server_flags=[f"--admission-control-config-file={file}"]) as cluster,
        contextlib.ExitStack() as stack,
    ):
        for name in BEFORE:
            warnings[name] = _apply(cluster, name)
        cluster.kubectl(
            "wait", "--for=condition=Established", "--timeout=30s", "-f", str(MANIFESTS / "crds")
        ).must()
        installation = stack.enter_context(Installation(cluster))
        for name in AFTER:
            warnings[name] = _apply(cluster, name)
        demo = create_account(cluster, "agents", "demo-agent", owner="team-demo")
        sre_bot = cluster.client(cluster.kubeconfig_for_account("ai-agents", "sre-bot"))
        probe = unheld(cluster, "ai-agents", "probe")
        installation.wait_gated(demo, namespace="shop")
        yield Place(installation, warnings, sre_bot=sre_bot, demo=demo, probe=probe)


@pytest.fixture(scope="session")
def desk(place: Place) -> Desk:
    return Desk(place.cluster, place.demo, account="agents/demo-agent", owner="team-demo")


@pytest.fixture(scope="session")
def crew(desk: Desk) -> Iterator[Crew]:
    with Crew(desk) as crew:
        yield crew


def _apply(cluster: Cluster, name: str) -> str:
    return cluster.kubectl("apply", "--server-side", "-f", str(MANIFESTS / name)).must().err


def _admission_of(folder: Path) -> dict[str, Any]:
    """Return what docs/companions.md tells a platform team to write."""
    kind = "ValidatingAdmissionPolicy"
    configuration = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": f"{kind}Configuration",
        "staticManifestsDir": str(folder),
    }
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AdmissionConfiguration",
        "plugins": [{"name": kind, "configuration": configuration}],
    }
