"""What does harm by being created, on a real API server: closed to an agent, opened by a policy."""

from __future__ import annotations

from typing import Any

import pytest
from tests.harness.clients import Client, Reply
from tests.support.changes import guarded, path_of, reported

_CONTAINER = {"name": "c", "image": "example.invalid/none:1"}
_POD = {"containers": [_CONTAINER], "automountServiceAccountToken": False}
_TEMPLATE = {"metadata": {"labels": {"app": "stray"}}, "spec": _POD}
_SELECTOR = {"matchLabels": {"app": "stray"}}
_PRIVILEGED = {**_POD, "containers": [{**_CONTAINER, "securityContext": {"privileged": True}}]}
_OWNER = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "gone", "controller": True}


def volumes(**source: Any) -> dict[str, Any]:
    return {**_POD, "volumes": [{"name": "v", **source}]}


_What = tuple[str, str, dict[str, Any]]
"""The plural, the API version, the object but for its name."""

CLOSED: dict[str, _What] = {
    "an autoscaler": (
        "horizontalpodautoscalers",
        "autoscaling/v2",
        {
            "kind": "HorizontalPodAutoscaler",
            "spec": {
                "maxReplicas": 1,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            },
        },
    ),
    "an autoscaler of another version": (
        "horizontalpodautoscalers",
        "autoscaling/v1",
        {
            "kind": "HorizontalPodAutoscaler",
            "spec": {
                "maxReplicas": 1,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            },
        },
    ),
    "a network policy": (
        "networkpolicies",
        "networking.k8s.io/v1",
        {"kind": "NetworkPolicy", "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}},
    ),
    "a quota": ("resourcequotas", "v1", {"kind": "ResourceQuota", "spec": {"hard": {"pods": "0"}}}),
    "a limit": (
        "limitranges",
        "v1",
        {"kind": "LimitRange", "spec": {"limits": [{"type": "Container", "max": {"memory": "1Mi"}}]}},
    ),
    "Endpoints": (
        "endpoints",
        "v1",
        {"kind": "Endpoints", "subsets": [{"addresses": [{"ip": "203.0.113.7"}], "ports": [{"port": 80}]}]},
    ),
    "an EndpointSlice": (
        "endpointslices",
        "discovery.k8s.io/v1",
        {
            "kind": "EndpointSlice",
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["203.0.113.7"]}],
            "ports": [],
        },
    ),
    "a ReplicaSet that adopts": (
        "replicasets",
        "apps/v1",
        {"kind": "ReplicaSet", "spec": {"replicas": 0, "selector": _SELECTOR, "template": _TEMPLATE}},
    ),
    "a ReplicaSet that claims a controller": (
        "replicasets",
        "apps/v1",
        {
            "kind": "ReplicaSet",
            "metadata": {"ownerReferences": [_OWNER]},
            "spec": {"replicas": 0, "selector": _SELECTOR, "template": _TEMPLATE},
        },
    ),
    "a ReplicationController": (
        "replicationcontrollers",
        "v1",
        {
            "kind": "ReplicationController",
            "spec": {"replicas": 0, "selector": {"app": "stray"}, "template": _TEMPLATE},
        },
    ),
    "a Pod with files of its node": (
        "pods",
        "v1",
        {"kind": "Pod", "spec": volumes(hostPath={"path": "/"})},
    ),
    "a Pod with somebody's claim": (
        "pods",
        "v1",
        {"kind": "Pod", "spec": volumes(persistentVolumeClaim={"claimName": "data"})},
    ),
    "a Pod in its node's network": ("pods", "v1", {"kind": "Pod", "spec": {**_POD, "hostNetwork": True}}),
    "a privileged Deployment": (
        "deployments",
        "apps/v1",
        {
            "kind": "Deployment",
            "spec": {"selector": _SELECTOR, "template": {**_TEMPLATE, "spec": _PRIVILEGED}},
        },
    ),
}
FREE: dict[str, _What] = {
    "a Pod": ("pods", "v1", {"kind": "Pod", "spec": _POD}),
    "a Deployment": (
        "deployments",
        "apps/v1",
        {"kind": "Deployment", "spec": {"replicas": 0, "selector": _SELECTOR, "template": _TEMPLATE}},
    ),
    "a Service": ("services", "v1", {"kind": "Service", "spec": {"ports": [{"port": 80}]}}),
    "a claim": (
        "persistentvolumeclaims",
        "v1",
        {
            "kind": "PersistentVolumeClaim",
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        },
    ),
    "a disruption budget": (
        "poddisruptionbudgets",
        "policy/v1",
        {"kind": "PodDisruptionBudget", "spec": {"minAvailable": 1, "selector": _SELECTOR}},
    ),
}


