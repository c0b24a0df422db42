"""Two nodes: one is emptied, as for its upgrade, and the other one takes what leaves."""

from __future__ import annotations

import pytest
from tests.support.load import under_load

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]


def open_nodes(admin) -> list[str]:
    """Return the nodes that take Pods, but for those of control planes alone."""
    items = admin.request("GET", "/api/v1/nodes").body["items"]
    return [
        node["metadata"]["name"]
        for node in items
        if not any(taint["effect"] == "NoSchedule" for taint in node["spec"].get("taints", ()))
    ]


def test_one_node_after_the_other_is_drained_and_no_call_fails(pair):
    release, admin = pair.installation, pair.admin
    nodes = open_nodes(admin)
    assert len(nodes) == 2
    with under_load(pair):
        for node in nodes:
            selector = "--pod-selector=app.kubernetes.io/name=peergate"
            flags = ("--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s")
            admin.kubectl("drain", node, selector, *flags).must()
            try:
                release.wait_ready()
                places = {pod["spec"]["nodeName"] for pod in release.pods()}
                assert places == {*nodes} - {node}
            finally:
                admin.kubectl("uncordon", node).must()
