"""What the profiles of ``agent create`` may do, and what is left out on purpose (approval-format.md D2)."""

from __future__ import annotations

from typing import Final

from peergate.model.names import GROUP, JsonObject

__all__ = ["LEFT_OUT", "rules_of"]

_READ: Final = ("get", "list", "watch")
_WRITE: Final = (*_READ, "create", "update", "patch", "delete")

_CORE: Final = (
    "configmaps",
    "endpoints",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "services",
)
_GROUPS: Final = (
    ("apps", ("daemonsets", "deployments", "replicasets", "statefulsets")),
    ("autoscaling", ("horizontalpodautoscalers",)),
    ("batch", ("cronjobs", "jobs")),
    ("networking.k8s.io", ("ingresses", "networkpolicies")),
    ("policy", ("poddisruptionbudgets",)),
)
_READ_ONLY: Final = (
    ("", ("events", "limitranges", "pods/log", "resourcequotas", "serviceaccounts")),
    ("apps", ("controllerrevisions",)),
    ("discovery.k8s.io", ("endpointslices",)),
    ("events.k8s.io", ("events",)),
    (GROUP, ("changerequests",)),
)

LEFT_OUT: Final = (
    "admission configuration and RBAC: no writes",
    "tokens: none may be minted (serviceaccounts/token)",
    "impersonation, escalate, bind: none",
    "certificate signing requests: no creation, no approval",
    "deletecollection: objects go one by one",
    "Secrets: not even reading them",
    "exec, attach, port-forward, proxy, ephemeral containers: none",
    "peergate.dev: ChangeRequests only",
)
"""Printed for the person who creates the agent."""


def rules_of(profile: str) -> list[JsonObject]:
    """Return the RBAC rules of ``viewer`` or ``operator``."""
    verbs = _WRITE if profile == "operator" else _READ
    rules = [
        _rule("", _CORE, verbs),
        *(_rule(group, resources, verbs) for group, resources in _GROUPS),
        *(_rule(group, resources, _READ) for group, resources in _READ_ONLY),
    ]
    if profile == "operator":
        rules += [
            _rule("", ("pods/eviction",), ("create",)),
            _rule("", ("replicationcontrollers/scale",), ("get", "update", "patch")),
            _rule("apps", tuple(f"{one}/scale" for one in _SCALABLE), ("get", "update", "patch")),
            # The reason for a request and the approvals on it; the gate lets it change nothing else there.
            _rule(GROUP, ("changerequests",), ("patch",)),
        ]
    return rules


_SCALABLE: Final = ("deployments", "replicasets", "statefulsets")


def _rule(group: str, resources: tuple[str, ...], verbs: tuple[str, ...]) -> JsonObject:
    return {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}
