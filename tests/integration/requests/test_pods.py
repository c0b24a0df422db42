"""Deleting Pods: by force, gracefully, with several reviews of one request."""

from __future__ import annotations

from typing import Any

import pytest
from tests.harness.waiting import wait_until
from tests.support.changes import BACKGROUND, path_of, reported, sign, slots

FORCE = {**BACKGROUND, "gracePeriodSeconds": 0}


def path(namespace: str) -> str:
    return path_of("pods", "worker", namespace=namespace)


def pod(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "worker"},
        "spec": {
            "automountServiceAccountToken": False,
            "containers": [{"name": "worker", "image": "example.invalid/none:1"}],
            **spec,
        },
    }


PLACED = {"nodeName": "node-that-is-not-there"}
"""On a node the Pod is deleted gracefully; without one it goes at once."""


@pytest.mark.parametrize("spec", [{}, PLACED], ids=["unscheduled", "on a node"])
def test_forced_deletion_is_reviewed_more_than_once_and_ends_in_one_way(
    spec, desk, agent, namespace, alice, peergate
):
    before = desk.create(path(namespace), pod(**spec))
    words = ("-n", namespace, "delete", "pod", "worker", "--grace-period=0", "--force", "--wait=false")
    refused = agent.kubectl(*words)
    assert not refused.ok
    assert "APPROVAL REQUIRED (pending 0/1): delete Pod" in refused.err
    assert marks(desk.get(path(namespace))) == marks(before)
    approval = sign(desk.deletion(path(namespace), options=FORCE), by=alice)
    desk.attach(path(namespace), slots(approval))
    answered = peergate.process.reviews(operation="DELETE", decision="allow")
    denied = peergate.process.reviews(operation="DELETE", decision="deny")
    agent.kubectl(*words).must()
    assert not desk.there(path(namespace))
    wait_until(
        "both reviews are counted",
        lambda: peergate.process.reviews(operation="DELETE", decision="allow") >= answered + 2,
    )
    assert peergate.process.reviews(operation="DELETE", decision="deny") == denied


def marks(live: dict[str, Any]) -> tuple[Any, ...]:
    """Return what a deletion that was begun would have left on a Pod."""
    metadata = live["metadata"]
    members = ("uid", "generation", "deletionTimestamp", "deletionGracePeriodSeconds")
    return tuple(metadata.get(member) for member in members)


def test_an_approval_of_the_graceful_deletion_does_not_cover_force(desk, agent, namespace, alice):
    desk.create(path(namespace), pod(**PLACED))
    approval = sign(desk.deletion(path(namespace)), by=alice)
    before = desk.attach(path(namespace), slots(approval))
    reply = agent.request("DELETE", path(namespace), body=FORCE)
    assert (reply.code, reported(reply)) == (403, "OptionsDiffer")
    assert marks(desk.get(path(namespace))) == marks(before)
    short = agent.request("DELETE", path(namespace), body={**BACKGROUND, "gracePeriodSeconds": 29})
    assert (short.code, reported(short)) == (403, "OptionsDiffer")
    assert marks(desk.get(path(namespace))) == marks(before)
    graceful = agent.request("DELETE", path(namespace), body=BACKGROUND)
    assert graceful.code == 200, graceful.body
    terminating = desk.get(path(namespace))
    assert terminating["metadata"]["deletionGracePeriodSeconds"] == 30
    cut = agent.request("DELETE", path(namespace), body=FORCE)
    assert (cut.code, reported(cut)) == (403, "OptionsDiffer")
    assert marks(desk.get(path(namespace))) == marks(terminating)


def test_a_pod_that_changed_meanwhile_is_still_the_approved_one(desk, agent, namespace, alice):
    desk.create(path(namespace), pod())
    desk.attach(path(namespace), slots(sign(desk.deletion(path(namespace), options=FORCE), by=alice)))
    desk.cluster.admin.kubectl("-n", namespace, "label", "pod", "worker", "seen=yes").must()
    assert agent.request("DELETE", path(namespace), body=FORCE).code == 200
    assert not desk.there(path(namespace))


def test_another_pod_of_the_same_name_is_not(desk, agent, namespace, alice):
    desk.create(path(namespace), pod())
    approval = sign(desk.deletion(path(namespace), options=FORCE), by=alice)
    admin = desk.cluster.admin
    assert admin.request("DELETE", path(namespace), body=FORCE).code == 200
    desk.create(path(namespace), pod())
    before = desk.attach(path(namespace), slots(approval))
    reply = agent.request("DELETE", path(namespace), body=FORCE)
    assert (reply.code, reported(reply)) == (403, "ObjectReplaced")
    assert marks(desk.get(path(namespace))) == marks(before)
