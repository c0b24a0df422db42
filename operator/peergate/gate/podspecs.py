"""Pod specs wherever they stand, and the account that a Pod acts as."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from peergate.gate.shape import mapping, sequence, text
from peergate.model.names import JsonObject

__all__ = ["DEFAULT_ACCOUNT", "account_of", "pod_specs"]

DEFAULT_ACCOUNT: Final = "default"
"""The account of every namespace, which a workload that names none runs as."""
_CREDENTIALS: Final = frozenset({"serviceAccountToken", "podCertificate"})
"""Sources of a projected volume by which a Pod gets its account's credentials."""


def pod_specs(document: JsonObject) -> Iterable[Mapping[str, Any]]:
    """Yield the Pod specs of a Pod, of a PodTemplate, of a workload's template, and of a CronJob's."""
    spec = mapping(document.get("spec"))
    if document.get("kind") == "Pod":
        yield spec
    for holder in (document, spec, mapping(mapping(spec.get("jobTemplate")).get("spec"))):
        inner = mapping(mapping(holder.get("template")).get("spec"))
        if "containers" in inner:
            yield inner


def account_of(spec: Mapping[str, Any]) -> tuple[str, bool]:
    """Return the account a Pod runs as, and whether it mounts that account's credentials."""
    name = text(spec.get("serviceAccountName")) or text(spec.get("serviceAccount")) or DEFAULT_ACCOUNT
    projected = any(
        not _CREDENTIALS.isdisjoint(mapping(source))
        for volume in sequence(spec.get("volumes"))
        for source in sequence(mapping(mapping(volume).get("projected")).get("sources"))
    )
    return name, projected or spec.get("automountServiceAccountToken") is not False
