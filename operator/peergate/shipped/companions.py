"""The companion policies, from one template: what holds inside the API server while the webhook is down.

A ValidatingAdmissionPolicy compares and refuses. It knows no signatures and no labels of accounts, so it is
for agents that are known by namespace, group or user name, and for what no approval may open. Whether the
live ones are these tells ``peergate.shipped.standing``. Nothing here talks to a cluster.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from importlib import resources
from typing import Final

from peergate.model.names import JsonObject
from peergate.settings import Settings
from peergate.shipped.template import fill, username_pattern

__all__ = [
    "STATIC_SUFFIX",
    "STRICTER",
    "companion_policies",
    "knows_agents",
    "static_manifests",
    "stricter_policies",
    "template",
]

STATIC_SUFFIX: Final = ".static.k8s.io"
"""How names of static manifests end; the API refuses such names (C4)."""
STRICTER: Final = frozenset({"metadata-integrity.peergate.dev", "hard-denials.peergate.dev"})
"""Policies that also refuse what a peer may have approved: examples, never installed by default."""

_EXEMPT_NAMESPACE: Final = "kube-system"


def template() -> str:
    """Return the template of all companion policies and their bindings.

    Shape: YAML of one List, in which every ``$placeholder`` stands for one JSON literal;
    ``$username_patterns`` is a list of anchored RE2 patterns.
    """
    return resources.files("peergate.shipped").joinpath("companions.yaml").read_text(encoding="utf-8")


def knows_agents(settings: Settings) -> bool:
    """Tell whether these settings name any agent by namespace, group or user name."""
    agents = settings.agents
    return bool(agents.strict or _namespaces(settings) or agents.groups or agents.usernames)


def companion_policies(settings: Settings) -> tuple[JsonObject, ...]:
    """Return the policies of an installation, each followed by its binding; none where they name nobody.

    Source: V3, and of V1 the two selecting labels of namespaces (kubernetes-facts.md §5.4).
    """
    return tuple(document for document in _render(settings) if document["metadata"]["name"] not in STRICTER)


def stricter_policies(settings: Settings) -> tuple[JsonObject, ...]:
    """Return those for stricter clusters, likewise: they refuse also what a peer approved."""
    return tuple(document for document in _render(settings) if document["metadata"]["name"] in STRICTER)


def static_manifests(documents: Iterable[JsonObject]) -> tuple[JsonObject, ...]:
    """Return the same as files that an API server reads from its disk: under names of their own.

    Shape: ``namespace-labels.peergate.dev`` becomes ``namespace-labels.peergate.static.k8s.io``.
    """
    found = []
    for document in copy.deepcopy(list(documents)):
        document["metadata"]["name"] = _static_name(document["metadata"]["name"])
        if "policyName" in document["spec"]:
            document["spec"]["policyName"] = _static_name(document["spec"]["policyName"])
        found.append(document)
    return tuple(found)


def _render(settings: Settings) -> list[JsonObject]:
    if not knows_agents(settings):
        return []
    document = fill(
        template(),
        {
            "operator_username": settings.operator_username,
            "protected_label": settings.labels.protected,
            "agents_label": settings.labels.agents,
            "trusted": settings.agents.trusted,
            "strict": settings.agents.strict,
            "agents_namespaces": _namespaces(settings),
            "groups": settings.agents.groups,
            "username_patterns": [username_pattern(glob) for glob in settings.agents.usernames],
        },
    )
    items: list[JsonObject] = document["items"]
    return items


def _namespaces(settings: Settings) -> list[str]:
    return sorted({*settings.agents.namespaces} - {_EXEMPT_NAMESPACE})


def _static_name(name: str) -> str:
    return name.removesuffix(".dev") + STATIC_SUFFIX
