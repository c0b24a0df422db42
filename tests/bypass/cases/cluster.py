"""T6, T9, T19: the foundations: namespaces, definitions, nodes, volumes, classes, cluster roles."""

from __future__ import annotations

import json
from typing import Any

from tests.bypass.acts import MERGE, exists, getting, sent, typed
from tests.bypass.bodies import NS, VOLUME
from tests.bypass.cases.metadata import named
from tests.bypass.model import Arm, Case
from tests.bypass.things import definition, filled_definition, leaving, namespace, node, served, there

CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{name}.example.com"
NODE = "/api/v1/nodes/{name}"
PV = "/api/v1/persistentvolumes/{name}"
ROLE_PATH = "/apis/rbac.authorization.k8s.io/v1/clusterroles/{name}"
API = "/apis/apiregistration.k8s.io/v1/apiservices/v1.{name}.example.com"

STORAGE = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": "example.com/none"}
PRIORITY = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "value": 7}
ROLE = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRole",
    "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}],
}
BINDING = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRoleBinding",
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "nobody"}],
}
SERVED = {
    "apiVersion": "apiregistration.k8s.io/v1",
    "kind": "APIService",
    "metadata": {"name": "v1.{name}.example.com"},
    "spec": {
        "group": "{name}.example.com",
        "version": "v1",
        "groupPriorityMinimum": 100,
        "versionPriority": 10,
        "insecureSkipTLSVerify": True,
        "service": {"namespace": "{ns}", "name": "none"},
    },
}


def without_finalizers(_: Arm, live: dict[str, Any]) -> None:
    live["spec"]["finalizers"] = []


def orphaned(arm: Arm) -> bool:
    live = arm.live(arm.fill(NS))
    return live is None or not live["spec"].get("finalizers")


def unserved(_: Arm, live: dict[str, Any]) -> None:
    live["spec"]["versions"][0]["served"] = False


def pruning(_: Arm, live: dict[str, Any]) -> None:
    """Leave a field out of the schema: it is dropped from every object that is written."""
    schema = live["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    del schema["properties"]["spec"]["properties"]["note"]


def converting(_: Arm, live: dict[str, Any]) -> None:
    """Let a webhook of one's own write every object anew."""
    live["spec"]["conversion"] = {
        "strategy": "Webhook",
        "webhook": {
            "clientConfig": {"url": "https://203.0.113.1/convert"},
            "conversionReviewVersions": ["v1"],
        },
    }


def renamed(_: Arm, live: dict[str, Any]) -> None:
    live["spec"]["versions"].append(
        {**json.loads(json.dumps(live["spec"]["versions"][0])), "name": "v2", "storage": False}
    )


def tainted(arm: Arm) -> bool:
    live = arm.live(arm.fill(NODE))
    return any(taint["key"] == "bypass" for taint in live["spec"].get("taints", ()))


def bound_volume(arm: Arm) -> tuple[str, ...]:
    """Arrange a volume that keeps a claim's data after the claim is gone."""
    claim = {"namespace": arm.namespace, "name": "gone", "uid": "11111111-2222-4333-8444-555555555555"}
    body = json.loads(json.dumps(VOLUME))
    body["spec"]["claimRef"] = claim
    return (arm.make(body),)


def ending_service(arm: Arm) -> tuple[str, ...]:
    arm.endings.append(lambda: arm.admin.request("DELETE", arm.fill(API)))
    return ()


ATTACHED = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "VolumeAttachment",
    "spec": {"attacher": "none.example.com", "nodeName": "none", "source": {"persistentVolumeName": "none"}},
}
TAINT = {
    "apiVersion": "resource.k8s.io/v1",
    "kind": "DeviceTaintRule",
    "metadata": {"name": "{name}"},
    "spec": {
        "deviceSelector": {"driver": "none.example.com"},
        "taint": {"key": "example.com/bypass", "value": "x", "effect": "NoExecute"},
    },
}


def ending_volume(arm: Arm) -> tuple[str, ...]:
    arm.endings.append(lambda: arm.admin.request("DELETE", arm.fill(PV)))
    return ()


DELETING_VOLUME = {
    **VOLUME,
    "metadata": {"name": "{name}"},
    "spec": {**VOLUME["spec"], "persistentVolumeReclaimPolicy": "Delete"},
}

