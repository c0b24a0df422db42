"""Find what a TYPE on the command line means in this cluster, as kubectl does.

``pods``, ``pod``, ``po``, ``deployments.apps`` and ``deployments.v1.apps`` all work; where two groups have a
resource of that name, the first in the server's order is meant.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from peergate.cli.kube import Cluster
from peergate.cli.text import visible
from peergate.errors import CommandError
from peergate.model.names import JsonObject
from peergate.model.review import Kind

__all__ = ["ApiResource", "discover", "resource_of_kind", "resource_of_type"]

_AGGREGATED: Final = ",".join(
    f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
    for version in ("v2", "v2beta1")
)
_ACCEPT: Final = f"{_AGGREGATED},application/json"


@dataclass(frozen=True, slots=True)
class ApiResource:
    """One resource of the API, at one version."""

    kind: Kind
    plural: str
    singular: str
    short: tuple[str, ...]
    namespaced: bool
    listable: bool = True
    """Whether it can be listed, and so looked through."""

    @property
    def full_name(self) -> str:
        """Return how kubectl names it without doubt: ``deployments.v1.apps``, ``pods``."""
        group, version = self.kind.group, self.kind.version
        return f"{self.plural}.{version}.{group}" if group else self.plural

    @property
    def short_name(self) -> str:
        """Return ``statefulset``: what a person types."""
        return self.singular or self.kind.kind.lower()

    def is_called(self, name: str) -> bool:
        """Tell whether the name is its plural, singular, kind or a short name."""
        return name in {self.plural, self.singular, self.kind.kind.lower(), *self.short}


def discover(cluster: Cluster) -> tuple[ApiResource, ...]:
    """Return every resource the server has, core first, each group's preferred version first."""
    return (*_of_root(cluster, "/api"), *_of_root(cluster, "/apis"))


def resource_of_type(cluster: Cluster, name: str) -> ApiResource:
    """Return the resource a person means by TYPE.

    Errors: CommandError with exit code 2 for a TYPE the server doesn't have.
    """
    wanted, _, rest = name.lower().partition(".")
    for resource in discover(cluster):
        if not resource.is_called(wanted):
            continue
        version, _, group = rest.partition(".")
        exact = group == resource.kind.group and version == resource.kind.version
        if not rest or rest == resource.kind.group or exact:
            return resource
    raise CommandError(
        f"unknown type {visible(name, limit=80)!r}; the cluster has no such resource; "
        "see: kubectl api-resources",
        exit_code=2,
    )


def resource_of_kind(cluster: Cluster, kind: Kind) -> ApiResource:
    """Return the resource of a manifest's ``apiVersion`` and ``kind``; errors as ``resource_of_type``."""
    for resource in discover(cluster):
        if resource.kind == kind:
            return resource
    shown = visible(f"{kind.api_version} {kind.kind}", limit=80)
    raise CommandError(
        f"unknown kind {shown}; the cluster has no such resource; see: kubectl api-resources",
        exit_code=2,
    )


def _of_root(cluster: Cluster, root: str) -> Iterator[ApiResource]:
    document = cluster.get(root, accept=_ACCEPT)
    if document.get("kind") == "APIGroupDiscoveryList":
        yield from _aggregated(document)
    elif root == "/api":
        for version in document.get("versions") or ():
            yield from _listed(cluster.get(f"/api/{version}"), group="", version=version)
    else:
        for group in document.get("groups") or ():
            for entry in group.get("versions") or ():
                path = f"/apis/{entry['groupVersion']}"
                yield from _listed(cluster.get(path), group=group["name"], version=entry["version"])


def _aggregated(document: JsonObject) -> Iterator[ApiResource]:
    for group in document.get("items") or ():
        name = group.get("metadata", {}).get("name", "")
        for version in group.get("versions") or ():
            for entry in version.get("resources") or ():
                kind = entry.get("responseKind") or {}
                yield ApiResource(
                    kind=Kind(group=name, version=version["version"], kind=kind.get("kind", "")),
                    plural=entry["resource"],
                    singular=entry.get("singularResource", ""),
                    short=tuple(entry.get("shortNames") or ()),
                    namespaced=entry.get("scope") == "Namespaced",
                    listable="list" in (entry.get("verbs") or ()),
                )


def _listed(document: JsonObject, *, group: str, version: str) -> Iterator[ApiResource]:
    resources: list[Any] = document.get("resources") or []
    for entry in resources:
        if "/" in entry["name"]:
            continue
        yield ApiResource(
            kind=Kind(
                group=entry.get("group") or group,
                version=entry.get("version") or version,
                kind=entry["kind"],
            ),
            plural=entry["name"],
            singular=entry.get("singularName", ""),
            short=tuple(entry.get("shortNames") or ()),
            namespaced=bool(entry.get("namespaced")),
            listable="list" in (entry.get("verbs") or ()),
        )
