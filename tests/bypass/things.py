"""What cases arrange: the usual objects, as small as they can be, and never run by a node.

Pods have a scheduling gate: also where there are nodes, nobody touches them. They meet the strictest of the
Pod Security Standards, so that nothing but the gate under test refuses them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.bypass.model import KINDS, Arm, Arrange
from tests.harness.waiting import wait_until

__all__ = [
    "CONTAINER",
    "FINALIZER",
    "MISSING_OWNER",
    "POD",
    "TEMPLATE",
    "account",
    "also",
    "bound_pod",
    "config_map",
    "custom_object",
    "definition",
    "deployment",
    "dying",
    "filled_definition",
    "leaving",
    "namespace",
    "node",
    "pod",
    "pods_of",
    "served",
    "there",
    "workload",
]

FINALIZER = "example.com/bypass"
MISSING_OWNER = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "name": "never-was",
    "uid": "11111111-2222-4333-8444-555555555555",
}
CONTAINER: dict[str, Any] = {
    "name": "c",
    "image": "example.invalid/none:1",
    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
}
POD: dict[str, Any] = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "automountServiceAccountToken": False,
    "schedulingGates": [{"name": "example.com/bypass"}],
    "containers": [CONTAINER],
}
TEMPLATE: dict[str, Any] = {"metadata": {"labels": {"app": "{name}"}}, "spec": POD}
CONFIG_MAP: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"labels": {"app": "{name}"}},
    "data": {"colour": "blue"},
}


def there(body: Mapping[str, Any]) -> Arrange:
    """Arrange one object."""
    return lambda arm: (arm.make(body),)


def also(*arranges: Arrange) -> Arrange:
    """Arrange several things."""
    return lambda arm: tuple(path for arrange in arranges for path in arrange(arm))


def config_map(**members: Any) -> Arrange:
    """Arrange a ConfigMap."""
    return there(
        {**CONFIG_MAP, "metadata": {**CONFIG_MAP["metadata"], **members.pop("metadata", {})}, **members}
    )


def dying(arm: Arm) -> tuple[str, ...]:
    """Arrange a ConfigMap that somebody deleted and that waits for a controller."""
    [path] = config_map(metadata={"finalizers": [FINALIZER]})(arm)
    arm.admin.request("DELETE", path)
    return (path,)


def pod(**members: Any) -> Arrange:
    """Arrange a Pod that nobody runs."""
    return there(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"labels": {"app": "{name}"}},
            "spec": {**POD, **members},
        }
    )


def pods_of(arm: Arm) -> str:
    """Return the list of the Pods that carry the arm's label."""
    return f"/api/v1/namespaces/{arm.namespace}/pods?labelSelector=app={arm.name}"


def workload(kind: str, *, api: str = "apps/v1", replicas: int = 1, **spec: Any) -> Arrange:
    """Arrange a workload with a selector, and wait for its Pods."""

    def arrange(arm: Arm) -> tuple[str, ...]:
        selector = (
            {"app": "{name}"} if kind == "ReplicationController" else {"matchLabels": {"app": "{name}"}}
        )
        body = {"selector": selector, "template": TEMPLATE, "replicas": replicas, **spec}
        labels = {"app": "{name}"}
        path = arm.make({"apiVersion": api, "kind": kind, "metadata": {"labels": labels}, "spec": body})
        pods = pods_of(arm)
        wait_until("the Pods are there", lambda: len(arm.live(pods)["items"]) == replicas)
        if kind == "Deployment":
            wait_until("it is numbered", lambda: arm.live(path)["metadata"].get("annotations"))
        return (path, pods)

    return arrange


def deployment(*, replicas: int = 1, **spec: Any) -> Arrange:
    """Arrange a Deployment with its Pods."""
    return workload("Deployment", replicas=replicas, **spec)


def account(arm: Arm) -> tuple[str, ...]:
    """Arrange an account that is no agent."""
    return (arm.make({"apiVersion": "v1", "kind": "ServiceAccount"}),)


