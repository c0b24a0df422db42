"""Read what stands beside the gate: pods that look like agents, and objects that decide elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from peergate.cli.doctor.reading import Reader
from peergate.model.names import JsonObject

__all__ = ["read_deciders", "read_look_alikes"]

_LABELS: Final = ("kagenti.io/type=agent", "app.kubernetes.io/component=ai-agent", "ai-agent=true")
_PREFIX: Final = "agents.x-k8s.io/"
_PODS: Final = "/api/v1/pods"
_POD_PAGES: Final = 10
"""Only the first 5,000 pods are looked through for a key; labels with a value are asked for."""
_FEW_PAGES: Final = 2

_DECIDERS: Final[Mapping[str, Sequence[str]]] = {
    "argoproj.io": ("applications", "applicationsets"),
    "kustomize.toolkit.fluxcd.io": ("kustomizations",),
    "helm.toolkit.fluxcd.io": ("helmreleases",),
    "velero.io": ("deletebackuprequests", "restores"),
}
"""Kinds whose objects make a controller change other namespaces (kubernetes-facts.md DO17)."""
_CROSSPLANE: Final = "apiextensions.crossplane.io"


def read_look_alikes(reader: Reader) -> list[JsonObject] | None:
    """Return the pods that carry a label of agents in use elsewhere; ``None`` if pods can't be read."""
    found: dict[str, JsonObject] = {}
    for selector in (*_LABELS, *_keys_in_use(reader)):
        items = reader.all(_PODS, query={"labelSelector": selector}, pages=_FEW_PAGES)
        if items is None:
            return None
        for item in items:
            found[str((item.get("metadata") or {}).get("uid", ""))] = item
    return list(found.values())


def read_deciders(reader: Reader) -> dict[str, Sequence[JsonObject]]:
    """Return the metadata of objects that decide about other namespaces, by ``resource.group``."""
    groups = (reader.get("/apis") or {}).get("groups") or ()
    served = {
        str(group.get("name")): str((group.get("preferredVersion") or {}).get("version")) for group in groups
    }
    found: dict[str, Sequence[JsonObject]] = {}
    for group, resources in _DECIDERS.items():
        if group in served:
            for resource in resources:
                found[f"{resource}.{group}"] = _few(reader, f"/apis/{group}/{served[group]}/{resource}")
    if _CROSSPLANE in served:
        definitions = _definitions(reader, version=served[_CROSSPLANE])
        for group, version, plural in _claims(definitions):
            found[f"{plural}.{group}"] = _few(reader, f"/apis/{group}/{version}/{plural}")
    return found


def _few(reader: Reader, path: str) -> list[JsonObject]:
    return reader.all(path, metadata_only=True, pages=_FEW_PAGES) or []


def _keys_in_use(reader: Reader) -> list[str]:
    pods = reader.all(_PODS, metadata_only=True, pages=_POD_PAGES) or ()
    return sorted(
        {
            key
            for pod in pods
            for key in (pod.get("metadata") or {}).get("labels") or ()
            if key.startswith(_PREFIX)
        }
    )


def _definitions(reader: Reader, *, version: str) -> list[JsonObject]:
    path = f"/apis/{_CROSSPLANE}/{version}/compositeresourcedefinitions"
    return reader.all(path, pages=_FEW_PAGES) or []


def _claims(definitions: Iterable[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """Return group, version and plural of every claim that composite resources offer."""
    found = []
    for definition in definitions:
        spec = definition.get("spec") or {}
        plural = (spec.get("claimNames") or {}).get("plural")
        version = next((str(one.get("name")) for one in spec.get("versions") or () if one.get("served")), "")
        if plural and version:
            found.append((str(spec.get("group")), version, str(plural)))
    return found
