"""Gates to compare with, before a real API server: a webhook that decides nothing, kopf, a policy.

Each judges the namespaces that carry its label, and there updates and deletions
of ConfigMaps and Deployments.
"""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.harness.cluster import Cluster
from tests.harness.ports import Port, listens
from tests.harness.process import Child
from tests.harness.waiting import wait_until
from tests.perf.process import Server, running
from tests.perf.servers import PATHS

__all__ = ["ANNOTATION", "LABEL", "other_gates"]

ANNOTATION = "approval.peergate.dev/v1.s0"
"""What kopf's handler and the policy look for."""
LABEL = "bench.example.com/gate"
"""Of a namespace; ``bare``, ``kopf`` or ``policy``."""
_HANDLER = Path(__file__).with_name("annotation_handler.py")
_RULES = [
    {
        "apiGroups": [""],
        "apiVersions": ["*"],
        "resources": ["configmaps"],
        "operations": ["UPDATE", "DELETE"],
    },
    {
        "apiGroups": ["apps"],
        "apiVersions": ["*"],
        "resources": ["deployments"],
        "operations": ["UPDATE", "DELETE"],
    },
]


@contextmanager
def other_gates(cluster: Cluster) -> Iterator[None]:
    """Put the other gates before the cluster: two webhooks as processes, one policy."""
    with running("bare", core=None) as servers, _kopf(cluster, servers[0]) as port:
        admin = cluster.admin
        bare = servers[0]
        admin.apply(
            _webhook("bare", f"https://127.0.0.1:{bare.port}{PATHS['bare']}", authority=bare.authority),
            _webhook("kopf", f"https://127.0.0.1:{port}/annotated", authority=bare.authority),
            *_policy(),
        )
        yield


@contextmanager
def _kopf(cluster: Cluster, other: Server) -> Iterator[int]:
    """Run the handler by ``kopf run``, with the certificate of the other server; give its port."""
    with Port() as port:
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(cluster.folder / "home"),
            "KUBECONFIG": str(cluster.kubeconfig),
            "BENCH_DIRECTORY": str(other.directory),
            "BENCH_PORT": str(port.number),
            "BENCH_ANNOTATION": ANNOTATION,
        }
        child = Child(
            [
                sys.executable,
                "-m",
                "kopf",
                "run",
                "--standalone",
                "--all-namespaces",
                "--quiet",
                str(_HANDLER),
            ],
            folder=cluster.kept,
            log=cluster.folder / "kopf.log",
            environment=environment,
        )
        try:
            wait_until("kopf listens", lambda: listens(child.pid, port=port.number) or _ended(child))
            yield port.number
        finally:
            child.stop()


def _ended(child: Child) -> bool:
    if not child.running:
        raise RuntimeError(f"kopf ended: {child.tail()}")
    return False


def _webhook(arm: str, url: str, *, authority: bytes) -> dict[str, Any]:
    name = f"{arm}.bench.example.com"
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [
            {
                "name": name,
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "timeoutSeconds": 10,
                "clientConfig": {"url": url, "caBundle": base64.b64encode(authority).decode()},
                "namespaceSelector": _selector(arm),
                "rules": _RULES,
            }
        ],
    }


def _policy() -> Sequence[Mapping[str, Any]]:
    name = "policy.bench.example.com"
    expression = f"has(oldObject.metadata.annotations) && {ANNOTATION!r} in oldObject.metadata.annotations"
    return (
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {
                "matchConstraints": {"resourceRules": _RULES},
                "validations": [{"expression": expression, "message": "no approval"}],
            },
        },
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {
                "policyName": name,
                "validationActions": ["Deny"],
                "matchResources": {"namespaceSelector": _selector("policy")},
            },
        },
    )


def _selector(arm: str) -> dict[str, Any]:
    return {"matchLabels": {LABEL: arm}}