def namespace(*, protected: bool = True, **labels: str) -> Arrange:
    """Arrange a namespace of its own, protected in both arms; it holds one ConfigMap."""

    def arrange(arm: Arm) -> tuple[str, ...]:
        wanted = {**labels, **({arm.place.label[0]: arm.place.label[1]} if protected else {})}
        path = arm.make({"apiVersion": "v1", "kind": "Namespace", "metadata": {"labels": wanted}})
        inside = arm.make({**CONFIG_MAP, "metadata": {"name": "inside", "namespace": arm.name}})
        return (path, inside)

    return arrange


def definition(arm: Arm) -> tuple[str, ...]:
    """Arrange a CustomResourceDefinition of a group of its own."""
    group = f"{arm.name}.example.com"
    schema = {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {"size": {"type": "integer"}, "note": {"type": "string"}},
            },
            "status": {"type": "object", "properties": {"phase": {"type": "string"}}},
        },
    }
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }
    body = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
            "versions": [version],
        },
    }
    return (arm.make(body),)


def custom_object(arm: Arm) -> tuple[str, ...]:
    """Arrange an object of a definition that all cases share: it takes seconds until one is served."""
    if "group" not in arm.shared:
        maker = Arm(arm.admin, arm.admin, arm.namespace, f"{arm.name}-shared", arm.place, guarded=False)
        definition(maker)
        arm.shared["group"] = f"{maker.name}.example.com"
        arm.shared["endings"] += maker.endings
    path = _widget(arm, group=arm.shared["group"])
    return (path,)


def filled_definition(arm: Arm) -> tuple[str, ...]:
    """Arrange a definition of its own and an object of it."""
    [path] = definition(arm)
    return (path, _widget(arm, group=f"{arm.name}.example.com"))


def _widget(arm: Arm, *, group: str) -> str:
    collection = f"/apis/{group}/v1/namespaces/{arm.namespace}/widgets"
    body = {
        "apiVersion": f"{group}/v1",
        "kind": "Widget",
        "metadata": {"name": arm.name},
        "spec": {"size": 3, "note": "keep"},
    }
    # Served some moments after it says so.
    wait_until(
        "widgets are served", lambda: arm.admin.request("POST", collection, body=body).code in {201, 409}
    )
    return f"{collection}/{arm.name}"


def leaving(kind: str, api: str, *, gate: bool = False) -> Arrange:
    """Arrange nothing but that what the attack may leave is taken away (from the gate's namespace)."""

    def arrange(arm: Arm) -> tuple[str, ...]:
        path = arm.path(kind, api=api, namespace=arm.fill("{gate}") if gate else "")
        arm.endings.append(lambda: arm.admin.request("DELETE", path))
        return ()

    return arrange


def served(kind: str, group_version: str) -> Callable[[Arm], str]:
    """Tell why a case about this kind can't be tried: the cluster does not serve it."""

    def look(arm: Arm) -> str:
        found = arm.live(f"/apis/{group_version}") or {"resources": []}
        names = {resource["name"] for resource in found["resources"]}
        return "" if KINDS[kind][0] in names else f"{kind} is not served as {group_version}"

    return look


def node(arm: Arm) -> tuple[str, ...]:
    """Arrange a Node that is nobody's machine."""
    arm.make({"apiVersion": "v1", "kind": "Node"})
    return ()


def bound_pod(arm: Arm) -> tuple[str, ...]:
    """Arrange a Pod on that Node: its deletion waits for a kubelet."""
    node(arm)
    spec = {"automountServiceAccountToken": False, "containers": [CONTAINER], "nodeName": "{name}"}
    path = arm.make(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"app": "{name}"}}, "spec": spec}
    )
    arm.endings.append(lambda: arm.admin.request("DELETE", path, body={"gracePeriodSeconds": 0}))
    return (path,)
