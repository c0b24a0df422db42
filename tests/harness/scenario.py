"""What the development cluster holds: something worth protecting, the people who answer for it, an agent.

``shop`` is protected, ``sandbox`` is not. Two persons and an agent are approvers; the agent is of the same
owner as ``demo-agent`` and so never counts for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from tests.harness.clients import Client
from tests.harness.principals import create_account
from tests.harness.users import Users

__all__ = ["APPROVERS", "Approver", "Scenario", "set_up", "write_ssh_key"]

_IMAGE = "example.invalid/none:1"  # never pulled: there are no nodes


class Installed(Protocol):
    """Peergate in a cluster, as processes or as a release."""

    @property
    def cluster(self) -> Users:
        """Return the cluster."""

    def wait_gated(self, client: Client, *, namespace: str) -> None:
        """Return once the gate judges this user's changes in a protected namespace."""


@dataclass(frozen=True, slots=True)
class Approver:
    """Who is registered with a key of this name."""

    name: str
    identity: str
    class_: str
    owner: str
    username: str


APPROVERS = (
    Approver(
        name="alice",
        identity="alice@example.com",
        class_="human",
        owner="team-payments",
        username="alice@example.com",
    ),
    Approver(
        name="bob",
        identity="bob@example.com",
        class_="human",
        owner="team-search",
        username="bob@example.com",
    ),
    Approver(
        name="carol-bot",
        identity="carol-bot@agents.example.com",
        class_="agent",
        owner="team-platform",
        username="system:serviceaccount:agents:carol-bot",
    ),
)


@dataclass(frozen=True, slots=True)
class Scenario:
    """Who acts in it."""

    agent: Client
    """``demo-agent`` in namespace ``agents``: tagged, owner ``team-platform``."""
    bystander: Client
    """``bystander`` in namespace ``workers``: the same rights, no tag."""


def set_up(installation: Installed, *, folder: Path, image: str = _IMAGE) -> Scenario:
    """Fill the cluster; write keys and kubeconfigs into the folder; return when the agent is judged.

    ``image`` is what the workloads run where there are nodes.
    """
    cluster = installation.cluster
    agent = create_account(
        cluster, "agents", "demo-agent", owner="team-platform", kubeconfig=folder / "agent.kubeconfig"
    )
    bystander = create_account(cluster, "workers", "bystander", kubeconfig=folder / "bystander.kubeconfig")
    cluster.admin.apply(
        *(_approver(one, key=write_ssh_key(folder / one.name, comment=one.identity)) for one in APPROVERS),
        _account("agents", "carol-bot", owner="team-platform"),
        *_people(),
        _policy(),
    )
    for one in APPROVERS:
        if one.class_ == "human":
            path = folder / f"{one.name}.kubeconfig"
            cluster.kubeconfig_for_user(one.username, groups=("approvers",), path=path)
    cluster.admin.apply(_namespace("shop", protected=True), _namespace("sandbox", protected=False))
    cluster.admin.apply(*_shop(image), _config_map("sandbox", "scratch", {"colour": "blue"}))
    installation.wait_gated(agent, namespace="shop")
    return Scenario(agent=agent, bystander=bystander)


def write_ssh_key(path: Path, *, comment: str) -> str:
    """Write an ed25519 key pair as OpenSSH files, ``path`` and ``path.pub``; return the public line."""
    key = ed25519.Ed25519PrivateKey.generate()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        )
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    line = f"{public.decode('ascii')} {comment}"
    path.with_name(f"{path.name}.pub").write_text(line + "\n", encoding="ascii")
    return line


def _approver(one: Approver, *, key: str) -> dict[str, Any]:
    return {
        "apiVersion": "peergate.dev/v1alpha1",
        "kind": "Approver",
        "metadata": {"name": one.name},
        "spec": {
            "identity": one.identity,
            "class": one.class_,
            "owner": one.owner,
            "kubernetesUsernames": [one.username],
            "keys": [{"type": "ssh", "publicKey": key}],
        },
    }


def _policy() -> dict[str, Any]:
    return {
        "apiVersion": "peergate.dev/v1alpha1",
        "kind": "ProtectionPolicy",
        "metadata": {"name": "default"},
        "spec": {
            "mode": "Enforce",
            "rules": [
                {
                    "operations": ["Delete", "Replace"],
                    "resources": [{"apiGroups": ["*"], "resources": ["*"]}],
                    "approvals": {"required": 1, "minHumans": 0},
                }
            ],
        },
    }


def _people() -> tuple[dict[str, Any], ...]:
    """Return what approvers may do: read everything, try replacements, and decide about ChangeRequests.

    A server-side dry run needs the right to update.
    """
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "approvers"},
        "rules": [
            {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]},
            {
                "apiGroups": ["", "apps"],
                "resources": ["configmaps", "secrets", "deployments", "statefulsets"],
                "verbs": ["update", "patch"],
            },
            {
                "apiGroups": ["peergate.dev"],
                "resources": ["changerequests", "changerequests/status"],
                "verbs": ["patch", "update"],
            },
        ],
    }
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "approvers"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "approvers"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "approvers"}],
    }
    return role, binding


def _namespace(name: str, *, protected: bool) -> dict[str, Any]:
    labels = {"peergate.dev/protected": "true"} if protected else {}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _account(namespace: str, name: str, *, owner: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {
            "namespace": namespace,
            "name": name,
            "labels": {"peergate.dev/agent": "true"},
            "annotations": {"peergate.dev/owner": owner},
        },
    }


def _config_map(namespace: str, name: str, data: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"namespace": namespace, "name": name},
        "data": data,
    }


def _shop(image: str) -> tuple[dict[str, Any], ...]:
    return (
        _config_map("shop", "settings", {"currency": "EUR", "checkout": "open"}),
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"namespace": "shop", "name": "db-password"},
            "stringData": {"password": "made-up-for-development"},
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"namespace": "shop", "name": "data"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        },
        _workload("Deployment", "web", image=image, replicas=3),
        _workload("StatefulSet", "db", image=image, replicas=1, serviceName="db"),
    )


def _workload(kind: str, name: str, *, image: str, replicas: int, **spec: str) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"namespace": "shop", "name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": name, "image": image}]},
            },
            **spec,
        },
    }
