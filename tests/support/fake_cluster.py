"""A cluster of a few objects for the command line: answers what it was given, refuses the rest."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from peergate.cli.kube import ApiError

__all__ = ["FakeCluster"]

_RESOURCES = {
    "/api": {
        "": [
            ("v1", "Pod", "pods", ["po"], True),
            ("v1", "Secret", "secrets", [], True),
            ("v1", "ConfigMap", "configmaps", ["cm"], True),
            ("v1", "Namespace", "namespaces", ["ns"], False),
            ("v1", "Service", "services", ["svc"], True),
            ("v1", "PersistentVolumeClaim", "persistentvolumeclaims", ["pvc"], True),
        ]
    },
    "/apis": {
        "apps": [
            ("v1", "Deployment", "deployments", ["deploy"], True),
            ("v1", "StatefulSet", "statefulsets", ["sts"], True),
            ("v1", "ReplicaSet", "replicasets", ["rs"], True),
        ],
        "apiextensions.k8s.io": [
            ("v1", "CustomResourceDefinition", "customresourcedefinitions", ["crd"], False),
        ],
        "example.com": [("v1", "Ledger", "ledgers", [], True)],
        "events.k8s.io": [("v1", "Event", "events", ["ev"], True)],
    },
}


class FakeCluster:
    """What ``peergate.cli.kube.Cluster`` offers, over a dict of paths."""

    def __init__(self, objects: Mapping[str, Any], *, namespace: str = "shop") -> None:
        self._objects = {"/api": _discovery("/api"), "/apis": _discovery("/apis"), **objects}
        self.namespace = namespace
        self.namespace_given = True
        self.name = "prod-eu"
        self.context = "alice@prod-eu"
        self.username = "oidc:alice@example.com"
        self.date = ""

    def get(self, path: str, *, query: Mapping[str, str] | None = None, **_: object) -> dict[str, Any]:
        """Return a copy of what is at the path; an empty page for other collections, 404 for the rest."""
        if path not in self._objects and "limit" in (query or {}):
            return {"items": []}
        if path not in self._objects:
            raise ApiError(f"the cluster refused GET {path} (404)", status=404, message="HTTP 404")
        return copy.deepcopy(self._objects[path])

    def find(self, path: str) -> dict[str, Any] | None:
        """Return what is at the path, ``None`` for the rest."""
        return self.get(path) if path in self._objects else None

    def create(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return who asks; nothing else can be created."""
        if body["kind"] != "SelfSubjectReview":
            raise AssertionError(f"nothing is created at {path}")
        return {"status": {"userInfo": {"username": self.username}}}

    def replace(
        self, path: str, body: dict[str, Any], *, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Return the object as a dry run would store it: identity and status are the live one's."""
        if query is None or query.get("dryRun") != "All":
            raise AssertionError("only a dry run may replace")
        live = self.get(path)
        kept = {name: live["metadata"][name] for name in ("uid", "resourceVersion")}
        stored = {**body, "metadata": {**body["metadata"], **kept}}
        return {**stored, "status": live["status"]} if "status" in live else stored


def _discovery(root: str) -> dict[str, Any]:
    items = [
        {
            "metadata": {"name": group},
            "versions": [
                {
                    "version": version,
                    "resources": [
                        {
                            "resource": plural,
                            "responseKind": {"group": group, "version": version, "kind": kind},
                            "scope": "Namespaced" if namespaced else "Cluster",
                            "singularResource": kind.lower(),
                            "shortNames": short,
                            "verbs": ["get", "list"],
                        }
                        for version, kind, plural, short, namespaced in resources
                    ],
                }
                for version in ("v1",)
            ],
        }
        for group, resources in _RESOURCES[root].items()
    ]
    return {"kind": "APIGroupDiscoveryList", "items": items}
