"""What the tests of the runtime share: a cluster with our resources, and a client of our own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests.harness.cluster import Cluster
from tests.harness.waiting import wait_until

from peergate.cluster.client import Client
from peergate.control.crds import custom_resource_definitions


@pytest.fixture(scope="session")
def peergate_cluster(cluster: Cluster) -> Cluster:
    for definition in custom_resource_definitions().values():
        cluster.kubectl("apply", "--server-side", "-f", "-", input=definition).must()
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s").must()
    return cluster


@pytest.fixture
async def ended_connections() -> AsyncIterator[None]:
    """Let no TLS connection that was closed outlive the test.

    Closing one asks the server to close as well and does not wait for it. kopf ends its watches so when it
    stops; whatever still waits when the loop ends is lost, and some later test is blamed.
    """
    yield
    transports = asyncio.get_running_loop()._transports  # by file descriptor, weak
    async with asyncio.timeout(20):
        while any(open_._sock is not None for open_ in list(transports.values())):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


@pytest.fixture
async def api(peergate_cluster: Cluster, ended_connections: None) -> AsyncIterator[Client]:
    client = await Client.connect(Path(peergate_cluster.kubeconfig))
    yield client
    await client.close()


@pytest.fixture
def namespace(peergate_cluster: Cluster) -> str:
    name = f"runtime-{uuid4().hex[:8]}"
    peergate_cluster.kubectl("create", "namespace", name).must()
    account = f"/api/v1/namespaces/{name}/serviceaccounts/default"  # without it no Pod is taken
    wait_until("it has an account", lambda: peergate_cluster.admin.request("GET", account).code == 200)
    return name


@pytest.fixture
def until() -> Callable[..., Awaitable[Any]]:
    """Wait until something holds; how long is the test's patience, not its speed."""

    async def wait(holds: Callable[[], Any], *, within: float = 30.0) -> Any:
        async with asyncio.timeout(within):
            while not (found := holds()):  # noqa: ASYNC110 - what holds is anybody's state
                await asyncio.sleep(0.02)
            return found

    return wait


@pytest.fixture
def running() -> Callable[..., Any]:
    """Run something for the length of a block."""

    @asynccontextmanager
    async def run(*coroutines: Any) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in coroutines]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()

    return run
