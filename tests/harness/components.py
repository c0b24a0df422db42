"""The command lines of etcd, the API server and the controller manager.

Tuned for a cluster that lives minutes: no fsync, no leader election, high client rates (the controller
manager else needs 14 s for the first default ServiceAccount), everything on loopback, every file below one
folder.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.harness.pki import Authority, KeyPair

__all__ = [
    "ISSUER",
    "SERVICES",
    "Layout",
    "Place",
    "api_server_command",
    "controller_manager_command",
    "etcd_command",
]

ISSUER = "https://kubernetes.default.svc.cluster.local"

SERVICES = "10.96.0.0/16"
"""Addresses of Services."""

_READING = ["get", "list", "watch"]
_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        # The cluster's own reading drowns everything else and says nothing about the gate.
        {"level": "None", "verbs": _READING, "users": ["system:apiserver"]},
        {"level": "None", "verbs": _READING, "userGroups": ["system:serviceaccounts:kube-system"]},
        {"level": "None", "nonResourceURLs": ["/readyz*", "/livez*", "/healthz*"]},
        {"level": "Metadata"},
    ],
}


@dataclass(frozen=True, slots=True)
class Layout:
    """Where one cluster keeps its files, and its keys."""

    folder: Path
    authority: Authority
    serving: KeyPair
    service_accounts: KeyPair

    @property
    def audit_log(self) -> Path:
        """Return the audit log: one JSON event a line."""
        return self.folder / "audit.log"

    def log(self, component: str) -> Path:
        """Return the log file of a component."""
        return self.folder / f"{component}.log"


def _nowhere_else() -> tuple[str, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where the control plane runs: here, or in the network of a node."""

    address: str = "127.0.0.1"
    """On which the API server listens, and at which clients reach it."""
    addresses: tuple[str, ...] = ()
    """Further ones in its certificate."""
    prefix: Callable[[], tuple[str, ...]] = _nowhere_else
    """Goes before each command line: what enters the network."""


def etcd_command(binary: Path, *, layout: Layout, port: int) -> list[str]:
    """Return the command line of etcd: clients on ``port``, a peer port that nobody uses."""
    client = f"http://127.0.0.1:{port}"
    return [
        str(binary),
        f"--data-dir={layout.folder / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        "--listen-peer-urls=http://127.0.0.1:0",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def api_server_command(
    binary: Path,
    *,
    layout: Layout,
    port: int,
    etcd_port: int,
    address: str = "127.0.0.1",
    extra: tuple[str, ...] = (),
) -> list[str]:
    """Return the command line of the API server; ``extra`` comes last and so wins."""
    policy = layout.folder / "audit-policy.json"
    policy.write_text(json.dumps(_AUDIT_POLICY), encoding="utf-8")
    return [
        str(binary),
        f"--etcd-servers=http://127.0.0.1:{etcd_port}",
        f"--bind-address={address}",
        f"--advertise-address={address}",
        "--endpoint-reconciler-type=none",
        f"--secure-port={port}",
        f"--cert-dir={layout.folder / 'apiserver'}",
        f"--tls-cert-file={layout.serving.certificate}",
        f"--tls-private-key-file={layout.serving.key}",
        f"--client-ca-file={layout.authority.pair.certificate}",
        f"--service-account-key-file={layout.service_accounts.certificate}",
        f"--service-account-signing-key-file={layout.service_accounts.key}",
        f"--service-account-issuer={ISSUER}",
        f"--service-cluster-ip-range={SERVICES}",
        "--authorization-mode=RBAC",
        "--allow-privileged=true",
        f"--audit-policy-file={policy}",
        f"--audit-log-path={layout.audit_log}",
        "--audit-log-mode=blocking",
        "--audit-log-format=json",
        *extra,
    ]


def controller_manager_command(
    binary: Path,
    *,
    layout: Layout,
    kubeconfig: Path,
    extra: tuple[str, ...] = (),
) -> list[str]:
    """Return the command line of the controller manager: every controller under an account of its own."""
    return [
        str(binary),
        f"--kubeconfig={kubeconfig}",
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={layout.service_accounts.key}",
        f"--root-ca-file={layout.authority.pair.certificate}",
        f"--cluster-signing-cert-file={layout.authority.pair.certificate}",
        f"--cluster-signing-key-file={layout.authority.pair.key}",
        "--leader-elect=false",
        "--secure-port=0",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        f"--cert-dir={layout.folder / 'controller-manager'}",
        f"--flex-volume-plugin-dir={layout.folder / 'volume-plugins'}",
        *extra,
    ]