CASES = (
    Case(
        "T10 DO11 U7",
        "creates a volume that deletes somebody's storage with its claim",
        typed("kubectl create -f -", given=DELETING_VOLUME),
        ending_volume,
        worked=exists("PersistentVolume"),
    ),
    Case("T9 DO2", "deletes a namespace", typed("kubectl delete namespace {name} --wait=false"), namespace()),
    Case(
        "T9 DO2",
        "deletes namespaces by a label",
        typed("kubectl delete namespace -l case={name} --wait=false"),
        namespace(case="{name}"),
    ),
    Case(
        "T9 DO9",
        "orphans what a namespace holds",
        getting(NS, without_finalizers, to=NS + "/finalize"),
        namespace(),
        worked=orphaned,
    ),
    Case(
        "T9 DO9",
        "orphans what a namespace holds, without a version",
        lambda arm: arm.request(
            "PUT",
            arm.fill(NS) + "/finalize",
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": arm.name}, "spec": {}},
        ),
        namespace(),
        worked=orphaned,
    ),
    Case(
        "U5 DO12",
        "lets any Pod into a namespace",
        typed("kubectl label namespace {name} pod-security.kubernetes.io/enforce=privileged"),
        namespace(),
    ),
    Case(
        "T6 DO2",
        "deletes a definition and with it every object",
        typed("kubectl delete crd widgets.{name}.example.com --wait=false"),
        filled_definition,
        worked=named(CRD),
    ),
    Case("T6 U14", "stops serving a definition", getting(CRD, unserved), definition),
    Case("T6 U14", "prunes what a definition keeps", getting(CRD, pruning), definition),
    Case(
        "T6 U14",
        "converts every object of a definition by a webhook of its own",
        getting(CRD, converting),
        definition,
    ),
    Case("T6 U14", "adds a version to a definition", getting(CRD, renamed), definition),
    Case(
        "T6 T5",
        "names an owner of a definition",
        sent(
            "PATCH",
            CRD,
            {
                "metadata": {
                    "ownerReferences": [
                        {
                            "apiVersion": "v1",
                            "kind": "Node",
                            "name": "never",
                            "uid": "11111111-2222-4333-8444-555555555556",
                        }
                    ]
                }
            },
            as_=MERGE,
        ),
        definition,
        worked=named(CRD),
    ),
    Case("DO2", "deletes a volume", typed("kubectl delete pv {name} --wait=false"), there(VOLUME)),
    Case(
        "T10 U7 DO11",
        "lets a volume be deleted with its claim",
        sent("PATCH", PV, {"spec": {"persistentVolumeReclaimPolicy": "Delete"}}, as_=MERGE),
        there(VOLUME),
    ),
    Case(
        "T10 U7",
        "takes a volume from its claim",
        typed('kubectl patch pv {name} --type=merge -p \'{"spec":{"claimRef":null}}\''),
        bound_volume,
    ),
    Case("DO2", "deletes a storage class", typed("kubectl delete storageclass {name}"), there(STORAGE)),
    Case(
        "U1 DO2",
        "makes a storage class the default",
        typed(
            "kubectl annotate storageclass {name} example.com/bypass=x "
            "storageclass.kubernetes.io/is-default-class=true"
        ),
        there(STORAGE),
    ),
    Case(
        "U15 DO12", "deletes a priority class", typed("kubectl delete priorityclass {name}"), there(PRIORITY)
    ),
    Case("T10 DO3", "deletes a node", typed("kubectl delete node {name}"), node, worked=named(NODE)),
    Case(
        "DO2",
        "takes a volume off its node",
        typed("kubectl delete volumeattachment {name} --wait=false"),
        there(ATTACHED),
    ),
    Case(
        "T10 U12 DO3",
        "drives off what uses a device",
        typed("kubectl create -f -", given=TAINT),
        leaving("DeviceTaintRule", "resource.k8s.io/v1"),
        worked=exists("DeviceTaintRule", api="resource.k8s.io/v1"),
        applies=served("DeviceTaintRule", "resource.k8s.io/v1"),
    ),
    Case(
        "T10 U12 DO3",
        "drives everything off a node",
        typed("kubectl taint node {name} bypass=x:NoExecute"),
        node,
        worked=tainted,
    ),
    Case(
        "T10 U12 DO3",
        "takes a node out of use",
        typed("kubectl cordon {name}"),
        node,
        worked=lambda arm: bool(arm.live(arm.fill(NODE))["spec"].get("unschedulable")),
    ),
    Case(
        "T10 U19",
        "says that a node is down",
        sent(
            "PATCH",
            NODE + "/status",
            {
                "status": {
                    "conditions": [{"type": "Ready", "status": "False", "reason": "Bypass", "message": "x"}]
                }
            },
            as_="application/strategic-merge-patch+json",
        ),
        node,
        worked=lambda arm: any(
            condition["reason"] == "Bypass"
            for condition in arm.live(arm.fill(NODE)).get("status", {}).get("conditions", ())
        ),
    ),
    Case(
        "T19 DO2 U15",
        "deletes where an API is served",
        typed("kubectl delete apiservice v1.{name}.example.com"),
        there(SERVED),
    ),
    Case(
        "T19",
        "has an API served by a server of its own",
        typed("kubectl create -f -", given=SERVED),
        ending_service,
        worked=lambda arm: arm.live(arm.fill(API)) is not None,
    ),
    Case(
        "T19 U15",
        "turns an API to a server of its own",
        sent("PATCH", API, {"spec": {"service": {"name": "mine"}}}, as_=MERGE),
        there(SERVED),
    ),
    Case(
        "U16 DO13",
        "changes what a cluster role allows",
        sent("PATCH", ROLE_PATH, {"rules": []}, as_=MERGE),
        there(ROLE),
    ),
    Case(
        "U16 DO13",
        "lets a cluster role grow into others",
        typed("kubectl label clusterrole {name} rbac.authorization.k8s.io/aggregate-to-view=true"),
        there(ROLE),
    ),
    Case(
        "DO13",
        "deletes a cluster role binding",
        typed("kubectl delete clusterrolebinding {name}"),
        there(BINDING),
    ),
)
