"""What pods are for: Services that lose their last one, budgets and scalers, who brings things back.

Pure: judged from objects that were read before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from peergate.cli.text import visible
from peergate.gate.selectors import matches
from peergate.gate.shape import mapping
from peergate.model.names import JsonObject
from peergate.model.policy import LabelSelector

__all__ = ["Pods", "autoscalers", "balancers", "budgets", "idle_services", "managers_of"]

_ARGO: Final = "argocd.argoproj.io/tracking-id"
_HELM: Final = "meta.helm.sh/release-name"
_FLUX: Final = (
    ("kustomize.toolkit.fluxcd.io/name", "Flux Kustomization"),
    ("helm.toolkit.fluxcd.io/name", "Flux HelmRelease"),
)


@dataclass(frozen=True, slots=True)
class Pods:
    """The labels of pods that go, and of those that stay."""

    going: tuple[Mapping[str, str], ...] = ()
    staying: tuple[Mapping[str, str], ...] = ()


def idle_services(services: Iterable[JsonObject], *, pods: Pods, gone: Collection[str]) -> tuple[str, ...]:
    """Return the Services whose last pods go; ``gone`` are the uids of Services that go as well."""
    idle = []
    for service in services:
        selector = _section(service, "spec").get("selector")
        metadata = _section(service, "metadata")
        if not isinstance(selector, dict) or not selector or metadata.get("uid") in gone:
            continue
        if _some(pods.going, selector) and not _some(pods.staying, selector):
            idle.append(visible(str(metadata.get("name")), limit=80))
    return tuple(sorted(idle))


def balancers(services: Iterable[JsonObject], *, gone: Collection[str]) -> tuple[str, ...]:
    """Return the Services of type LoadBalancer among those that go, with their addresses."""
    found = []
    for service in services:
        metadata = _section(service, "metadata")
        if metadata.get("uid") not in gone or _section(service, "spec").get("type") != "LoadBalancer":
            continue
        ingress = _section(_section(service, "status"), "loadBalancer").get("ingress") or ()
        addresses = [str(mapping(one).get("ip") or mapping(one).get("hostname") or "") for one in ingress]
        shown = ", ".join(address for address in addresses if address)
        found.append(visible(f"{metadata.get('name')} ({shown})" if shown else str(metadata.get("name"))))
    return tuple(sorted(found))


def budgets(found: Iterable[JsonObject], *, pods: Pods) -> tuple[str, ...]:
    """Return the disruption budgets over pods that go, in words."""
    words = []
    for budget in found:
        spec = _section(budget, "spec")
        selector = _selector(spec.get("selector"))
        if selector is None or not any(matches(selector, labels) for labels in pods.going):
            continue
        limit = next(
            (f"{name} {spec[name]}" for name in ("minAvailable", "maxUnavailable") if name in spec),
            "no limit",
        )
        words.append(visible(f"{_section(budget, 'metadata').get('name')} ({limit})", limit=160))
    return tuple(sorted(words))


def autoscalers(found: Iterable[JsonObject], *, named: Collection[tuple[str, str]]) -> tuple[str, ...]:
    """Return the autoscalers of what goes, given by (kind, name), in words."""
    words = []
    for scaler in found:
        spec = _section(scaler, "spec")
        reference = _section(spec, "scaleTargetRef")
        if (str(reference.get("kind")), str(reference.get("name"))) in named:
            least, most = spec.get("minReplicas", 1), spec.get("maxReplicas")
            words.append(
                visible(f"{_section(scaler, 'metadata').get('name')} ({least} to {most} pods)", limit=160)
            )
    return tuple(sorted(words))


def managers_of(live: JsonObject) -> tuple[str, ...]:
    """Return who, by the object's own marks, made it and makes it again: Helm, Argo CD, Flux."""
    metadata = _section(live, "metadata")
    labels, annotations = _section(metadata, "labels"), _section(metadata, "annotations")
    found = []
    if _ARGO in annotations:
        application = str(annotations[_ARGO]).partition(":")[0]
        found.append(
            f"Argo CD application {application}: it makes it again, or undoes the change, if it syncs"
        )
    for label, name in _FLUX:
        if label in labels:
            found.append(
                f"{name} {labels[label]}: it makes it again, or undoes the change, when it reconciles"
            )
    if _HELM in annotations:
        found.append(f"Helm release {annotations[_HELM]}: the next upgrade or rollback writes it again")
    return tuple(visible(text, limit=200) for text in found)


def _some(pods: Sequence[Mapping[str, str]], selector: Mapping[str, Any]) -> bool:
    return any(all(labels.get(key) == value for key, value in selector.items()) for labels in pods)


def _selector(value: object) -> LabelSelector | None:
    try:
        return LabelSelector.model_validate(value)
    except ValidationError:
        return None


def _section(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return mapping(document.get(name))
