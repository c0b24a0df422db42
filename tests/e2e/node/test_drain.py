"""Nodes are emptied, as for their upgrade, and no other node takes what leaves: the hardest case there is.

All nodes are closed to new Pods, so that one node shows what several would.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from tests.harness.clients import Result
from tests.harness.node.release import NAMESPACE
from tests.harness.waiting import wait_until
from tests.support.changes import DRY_DELETE
from tests.support.load import under_load

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]

BUDGET = f"/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets/peergate"
# What the program is made of is hidden from it.
BROKEN = {
    "updateStrategy": {"type": "Recreate"},
    "extraVolumes": [{"name": "nothing", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "nothing", "mountPath": "/opt/peergate/lib"}],
}


@contextlib.contextmanager
def no_node_takes_pods(admin) -> Iterator[list[str]]:
    """Close all nodes to new Pods; yield their names; open those that were open."""
    items = admin.request("GET", "/api/v1/nodes").body["items"]
    nodes = [node["metadata"]["name"] for node in items if not node["spec"].get("unschedulable")]
    admin.kubectl("cordon", *nodes).must()
    try:
        yield nodes
    finally:
        admin.kubectl("uncordon", *nodes).must()


def drain(admin, nodes: list[str], *, seconds: int) -> Result:
    """Evict the release's Pods from the nodes, as a person does before an upgrade."""
    selector = "--pod-selector=app.kubernetes.io/name=peergate"
    flags = ("--ignore-daemonsets", "--delete-emptydir-data", f"--timeout={seconds}s")
    return admin.kubectl("drain", *nodes, selector, *flags)


def ready_pods(release) -> list[str]:
    return [
        pod["metadata"]["uid"]
        for pod in release.pods()
        if any(one["ready"] for one in pod["status"].get("containerStatuses", ()))
    ]


def test_the_budget_keeps_the_last_replica_until_another_one_has_a_place(town, release):
    admin = release.cluster.admin
    before = set(ready_pods(release))
    with under_load(town):
        with no_node_takes_pods(admin) as nodes:
            done = drain(admin, nodes, seconds=30)
            assert done.status != 0
            assert "disruption budget" in done.err
            [kept] = ready_pods(release)
            assert kept in before
            assert admin.request("GET", BUDGET).body["status"]["disruptionsAllowed"] == 0
        release.wait_ready()
    assert kept in ready_pods(release)


def test_replicas_that_do_not_work_hold_up_no_drain(town, release):
    """unhealthyPodEvictionPolicy AlwaysAllow: a broken gate closes for agents, and never keeps a node."""
    admin = release.cluster.admin
    path = town.victim()
    release.upgrade(values=BROKEN, wait=False)  # they never come up
    try:
        wait_until("both replicas have failed", lambda: crashing(release) == 2, within=120)
        with no_node_takes_pods(admin) as nodes:
            assert admin.request("GET", BUDGET).body["status"]["currentHealthy"] == 0
            drain(admin, nodes, seconds=60).must()
            reply = town.agent.request("DELETE", path, body=DRY_DELETE)
            assert (reply.code, "failed calling webhook" in str(reply.body)) == (500, True)
            assert town.delete(town.bystander, path).code == 200
    finally:
        release.upgrade()
    release.wait_ready()


def crashing(release) -> int:
    return sum(
        pod["status"].get("phase") == "Running" and status["restartCount"] >= 1 and not status["ready"]
        for pod in release.pods()
        for status in pod["status"].get("containerStatuses", ())
    )
