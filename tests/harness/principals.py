"""ServiceAccounts of a development cluster and what they may do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.harness.clients import Client
from tests.harness.users import Users

__all__ = ["OPERATOR_LEVEL", "create_account", "grant_operator_level", "operator_level_role"]

OPERATOR_LEVEL = "operator-level"
"""The ClusterRole of an account that runs a platform."""

_ADMISSION = "admissionregistration.k8s.io"
_OWN = "peergate.dev"  # also before Peergate is installed
_READ = ["get", "list", "watch"]
_WRITE = ["create", "update", "patch", "delete", "deletecollection"]


def operator_level_role(cluster: Users) -> dict[str, Any]:
    """Return a ClusterRole with every verb on every resource, but for a few.

    Left out are writes on admission configuration and the verbs impersonate, escalate and bind. RBAC only
    adds, so every API group that the cluster serves now is named: apply it again after new groups appear.
    """
    served = cluster.admin.request("GET", "/apis").body["groups"]
    groups = sorted({"", _OWN, *(group["name"] for group in served)} - {_ADMISSION})
    certificates = "certificates.k8s.io"
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": OPERATOR_LEVEL},
        "rules": [
            {"apiGroups": groups, "resources": ["*"], "verbs": [*_READ, *_WRITE]},
            {"apiGroups": [_ADMISSION], "resources": ["*"], "verbs": _READ},
            {"apiGroups": [certificates], "resources": ["signers"], "verbs": ["approve", "sign"]},
            {"nonResourceURLs": ["*"], "verbs": ["get"]},
        ],
    }


def grant_operator_level(cluster: Users, namespace: str, name: str) -> None:
    """Give a ServiceAccount the operator-level role in the whole cluster."""
    cluster.admin.apply(
        operator_level_role(cluster),
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": f"{OPERATOR_LEVEL}-{namespace}-{name}"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": OPERATOR_LEVEL,
            },
            "subjects": [{"kind": "ServiceAccount", "namespace": namespace, "name": name}],
        },
    )


def create_account(
    cluster: Users,
    namespace: str,
    name: str,
    *,
    owner: str | None = None,
    kubeconfig: Path | None = None,
) -> Client:
    """Create a ServiceAccount with operator-level rights; return its client.

    With an ``owner`` it is tagged as an AI agent; without, it is a bystander.
    """
    metadata: dict[str, Any] = {"namespace": namespace, "name": name}
    if owner is not None:
        metadata |= {
            "labels": {"peergate.dev/agent": "true"},
            "annotations": {"peergate.dev/owner": owner},
        }
    cluster.admin.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
    )
    grant_operator_level(cluster, namespace, name)
    return cluster.client(cluster.kubeconfig_for_account(namespace, name, path=kubeconfig))
