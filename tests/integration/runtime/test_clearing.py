"""What has ended long ago is cleared away on a live cluster, and no rejection in force goes with it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.records import DELETION, recorded
from tests.support.requests_of import rejection

from peergate.cluster.client import Client
from peergate.cluster.endpoints import CHANGE_REQUESTS, Endpoint
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


async def filed(api: Client, namespace: str, name: str, *, lasts: timedelta | None = None) -> None:
    body = recorded(DELETION)
    body["metadata"] = {"name": name, "namespace": namespace}
    made = await api.create(CHANGE_REQUESTS, namespace=namespace, body=body)
    assert isinstance(made, dict)
    if lasts is not None:
        status = rejection("alice@example.com", lasts=lasts)
        written = await api.patch(
            CHANGE_REQUESTS, namespace=namespace, name=name, subresource="status", body=status
        )
        assert isinstance(written, dict)


async def test_a_leader_whose_cache_is_empty_yet_clears_no_rejection_away(api, namespace):
    """Attack: an agent waits with its approval until a new leader forgets who said no."""
    names = tuple(f"cr-{letter * 20}" for letter in "bcd")
    await filed(api, namespace, names[0])
    await filed(api, namespace, names[1], lasts=timedelta(days=20))
    await filed(api, namespace, names[2], lasts=timedelta(days=5))
    empty = Snapshots(api, Settings())
    in_nine_days = datetime.now(UTC) + timedelta(days=9)
    await sweep_requests(Here(api, namespace=namespace), empty, settings=Settings(), now=in_nine_days)
    left = [
        document["metadata"]["name"]
        async for page, _ in api.list_pages(CHANGE_REQUESTS, namespace=namespace)
        for document in page
    ]
    assert left == [names[1]]
