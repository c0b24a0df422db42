"""Cluster-scoped foundations are guarded without any policy; each deletion takes an approval."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from tests.harness.waiting import wait_until
from tests.support.changes import BACKGROUND, SLOT, Peer, path_of, reported, sign, slots

RBAC = "rbac.authorization.k8s.io/v1"


def crd(name: str) -> dict[str, Any]:
    group = f"{name}.example.com"
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "metadata": {"name": f"things.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "things", "singular": "thing", "kind": "Thing"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


def volume(name: str) -> dict[str, Any]:
    return {
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": "/nowhere"},
        }
    }


KINDS: dict[str, tuple[str, str, str, Any]] = {
    "a protected Namespace": (
        "v1",
        "Namespace",
        "namespaces",
        lambda name: {"metadata": {"name": name, "labels": {"peergate.dev/protected": "true"}}},
    ),
    "a CustomResourceDefinition": (
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        crd,
    ),
    "a PersistentVolume": ("v1", "PersistentVolume", "persistentvolumes", volume),
    "a StorageClass": (
        "storage.k8s.io/v1",
        "StorageClass",
        "storageclasses",
        lambda _: {"provisioner": "example.com/none"},
    ),
    "a PriorityClass": (
        "scheduling.k8s.io/v1",
        "PriorityClass",
        "priorityclasses",
        lambda _: {"value": 7},
    ),
    "a ClusterRole": (RBAC, "ClusterRole", "clusterroles", lambda _: {"rules": []}),
    "a ClusterRoleBinding": (
        RBAC,
        "ClusterRoleBinding",
        "clusterrolebindings",
        lambda _: {
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "system:discovery",
            }
        },
    ),
}


@pytest.fixture(params=KINDS.values(), ids=KINDS.keys())
def foundation(request, desk) -> Iterator[str]:
    """The path of such an object, as it stands once its controllers have seen it."""
    api, kind, plural, make = request.param
    name = f"base-{secrets.token_hex(4)}"
    body = {"apiVersion": api, "kind": kind, "metadata": {"name": name}, **make(name)}
    path = path_of(plural, body["metadata"]["name"], api=api)
    desk.create(path, body)
    if kind == "CustomResourceDefinition":
        wait_until("it is established", lambda: "Established" in str(desk.get(path).get("status")))
    if kind == "PersistentVolume":
        wait_until("its controllers are done with it", lambda: _is_settled(desk.get(path)))
    yield path
    desk.cluster.admin.request("DELETE", path)


def _is_settled(volume: dict[str, Any]) -> bool:
    return bool(volume["metadata"].get("finalizers")) and volume.get("status", {}).get("phase") == "Available"


def essence(live: dict[str, Any]) -> tuple[Any, ...]:
    """Return what a deletion or a change would show in; the status is the controllers' own."""
    metadata = live["metadata"]
    return (
        metadata["uid"],
        metadata.get("deletionTimestamp"),
        metadata.get("labels"),
        metadata.get("finalizers"),
        live.get("spec"),
    )


def test_deleting(foundation, desk, agent, alice):
    before = desk.get(foundation)
    reply = agent.request("DELETE", foundation, body=BACKGROUND)
    assert (reply.code, reported(reply)) == (403, "ApprovalMissing")
    assert "rule=baseline" in reply.body["message"]
    assert essence(desk.get(foundation)) == essence(before)
    desk.attach(foundation, slots(sign(desk.deletion(foundation), by=alice)))
    reply = agent.request("DELETE", foundation, body=BACKGROUND)
    assert reply.code in {200, 202}, reply.body
    wait_until("it is gone", lambda: not desk.there(foundation))


def test_replacing(foundation, desk, agent, alice):
    label = {"metadata": {"labels": {"team": "shop"}}}
    merge = {"content_type": "application/merge-patch+json"}
    before = desk.get(foundation)
    reply = agent.request("PATCH", foundation, body=label, **merge)
    assert (reply.code, reported(reply)) == (403, "ApprovalMissing")
    assert essence(desk.get(foundation)) == essence(before)
    change = desk.update(foundation, desk.dry_run("PATCH", foundation, label, **merge))
    desk.attach(foundation, slots(sign(change, by=alice)))
    reply = agent.request("PATCH", foundation, body=label, **merge)
    assert reply.code == 200, reply.body
    assert desk.get(foundation)["metadata"]["labels"]["team"] == "shop"


def test_an_agents_signature_is_not_enough(foundation, desk, agent, people: dict[str, Peer]):
    live = desk.attach(foundation, slots(sign(desk.deletion(foundation), by=people["robot"])))
    assert f"{SLOT}s0" in live["metadata"]["annotations"]
    reply = agent.request("DELETE", foundation, body=BACKGROUND)
    assert (reply.code, reported(reply)) == (403, "QuorumNotMet")
    assert essence(desk.get(foundation)) == essence(live)


def test_a_namespace_that_nobody_protects_is_free(desk, agent, unprotected_namespace):
    path = path_of("namespaces", unprotected_namespace)
    assert agent.request("DELETE", path, body=BACKGROUND).code in {200, 202}
    wait_until("it is gone", lambda: not desk.there(path))


def test_a_kind_of_no_foundation_is_free(desk, agent):
    name = f"free-{secrets.token_hex(4)}"
    path = path_of("runtimeclasses", name, api="node.k8s.io/v1")
    body = {
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": {"name": name},
        "handler": "x",
    }
    desk.create(path, body)
    assert agent.request("DELETE", path, body=BACKGROUND).code == 200
    assert not desk.there(path)
