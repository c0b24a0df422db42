"""A cluster with Peergate's resources, an agent's account and registered approvers; the gate does not run."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.harness.cluster import Cluster
from tests.harness.waiting import wait_until
from tests.support.cli import Done, Terminal, run

_CRDS = Path(__file__).resolve().parents[3] / "manifests" / "crds"
_AGENTS = "a-cli-agents"  # the first of all: of many agents only the first are named


@dataclass(frozen=True, slots=True)
class Person:
    """An approver with a key of its own."""

    name: str
    identity: str
    key: Path


@dataclass(frozen=True, slots=True)
class Scene:
    """A cluster in which somebody approves something."""

    cluster: Cluster
    agent: str
    """``NAMESPACE/NAME`` of the agent's account."""

    def run(self, *arguments: str, input: str | bytes = b"", **extra: str) -> Done:  # noqa: A002
        """Run the command line as the administrator."""
        return run(*arguments, kubeconfig=self.cluster.kubeconfig, input=input, extra=extra)

    def terminal(self, *arguments: str, **extra: str) -> Terminal:
        """Run it at a terminal."""
        return Terminal(*arguments, kubeconfig=self.cluster.kubeconfig, extra=extra)


@pytest.fixture(scope="session")
def scene(cluster: Cluster) -> Scene:
    for path in sorted(_CRDS.glob("*.yaml")):
        cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(path)).must()
    approvers = "/apis/peergate.dev/v1alpha1/approvers"
    wait_until("Approvers are served", lambda: cluster.admin.request("GET", approvers).code == 200)
    policies = "/apis/peergate.dev/v1alpha1/protectionpolicies"
    wait_until("policies are served", lambda: cluster.admin.request("GET", policies).code == 200)
    cluster.admin.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _AGENTS}},
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {
                "name": "bot",
                "namespace": _AGENTS,
                "labels": {"peergate.dev/agent": "true"},
                "annotations": {"peergate.dev/owner": "team-platform"},
            },
        },
    )
    return Scene(cluster=cluster, agent=f"{_AGENTS}/bot")


@pytest.fixture
def register(scene: Scene, tmp_path: Path):
    """Return a function that registers an approver with a fresh key; it is gone after the test."""
    made: list[str] = []

    def make(
        short: str,
        *options: str,
        passphrase: str = "",
        identity: str = "",
        key: Callable[[Path], None] | None = None,
    ) -> Person:
        name = f"{short}-{secrets.token_hex(3)}"
        path = tmp_path / short
        if key is None:
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", path], check=True)
        else:
            key(path)
        person = Person(name=name, identity=identity or f"{name}@example.com", key=path)
        done = scene.run(
            "approver", "create", name, "--identity", person.identity, "--key", f"{path}.pub", *options
        )
        assert done.status == 0, done.err
        made.append(name)
        return person

    yield make
    for name in made:
        scene.cluster.admin.request("DELETE", f"/apis/peergate.dev/v1alpha1/approvers/{name}")


@pytest.fixture
def alice(register) -> Person:
    return register("alice", "--owner", "team-payments")


@pytest.fixture
def web(scene: Scene, namespace: str) -> str:
    """A Deployment ``web`` of no pods in a fresh protected namespace; return the namespace."""
    scene.cluster.admin.apply(deployment(namespace))
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/web"

    def settled() -> bool:
        # Until then the controller adds the revision's annotation and the first status.
        live = scene.cluster.admin.request("GET", path).body
        return {"Progressing", "Available"} <= {
            one["type"] for one in live.get("status", {}).get("conditions", ())
        }

    wait_until("the Deployment's controller is done", settled)
    return namespace


def deployment(namespace: str, *, image: str = "nginx:1", replicas: int = 0) -> dict[str, object]:
    """Return the manifest of ``web``."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": image}]},
            },
        },
    }
