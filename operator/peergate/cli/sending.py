"""The agent's own request: what it sends, as kubectl would, and as often as it is asked to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from peergate.cli.discovery import resource_of_kind
from peergate.cli.kube import ApiError, Cluster
from peergate.cli.manifest import kind_of, read_manifest
from peergate.cli.refusals import GateRefusal, refusal_in
from peergate.cli.replacing import REPLACED_BY, replacement_of
from peergate.cli.targets import Target, find_target, read_target
from peergate.cli.text import visible
from peergate.errors import CommandError
from peergate.model.names import JsonObject

__all__ = ["INTERRUPTED", "Sending", "sending_of"]

INTERRUPTED: Final = 130

_CASCADES: Final = {"background": "Background", "foreground": "Foreground", "orphan": "Orphan"}


@dataclass(frozen=True, slots=True)
class Sending:
    """One request that can be sent: identical each time, but for the version of the object it meets."""

    operation: str
    """``delete`` or ``replace``."""
    target: Target
    _send: Callable[[bool], object]

    def send(self, *, dry_run: bool) -> GateRefusal | None:
        """Send it; return the gate's refusal, ``None`` when it went through.

        Errors: ApiError for every other answer of the API server.
        """
        try:
            self._send(dry_run)
        except ApiError as error:
            refusal = refusal_in(error)
            if refusal is None:
                raise
            return refusal
        except KeyboardInterrupt:
            if dry_run:
                raise
            raise CommandError(
                f"interrupted; the request to {self.operation} {self.target.shown} was on its way; "
                "look whether it went through",
                exit_code=INTERRUPTED,
            ) from None
        return None


def sending_of(
    cluster: Cluster,
    *,
    words: Sequence[str],
    file: str | None,
    cascade: str,
    grace_period: int | None,
) -> Sending:
    """Return the request that the words mean; nothing is sent yet.

    Errors: CommandError with exit code 2 for what can't be meant, and as the look-ups give them.
    """
    verb = words[0]
    if verb == "delete" and file is None:
        target = find_target(cluster, words=words[1:])
        options: JsonObject = {}
        if cascade in _CASCADES:
            options["propagationPolicy"] = _CASCADES[cascade]
        if grace_period is not None:
            options["gracePeriodSeconds"] = grace_period
        return Sending(
            "delete", target, lambda dry_run: cluster.delete(target.path, options, dry_run=dry_run)
        )
    if verb == "replace" and file is not None and len(words) == 1:
        return _replacement(cluster, manifest=read_manifest(file))
    raise CommandError(
        f"request what?; {visible(' '.join(words), limit=120)!r} is not it; write: delete TYPE/NAME, or "
        "replace -f FILE",
        exit_code=2,
    )


def _replacement(cluster: Cluster, *, manifest: JsonObject) -> Sending:
    resource = resource_of_kind(cluster, kind_of(manifest))
    namespace = str(manifest["metadata"].get("namespace") or cluster.namespace)
    if resource.namespaced and namespace != cluster.namespace and cluster.namespace_given:
        raise CommandError(
            f"two namespaces; the manifest says {visible(namespace, limit=80)}, -n says "
            f"{visible(cluster.namespace, limit=80)}; correct one of them",
            exit_code=2,
        )
    name = str(manifest["metadata"]["name"])

    def live() -> Target:
        return read_target(cluster, resource=resource, name=name, namespace=namespace)

    def send(dry_run: bool) -> object:  # noqa: FBT001 - called from here only
        target = live()
        query = {**REPLACED_BY, **({"dryRun": "All"} if dry_run else {})}
        return cluster.replace(target.path, replacement_of(target, manifest=manifest), query=query)

    return Sending("replace", live(), send)