def create(client: Client, namespace: str, what: _What, *, dry: bool = False) -> Reply:
    resource, api, body = what
    metadata = {"name": "new", "namespace": namespace, **body.get("metadata", {})}
    path = path_of(resource, "", namespace=namespace, api=api).rstrip("/")
    query = {"dryRun": "All"} if dry else None
    return client.request("POST", path, body={"apiVersion": api, **body, "metadata": metadata}, query=query)


def there(desk: Any, namespace: str, what: _What) -> bool:
    resource, api, _ = what
    return bool(desk.there(path_of(resource, "new", namespace=namespace, api=api)))


def test_it_is_refused_to_an_agent_alone(desk, agent, bystander, namespace):
    for sentence, what in CLOSED.items():
        worked = create(bystander, namespace, what, dry=True)
        assert worked.code == 201, (sentence, worked.body)
        refused = create(agent, namespace, what)
        assert (refused.code, reported(refused)) == (403, "NotApprovable"), (sentence, refused.body)
        assert "(allowCreate)" in refused.body["message"]
        assert not there(desk, namespace, what), sentence


def test_what_is_not_on_the_list_is_free(desk, agent, namespace):
    for sentence, what in FREE.items():
        made = create(agent, namespace, what)
        assert made.code == 201, (sentence, made.body)


def test_in_an_open_namespace_all_of_it_is(agent, unprotected_namespace):
    for sentence, what in CLOSED.items():
        made = create(agent, unprotected_namespace, what, dry=True)
        assert made.code == 201, (sentence, made.body)


def test_an_apply_and_a_put_of_what_is_missing_are_creations(desk, agent, namespace):
    resource, api, body = CLOSED["a quota"]
    path = path_of(resource, "new", namespace=namespace, api=api)
    document = {"apiVersion": api, **body, "metadata": {"name": "new", "namespace": namespace}}
    applied = agent.request(
        "PATCH",
        path,
        body=document,
        content_type="application/apply-patch+yaml",
        query={"fieldManager": "me"},
    )
    assert (applied.code, reported(applied)) == (403, "NotApprovable")
    resource, api, body = CLOSED["a limit"]
    path = path_of(resource, "new", namespace=namespace, api=api)
    document = {"apiVersion": api, **body, "metadata": {"name": "new", "namespace": namespace}}
    put = agent.request("PUT", path, body=document)
    assert (put.code, reported(put)) == (403, "NotApprovable")
    assert not there(desk, namespace, CLOSED["a limit"])


def test_a_put_creates_what_is_free_and_needs_approval_for_what_is_there(desk, agent, namespace):
    path = path_of("services", "web", namespace=namespace)
    body = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {"ports": [{"port": 80}]},
    }
    assert agent.request("PUT", path, body=body).code == 201
    before = desk.get(path)
    over = agent.request("PUT", path, body={**body, "spec": {"ports": [{"port": 81}]}})
    assert (over.code, reported(over)) == (403, "ApprovalMissing")
    assert desk.get(path) == before


@pytest.mark.parametrize("mode", ["Enforce", "Audit"])
def test_a_policy_opens_a_kind(mode, desk, agent, namespace):
    quotas = [{"apiGroups": [""], "resources": ["resourcequotas"]}]
    opened = {"allowCreate": quotas}
    with guarded(desk, opened) as (here, _):
        assert create(agent, here, CLOSED["a quota"]).code == 201
        refused = create(agent, here, CLOSED["a limit"])
        assert (refused.code, reported(refused)) == (403, "NotApprovable")
    with guarded(desk, opened, {"mode": mode}) as (here, _):
        second = create(agent, here, CLOSED["a quota"])
        assert second.code == (403 if mode == "Enforce" else 201), second.body
