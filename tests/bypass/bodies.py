"""Objects and paths that several modules of cases use."""

from __future__ import annotations

from typing import Any

__all__ = [
    "AUTOSCALER",
    "CLAIM",
    "CM",
    "CMS",
    "EVENT",
    "LEASE",
    "MANIFEST",
    "NS",
    "POD_PATH",
    "SERVICE",
    "SLICE",
    "VOLUME",
    "eviction",
    "secret",
]

CM = "/api/v1/namespaces/{ns}/configmaps/{name}"
CMS = "/api/v1/namespaces/{ns}/configmaps"
POD_PATH = "/api/v1/namespaces/{ns}/pods/{name}"
NS = "/api/v1/namespaces/{name}"
MANIFEST = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "{name}", "namespace": "{ns}"},
    "data": {"colour": "red"},
}
LEASE = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": {"holderIdentity": "a"}}
EVENT = {
    "apiVersion": "v1",
    "kind": "Event",
    "metadata": {},
    "involvedObject": {"kind": "ConfigMap", "namespace": "{ns}", "name": "{name}"},
    "reason": "Evidence",
    "type": "Warning",
}
SLICE = {
    "apiVersion": "discovery.k8s.io/v1",
    "kind": "EndpointSlice",
    "addressType": "IPv4",
    "endpoints": [{"addresses": ["10.1.2.3"]}],
    "ports": [{"port": 80}],
}
AUTOSCALER = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "none"},
        "minReplicas": 2,
        "maxReplicas": 3,
    },
}
CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "spec": {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "",
        "resources": {"requests": {"storage": "1Gi"}},
    },
}
VOLUME: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "PersistentVolume",
    "spec": {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": "Retain",
        "storageClassName": "",
        "nfs": {"server": "203.0.113.1", "path": "/"},
    },
}
SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "spec": {"ports": [{"port": 80}], "selector": {"a": "b"}},
}


def eviction(**members: Any) -> dict[str, Any]:
    return {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "{name}"}, **members}


def secret(kind: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "{name}"},
        "type": kind,
        "data": {"a": "Yg=="},
    }
