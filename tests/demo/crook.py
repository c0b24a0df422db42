"""What an agent that knows the format well would do: sign correctly, with the wrong key."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.harness.cluster import Cluster

from peergate.approval.envelope import pae, write_envelope
from peergate.approval.sign import load_private_key
from peergate.approval.statement import write_statement
from peergate.approval.target import Target
from peergate.model.change import ObjectRef, Requester
from peergate.model.review import Kind

__all__ = ["forged_approval"]


def forged_approval(cluster: Cluster, *, key: Path, requester: str) -> str:
    """Return an approval of the deletion of ``shop/web``, right in everything but who signs."""
    admin = cluster.admin
    live = admin.request("GET", "/apis/apps/v1/namespaces/shop/deployments/web").body
    namespace, name = requester.split(":")[2:]
    account = admin.request("GET", f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}").body
    kube_system = admin.request("GET", "/api/v1/namespaces/kube-system").body
    change = Target(
        audience=f"k8s:{kube_system['metadata']['uid']}",
        operation="DELETE",
        object=ObjectRef("apps", "v1", "deployments", "", "shop", "web", live["metadata"]["uid"]),
        requester=Requester(requester, account["metadata"]["uid"]),
        requester_owner="team-platform",
        kind=Kind("apps", "v1", "Deployment"),
        old=live,
        options={"propagationPolicy": "Background"},
    ).change("k8s-projection/v1")
    now = datetime.now(UTC).replace(microsecond=0)
    payload = write_statement(
        change,
        approver="carol-bot@agents.example.com",
        issued_at=now,
        expires=now + timedelta(minutes=10),
        nonce=secrets.token_bytes(16),
        reason="trust me",
    )
    signer = load_private_key(key.read_bytes())
    return write_envelope(payload, signer.sign(pae(payload)), signer.key_id)
