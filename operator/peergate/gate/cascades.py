"""Effects on what holds other things: Namespaces, kinds, whole API groups. They take their content along.

Deleting one is a Delete like any other and can be approved; what goes with it is the approver's screen's to
count. Here is what ends in the same without a DELETE.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from peergate.gate.findings import Entry, Finding, Situation
from peergate.gate.shape import mapping, sequence
from peergate.model.change import Effect

__all__ = ["ENTRIES", "holder_deletion", "kind_changes", "namespace_teardown", "rerouted_api"]

_WITH_CONTENT: Final = "with all it holds"
_TEARDOWN: Final = frozenset({"finalize", "status"})
_NARROWING: Final = frozenset({"type", "format", "x-kubernetes-preserve-unknown-fields", "maxProperties"})
"""Members of a schema whose change drops, or refuses, what is stored."""


def holder_deletion(_: Situation) -> Finding:
    """T6, T9: a Namespace or a CRD takes along all that is in it, mostly unreviewed (AR13, AR31)."""
    return Finding(Effect.DELETE, note=_WITH_CONTENT)


def namespace_teardown(situation: Situation) -> Finding | None:
    """T9: by ``/finalize`` a Namespace goes and leaves its content in etcd; ``/status`` says that it goes."""
    if situation.review.subresource not in _TEARDOWN or situation.unchanged:
        return None
    return Finding(Effect.DELETE, note=_WITH_CONTENT)


def kind_changes(situation: Situation) -> Finding | None:
    """T6: a CRD that stops serving a version, forgets members or converts otherwise spoils its objects."""
    review = situation.review
    old, new = (mapping((document or {}).get("spec")) for document in (review.old_object, review.object))
    before, after = _versions(old), _versions(new)
    stops = any(
        version.get("served") is True is not after.get(name, {}).get("served")
        for name, version in before.items()
    )
    converts = old.get("conversion") != new.get("conversion")
    prunes = old.get("preserveUnknownFields") is True is not new.get("preserveUnknownFields")
    if stops or converts or prunes:
        return Finding(Effect.DELETE, note="spoils its objects")
    if any(
        _loses(version.get("schema"), after.get(name, {}).get("schema")) for name, version in before.items()
    ):
        return Finding(Effect.DELETE, note="spoils its objects")
    return None


def rerouted_api(situation: Situation) -> Finding | None:
    """T19: an APIService that changes has its whole API group answered elsewhere, or nowhere."""
    review = situation.review
    old, new = ((document or {}).get("spec") for document in (review.old_object, review.object))
    return Finding(Effect.DELETE, note=_WITH_CONTENT) if old != new else None


def _versions(spec: Mapping[str, Any]) -> dict[object, Mapping[str, Any]]:
    found = (mapping(version) for version in sequence(spec.get("versions")))
    return {str(version.get("name")): version for version in found}


def _loses(old: object, new: object) -> bool:
    """Tell whether a schema lost a member, or narrows one, at any depth."""
    pairs = [(old, new)]
    while pairs:
        before, after = pairs.pop()
        if not isinstance(before, dict):
            continue
        kept = mapping(after)
        for name, value in before.items():
            if name not in kept or (name in _NARROWING and kept[name] != value):
                return True
            pairs.append((value, kept[name]))
    return False


_CRDS: Final = ("apiextensions.k8s.io", "customresourcedefinitions")

ENTRIES: Final = (
    Entry(holder_deletion, ("DELETE",), (("", "namespaces"), _CRDS)),
    Entry(namespace_teardown, ("UPDATE",), (("", "namespaces"),)),
    Entry(kind_changes, ("UPDATE",), (_CRDS,)),
    Entry(rerouted_api, ("UPDATE",), (("apiregistration.k8s.io", "apiservices"),)),
)
