"""T5, T12: deletion by owners and finalizers."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.bypass.acts import JSON_PATCH, MERGE, applying, getting, gone, sent, typed
from tests.bypass.bodies import (
    CM,
    NS,
    SERVICE,
    VOLUME,
)
from tests.bypass.model import Arm, Case
from tests.bypass.things import (
    FINALIZER,
    MISSING_OWNER,
    config_map,
    custom_object,
    deployment,
    dying,
    namespace,
    there,
    workload,
)

OWNED = {"metadata": {"ownerReferences": [MISSING_OWNER]}}


def named(path: str) -> Callable[[Arm], bool]:
    """Tell whether what is at the path is gone or going."""

    def look(arm: Arm) -> bool:
        live = arm.live(arm.fill(path))
        return live is None or "deletionTimestamp" in live["metadata"]

    return look


def gone_for_good(arm: Arm) -> bool:
    return arm.live(arm.fill(CM)) is None


def own_and_delete_the_owner(arm: Arm) -> None:
    """Put a new object of one's own over somebody else's, and delete it."""
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"{arm.name}-owner"}}
    collection = f"/api/v1/namespaces/{arm.namespace}/configmaps"
    made = arm.request("POST", collection, owner)
    reference = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": f"{arm.name}-owner",
        "uid": made.get("metadata", {}).get("uid", "") or MISSING_OWNER["uid"],
    }
    body = {"metadata": {"ownerReferences": [reference]}}
    arm.request("PATCH", arm.fill(CM), body, content_type=MERGE)
    arm.request("DELETE", f"{collection}/{arm.name}-owner")


def applied_with_finalizer(arm: Arm) -> tuple[str, ...]:
    """Arrange what a manager applied, a finalizer among it, and somebody deleted."""
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": arm.name, "finalizers": [FINALIZER]},
        "data": {"colour": "blue"},
    }
    path = arm.path("ConfigMap")
    arm.admin.request(
        "PATCH",
        path,
        body=json.dumps(body),
        content_type="application/apply-patch+yaml",
        query={"fieldManager": "owner"},
    )
    arm.endings.append(lambda: arm.unfinalize(path))
    arm.admin.request("DELETE", path)
    return (path,)


CASES = (
    Case(
        "T5 DO10 U3",
        "names an owner that is not there",
        sent("PATCH", CM, OWNED, as_=MERGE),
        config_map(),
        worked=gone("ConfigMap"),
    ),
    Case(
        "T5 DO10 U3",
        "adds an owner by JSON patch",
        sent(
            "PATCH",
            CM,
            [{"op": "add", "path": "/metadata/ownerReferences", "value": [MISSING_OWNER]}],
            as_=JSON_PATCH,
        ),
        config_map(),
        worked=gone("ConfigMap"),
    ),
    Case(
        "T5 DO10 U3",
        "applies an owner",
        applying(
            CM,
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "{name}", "ownerReferences": [MISSING_OWNER]},
            },
            manager="mallory",
        ),
        config_map(),
        worked=gone("ConfigMap"),
    ),
    Case(
        "T5 DO10 U3",
        "puts an owner of its own over an object and deletes it",
        own_and_delete_the_owner,
        config_map(),
        worked=gone("ConfigMap"),
    ),
    Case(
        "T5 DO10 U3",
        "names an owner through the status of a Deployment",
        sent("PATCH", "/apis/apps/v1/namespaces/{ns}/deployments/{name}/status", OWNED, as_=MERGE),
        deployment(replicas=0),
        worked=gone("Deployment", api="apps/v1"),
    ),
    Case(
        "T5 DO10 U3",
        "names an owner through the status of a StatefulSet",
        sent("PATCH", "/apis/apps/v1/namespaces/{ns}/statefulsets/{name}/status", OWNED, as_=MERGE),
        workload("StatefulSet", replicas=0),
        worked=gone("StatefulSet", api="apps/v1"),
    ),
    Case(
        "T5 DO10 U3",
        "names an owner through the status of a Service",
        sent("PATCH", "/api/v1/namespaces/{ns}/services/{name}/status", OWNED, as_=MERGE),
        there(SERVICE),
        worked=gone("Service"),
    ),
    Case(
        "T5 DO10 U3",
        "names an owner of a custom resource",
        sent("PATCH", "/apis/{group}/v1/namespaces/{ns}/widgets/{name}", OWNED, as_=MERGE),
        custom_object,
        worked=named("/apis/{group}/v1/namespaces/{ns}/widgets/{name}"),
    ),
    Case(
        "T5 T9 U3",
        "names an owner of a namespace",
        sent("PATCH", NS, {"metadata": {"ownerReferences": [{**MISSING_OWNER, "kind": "Node"}]}}, as_=MERGE),
        namespace(),
        worked=named(NS),
    ),
    Case(
        "T12 DO9 U4",
        "drops a finalizer and ends somebody's deletion",
        sent("PATCH", CM, {"metadata": {"finalizers": None}}, as_=MERGE),
        dying,
        worked=gone_for_good,
    ),
    Case(
        "T12 DO9 U4",
        "drops a finalizer by its place",
        sent("PATCH", CM, [{"op": "remove", "path": "/metadata/finalizers/0"}], as_=JSON_PATCH),
        dying,
        worked=gone_for_good,
    ),
    Case(
        "T12 DO9 U4",
        "drops a finalizer by PUT",
        getting(CM, lambda _, live: live["metadata"].pop("finalizers")),
        dying,
        worked=gone_for_good,
    ),
    Case(
        "T12 DO9 U4",
        "drops a finalizer by an apply that leaves it out",
        applying(
            CM,
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "{name}"},
                "data": {"colour": "blue"},
            },
        ),
        applied_with_finalizer,
        worked=gone_for_good,
    ),
    Case(
        "T12 DO9 U4",
        "types a patch without finalizers",
        typed('kubectl -n {ns} patch configmap {name} --type=merge -p \'{"metadata":{"finalizers":[]}}\''),
        dying,
        worked=gone_for_good,
    ),
    Case(
        "T12 U4",
        "drops the finalizer that protects a volume",
        sent("PATCH", "/api/v1/persistentvolumes/{name}", {"metadata": {"finalizers": None}}, as_=MERGE),
        there({**VOLUME, "metadata": {"finalizers": [FINALIZER]}}),
    ),
    Case(
        "T12 U4",
        "exchanges a finalizer for another",
        sent("PATCH", CM, {"metadata": {"finalizers": ["example.com/other"]}}, as_=MERGE),
        config_map(metadata={"finalizers": [FINALIZER]}),
    ),
)
