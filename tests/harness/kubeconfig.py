"""Write kubeconfig files: one cluster, one user, one context."""

from __future__ import annotations

import json
from pathlib import Path

from tests.harness.pki import KeyPair

__all__ = ["write_kubeconfig"]


def write_kubeconfig(
    path: Path,
    *,
    server: str,
    authority: Path,
    user: KeyPair | str,
    namespace: str = "default",
) -> Path:
    """Return ``path``, which then holds a kubeconfig for a client certificate or a bearer token.

    Shape: JSON, which is YAML too; certificates are named by their absolute paths. Readable by its owner
    only.
    """
    if isinstance(user, str):
        credentials = {"token": user}
    else:
        credentials = {"client-certificate": str(user.certificate), "client-key": str(user.key)}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "peergate", "cluster": {"server": server, "certificate-authority": str(authority)}}
        ],
        "users": [{"name": "user", "user": credentials}],
        "contexts": [
            {"name": "peergate", "context": {"cluster": "peergate", "user": "user", "namespace": namespace}}
        ],
        "current-context": "peergate",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return path
