"""The object a command is about: read from the command line, then live from the cluster."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from peergate.cli.discovery import ApiResource, discover, resource_of_type
from peergate.cli.kube import ApiError, Cluster, object_path
from peergate.cli.manifest import kind_of
from peergate.cli.text import visible
from peergate.errors import CommandError
from peergate.model.change import ObjectRef
from peergate.model.names import JsonObject
from peergate.model.review import Kind

__all__ = ["Target", "find_pod", "find_target", "named", "read_ref", "read_target"]

_FORBIDDEN: Final = 403
_ENDED: Final = 5


@dataclass(frozen=True, slots=True)
class Target:
    """One live object."""

    resource: ApiResource
    live: JsonObject
    """What a request reads and writes: the object, or its Scale."""
    subresource: str = ""
    whole: JsonObject | None = None
    """The object itself, where ``live`` is only its Scale."""

    @property
    def object(self) -> JsonObject:
        """Return the object itself."""
        return self.live if self.whole is None else self.whole

    @property
    def kind(self) -> Kind:
        """Return the kind of ``live``."""
        return self.resource.kind if self.whole is None else kind_of(self.live)

    @property
    def name(self) -> str:
        """Return the object's name."""
        return str(self.live["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """Return the object's namespace, empty at cluster scope."""
        return str(self.live["metadata"].get("namespace", ""))

    @property
    def typed(self) -> str:
        """Return ``statefulset/db``, as one writes it on the command line."""
        return f"{self.resource.short_name}/{self.name}"

    @property
    def quoted(self) -> str:
        """Return the same for a command that somebody copies: names of some kinds may hold ``$(...)``."""
        return visible(shlex.quote(self.typed), limit=1024)

    @property
    def shown(self) -> str:
        """Return ``StatefulSet shop/db``, as one reads it."""
        place = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return visible(f"{self.resource.kind.kind} {place}")

    @property
    def path(self) -> str:
        """Return the object's path in the API."""
        kind = self.resource.kind
        return object_path(
            group=kind.group,
            version=kind.version,
            resource=self.resource.plural,
            namespace=self.namespace,
            name=self.name,
        )

    @property
    def ref(self) -> ObjectRef:
        """Return the object's identity, as an approval binds it."""
        return ObjectRef(
            group=self.resource.kind.group,
            version=self.resource.kind.version,
            resource=self.resource.plural,
            subresource=self.subresource,
            namespace=self.namespace,
            name=self.name,
            uid=str(self.live["metadata"]["uid"]),
        )


def named(words: Sequence[str]) -> tuple[str, str]:
    """Return (TYPE, NAME) of ``TYPE/NAME`` or ``TYPE NAME``.

    Errors: CommandError with exit code 2 for anything else.
    """
    if len(words) == 1:
        kind, slash, name = words[0].partition("/")
        if slash and kind and name and "/" not in name:
            return kind, name
    elif len(words) == 2 and "/" not in "".join(words):  # noqa: PLR2004 - a type and a name
        return words[0], words[1]
    shown = visible(" ".join(words), limit=120)
    raise CommandError(
        f"which object?; {shown!r} is not TYPE/NAME; write it like statefulset/db",
        exit_code=2,
    )


def find_target(cluster: Cluster, *, words: Sequence[str], namespace: str | None = None) -> Target:
    """Return the live object that the words name, in the namespace given, else in the command line's.

    Errors: as ``named``; CommandError for an unknown type, for an object that is not there or not readable.
    """
    kind, name = named(words)
    resource = resource_of_type(cluster, kind)
    return read_target(cluster, resource=resource, name=name, namespace=namespace or cluster.namespace)


def find_pod(cluster: Cluster, *, words: Sequence[str]) -> Target:
    """Return the live Pod that ``NAME``, ``pod/NAME`` or ``pod NAME`` names, as what an eviction is about.

    Errors: as ``find_target``; CommandError with exit code 2 for anything but a Pod.
    """
    is_name = len(words) == 1 and "/" not in words[0]
    target = find_target(cluster, words=("pod", words[0]) if is_name else words)
    if (target.kind.group, target.kind.kind) != ("", "Pod"):
        raise CommandError(
            f"no Pod; only Pods are evicted, {target.shown} is none; write it like: approve evict db-0",
            exit_code=2,
        )
    return replace(target, subresource="eviction")


def read_target(cluster: Cluster, *, resource: ApiResource, name: str, namespace: str) -> Target:
    """Return the live object of this resource and name; errors as ``find_target``."""
    scope = namespace if resource.namespaced else ""
    path = object_path(
        group=resource.kind.group,
        version=resource.kind.version,
        resource=resource.plural,
        namespace=scope,
        name=name,
    )
    live = cluster.find(path)
    if live is None:
        where = f"namespace {visible(scope, limit=80)}" if scope else "the cluster"
        raise CommandError(
            f"no {resource.short_name} {visible(name, limit=260)} in {where}; nothing to decide; "
            "check the name, -n and --context",
        )
    return Target(resource=resource, live=live)


def read_ref(cluster: Cluster, ref: ObjectRef) -> Target:
    """Return the very object instance that a change is about, at the version it names.

    Errors: CommandError with exit code 5 when it is gone or was replaced, 1 when it can't be read.
    """
    resource = _resource_of_ref(cluster, ref)
    path = object_path(
        group=ref.group, version=ref.version, resource=ref.resource, namespace=ref.namespace, name=ref.name
    )
    place = f"{ref.namespace}/{ref.name}" if ref.namespace else ref.name
    shown = visible(f"{resource.kind.kind} {place}")
    try:
        whole = cluster.find(path)
        # A Scale is an object of its own; other subresources show their parent (approval-format.md §6.4).
        scale = cluster.get(f"{path}/scale") if whole is not None and ref.subresource == "scale" else None
    except ApiError as error:
        if error.status != _FORBIDDEN:
            raise
        raise CommandError(
            f"can't read {shown}; {error.message}; nobody signs what they can't see: ask for the right to "
            "read it, or let somebody decide who has it"
        ) from error
    if whole is None:
        raise CommandError(
            f"{shown} is gone; it was deleted since the request was filed; nothing to decide",
            exit_code=_ENDED,
        )
    if whole["metadata"]["uid"] != ref.uid:
        raise CommandError(
            f"{shown} was replaced; what is there now is a new object of the same name; nothing to decide: "
            "a request about the new one is another request",
            exit_code=_ENDED,
        )
    return Target(
        resource=resource,
        live=whole if scale is None else scale,
        subresource=ref.subresource,
        whole=None if scale is None else whole,
    )


def _resource_of_ref(cluster: Cluster, ref: ObjectRef) -> ApiResource:
    for resource in discover(cluster):
        kind = resource.kind
        if (kind.group, kind.version, resource.plural) == (ref.group, ref.version, ref.resource):
            return resource
    name = visible(".".join(part for part in (ref.resource, ref.version, ref.group) if part), limit=260)
    raise CommandError(f"the cluster does not serve {name}; nothing to decide; check --context")
