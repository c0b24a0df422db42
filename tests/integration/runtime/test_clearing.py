"""What has ended long ago is cleared away on a live cluster, and no rejection in force goes with it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.approvals import make_key
from tests.support.changes import path_of
from tests.support.records import DELETION, recorded
from tests.support.requests_of import rejection
from tests.support.world import MERGE

from peergate.cluster.client import Client
from peergate.cluster.endpoints import APPROVERS, CHANGE_REQUESTS, Endpoint
from peergate.cluster.snapshots import Snapshots
from peergate.control.clearing import sweep_requests
from peergate.settings import Settings

pytestmark = pytest.mark.cluster


class Here:
    """The API server, of which only one namespace's requests are listed: others are other tests'."""

    def __init__(self, api: Client, *, namespace: str) -> None:
        self.get, self.delete = api.get, api.delete
        self._api, self._namespace = api, namespace

    def list_pages(self, endpoint: Endpoint, **how: Any) -> Any:
        return self._api.list_pages(endpoint, namespace=self._namespace, **how)


async def filed(api: Client, namespace: str, name: str) -> None:
    body = recorded(DELETION)
    body["metadata"] = {"name": name, "namespace": namespace}
    made = await api.create(CHANGE_REQUESTS, namespace=namespace, body=body)
    assert isinstance(made, dict)


@pytest.fixture
async def reject(api, namespace, peergate_cluster, until):
    """Reject as an approver who is one also to an operator that may run beside this."""
    key = make_key("ssh-ed25519", namespace)
    body = {
        "apiVersion": APPROVERS.api_version,
        "kind": "Approver",
        "metadata": {"name": namespace},
        "spec": {
            "identity": f"{namespace}@example.com",
            "class": "human",
            "kubernetesUsernames": [namespace],
            "keys": [{"type": key.type, "publicKey": key.public_text}],
        },
    }
    made = await api.create(APPROVERS, body=body)
    kubeconfig = peergate_cluster.kubeconfig_for_user(namespace, groups=("system:masters",))
    person = peergate_cluster.client(kubeconfig)

    async def reject(name: str, *, lasts: timedelta) -> None:
        path = path_of("changerequests", name, namespace=namespace, api=CHANGE_REQUESTS.api_version)
        status = rejection(f"{namespace}@example.com", lasts=lasts)

        def is_written() -> bool:
            return person.request("PATCH", f"{path}/status", body=status, content_type=MERGE).code == 200

        await until(is_written)

    yield reject
    await api.delete(APPROVERS, name=namespace, uid=made["metadata"]["uid"])


async def test_a_leader_whose_cache_is_empty_yet_clears_no_rejection_away(api, namespace, reject):
    """Attack: an agent waits with its approval until a new leader forgets who said no."""
    names = tuple(f"cr-{letter * 20}" for letter in "bcd")
    for name in names:
        await filed(api, namespace, name)
    await reject(names[1], lasts=timedelta(days=20))
    await reject(names[2], lasts=timedelta(days=5))
    empty = Snapshots(api, Settings())
    in_nine_days = datetime.now(UTC) + timedelta(days=9)
    await sweep_requests(Here(api, namespace=namespace), empty, settings=Settings(), now=in_nine_days)
    left = [
        document["metadata"]["name"]
        async for page, _ in api.list_pages(CHANGE_REQUESTS, namespace=namespace)
        for document in page
    ]
    assert left == [names[1]]
