"""T10, T20: creating is not always harmless: what closes a namespace, and what breaks out of it."""

from __future__ import annotations

from typing import Any

from tests.bypass.acts import exists, nothing, sent, typed
from tests.bypass.bodies import CLAIM, SERVICE
from tests.bypass.cases.content import POLICY
from tests.bypass.model import Arrange, Case
from tests.bypass.things import CONTAINER, POD, TEMPLATE, also, leaving, there


def creating(ids: str, name: str, body: dict[str, Any], arrange: Arrange = nothing) -> Case:
    """Return the case that an agent creates this object, and that it is there then."""
    kind, api = body["kind"], body["apiVersion"]
    document = {**body, "metadata": {**body.get("metadata", {}), "name": "{name}"}}
    return Case(
        ids,
        name,
        typed("kubectl -n {ns} create -f -", given=document),
        also(arrange, leaving(kind, api)),
        worked=exists(kind, api=api),
    )


def a_pod(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "spec": {**POD, **spec}}


def privileged() -> dict[str, Any]:
    container = {**CONTAINER, "securityContext": {"privileged": True}}
    return a_pod(containers=[container])


HOST_PATH = [{"name": "root", "hostPath": {"path": "/"}}]
ANOTHERS = [{"name": "data", "persistentVolumeClaim": {"claimName": "{name}"}}]
TAKEN = {**CLAIM, "metadata": {"name": "data-{name}-0"}}
TAKING_SET = {
    "apiVersion": "apps/v1",
    "kind": "StatefulSet",
    "metadata": {"name": "{name}"},
    "spec": {
        "serviceName": "none",
        "selector": {"matchLabels": {"app": "{name}"}},
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete", "whenScaled": "Delete"},
        "template": TEMPLATE,
        "volumeClaimTemplates": [{**CLAIM, "metadata": {"name": "data"}}],
    },
}
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "spec": {
        "replicas": 0,
        "selector": {"matchLabels": {"app": "{name}"}},
        "template": {**TEMPLATE, "spec": {**POD, "volumes": HOST_PATH}},
    },
}
CRON_JOB = {
    "apiVersion": "batch/v1",
    "kind": "CronJob",
    "spec": {
        "schedule": "0 0 1 1 *",
        "jobTemplate": {"spec": {"template": {"spec": {**POD, "restartPolicy": "Never", "hostPID": True}}}},
    },
}
SLICE = {
    "apiVersion": "discovery.k8s.io/v1",
    "kind": "EndpointSlice",
    "metadata": {"name": "{name}", "labels": {"kubernetes.io/service-name": "{name}"}},
    "addressType": "IPv4",
    "endpoints": [{"addresses": ["10.1.2.3"]}],
    "ports": [{"port": 80}],
}
ENDPOINTS = {
    "apiVersion": "v1",
    "kind": "Endpoints",
    "subsets": [{"addresses": [{"ip": "10.1.2.3"}], "ports": [{"port": 80}]}],
}
CLOSED = {**POLICY, "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}}
NO_QUOTA = {"apiVersion": "v1", "kind": "ResourceQuota", "spec": {"hard": {"count/none.example.com": "0"}}}
LIMITS = {
    "apiVersion": "v1",
    "kind": "LimitRange",
    "spec": {"limits": [{"type": "PersistentVolumeClaim", "max": {"storage": "1"}}]},
}

CASES = (
    creating("DO12 T10", "closes the network of a namespace by a new policy", CLOSED),
    creating("DO12 T10", "closes a namespace by a new quota", NO_QUOTA),
    creating("DO12 T10", "closes a namespace by a new limit", LIMITS),
    creating("T10", "leads a Service elsewhere", SLICE, there(SERVICE)),
    creating("T10", "leads a Service elsewhere by the older kind", ENDPOINTS),
    Case(
        "DO12 T10",
        "creates a limit by PUT, which a client may",
        sent("PUT", "/api/v1/namespaces/{ns}/limitranges/{name}", {**LIMITS, "metadata": {"name": "{name}"}}),
        leaving("LimitRange", "v1"),
        worked=exists("LimitRange"),
    ),
    creating("T20 DO15", "creates a Pod with the node's files", a_pod(volumes=HOST_PATH)),
    creating("T20 DO15", "creates a privileged Pod", privileged()),
    creating("T20 DO15", "creates a Pod in the node's network", a_pod(hostNetwork=True)),
    creating("DO15", "creates a Pod on somebody's claim", a_pod(volumes=ANOTHERS), there(CLAIM)),
    Case(
        "T10 DO15 U8",
        "creates a StatefulSet that takes somebody's claim for its own",
        typed("kubectl -n {ns} create -f -", given=TAKING_SET),
        there(TAKEN),
    ),
    creating("T20 DO15", "creates a workload with the node's files", DEPLOYMENT),
    creating("T20 DO15", "creates a CronJob that sees the node's processes", CRON_JOB),
)
