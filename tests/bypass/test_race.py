"""B11, B12: one approval, many requests at once, two replicas of the gate.

On a cluster of its own, where an approval of an update is used strictly once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.harness.clients import Reply
from tests.harness.cluster import Cluster
from tests.harness.namespaces import fresh_namespace
from tests.harness.peergate import Installation
from tests.harness.principals import create_account
from tests.harness.waiting import wait_until
from tests.support.changes import SLOT, Crew, Desk, config_map, path_of, reported, sign, slots, use_path

pytestmark = pytest.mark.cluster
MANY = 12
MERGE = {"content_type": "application/merge-patch+json"}


@pytest.fixture(scope="module")
def replicated() -> Iterator[Installation]:
    with (
        Cluster() as cluster,
        Installation(cluster, replicas=2, settings={"approvals": {"retryWindow": "0s"}}) as installation,
    ):
        yield installation


@pytest.fixture(scope="module")
def strict_desk(replicated) -> Desk:
    cluster = replicated.cluster
    client = create_account(cluster, "agents", "demo-agent", owner="team-platform")
    with fresh_namespace(cluster, protected=True) as namespace:
        replicated.wait_gated(client, namespace=namespace)
    return Desk(cluster, client, account="agents/demo-agent", owner="team-platform")


@pytest.fixture(scope="module")
def signer(strict_desk):
    with Crew(strict_desk) as crew:
        yield crew.register("alice")


@pytest.fixture
def raced(strict_desk, signer) -> Iterator[tuple[str, str]]:
    """The path of a ConfigMap and the approval of its turning red, which both replicas know."""
    with fresh_namespace(strict_desk.cluster, protected=True) as namespace:
        path = path_of("configmaps", "settings", namespace=namespace)
        strict_desk.create(path, config_map(namespace))
        wanted = config_map(namespace, data={"colour": "red"})
        approval = sign(strict_desk.update(path, strict_desk.dry_run("PUT", path, wanted)), by=signer)
        strict_desk.attach(path, slots(approval))
        once = {"query": {"dryRun": "All"}}
        wait_until(
            "every replica admits it",
            lambda: all(
                strict_desk.agent.request("PUT", path, body=wanted, **once).code == 200 for _ in "ab"
            ),
        )
        yield path, approval


def all_at_once(desk: Desk, path: str, wanted: dict[str, Any]) -> list[Reply]:
    """Send the same update many times at once."""
    start = threading.Barrier(MANY)

    def send(_: int) -> Reply:
        start.wait()
        return desk.agent.request("PUT", path, body=wanted)

    with ThreadPoolExecutor(MANY) as pool:
        return list(pool.map(send, range(MANY)))


def turned(live: dict[str, Any], colour: str) -> dict[str, Any]:
    """Return the object in another colour; it holds for this resourceVersion alone."""
    return {**live, "data": {"colour": colour}}


def uses(desk: Desk) -> dict[str, Any]:
    listed = desk.get("/apis/peergate.dev/v1alpha1/namespaces/peergate-system/approvaluses")["items"]
    return {use["metadata"]["name"]: use for use in listed}


def test_of_many_uses_at_once_exactly_one_is_recorded_and_admitted(strict_desk, raced):
    desk, (path, approval) = strict_desk, raced
    known = uses(desk).keys()
    replies = all_at_once(desk, path, turned(desk.get(path), "red"))
    codes = [(reply.code, reported(reply)) for reply in replies]
    assert codes.count((200, "")) == 1
    # Who was reviewed after the object had changed meets its new version.
    assert set(codes) <= {(200, ""), (403, "AlreadyUsed"), (409, "")}
    assert desk.get(path)["data"] == {"colour": "red"}
    record = use_path(approval)
    assert uses(desk).keys() - known == {record.rpartition("/")[2]}
    assert desk.get(record)["spec"]["requester"]["username"] == desk.requester.username


def test_after_a_change_back_no_replica_admits_it_again(strict_desk, replicated, raced):
    desk, (path, approval) = strict_desk, raced
    assert desk.agent.request("PUT", path, body=turned(desk.get(path), "red")).code == 200
    record = desk.get(use_path(approval))
    known = uses(desk)
    assert desk.cluster.admin.request("PATCH", path, body={"data": {"colour": "blue"}}, **MERGE).code == 200
    before = desk.get(path)
    assert before["metadata"]["annotations"] == {f"{SLOT}s0": approval}
    reviewed = [replica.reviews(operation="UPDATE", decision="deny") for replica in replicated.replicas]
    replies = all_at_once(desk, path, turned(before, "red"))
    assert {(reply.code, reported(reply)) for reply in replies} == {(403, "AlreadyUsed")}
    assert desk.get(path) == before
    assert desk.get(use_path(approval)) == record
    assert uses(desk) == known
    wait_until(
        "both replicas had their part",
        lambda: all(
            replica.reviews(operation="UPDATE", decision="deny") > earlier
            for replica, earlier in zip(replicated.replicas, reviewed, strict=True)
        ),
        within=10,
    )
