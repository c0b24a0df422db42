"""Namespaces that live as long as one test."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator

from tests.harness.users import Users
from tests.harness.waiting import wait_until

__all__ = ["fresh_namespace"]


@contextlib.contextmanager
def fresh_namespace(cluster: Users, *, protected: bool) -> Iterator[str]:
    """Yield the name of a new namespace that has its default ServiceAccount; delete it afterwards.

    Its end is not waited for: the cluster goes on emptying it while the next test runs.
    """
    name = f"test-{secrets.token_hex(5)}"
    labels = {"peergate.dev/protected": "true"} if protected else {}
    metadata = {"name": name, "labels": labels}
    cluster.admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
    wait_until(
        "the namespace has its ServiceAccount", lambda: cluster.admin.request("GET", account).code == 200
    )
    try:
        yield name
    finally:
        cluster.admin.request("DELETE", f"/api/v1/namespaces/{name}")
