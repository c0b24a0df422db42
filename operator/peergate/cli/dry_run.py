"""What a manifest makes of a live object: a server-side dry run, with defaults and mutating webhooks."""

from __future__ import annotations

from typing import Final

from peergate.cli.kube import ApiError, Cluster
from peergate.cli.manifest import kind_of
from peergate.cli.replacing import REPLACED_BY, replacement_of
from peergate.cli.targets import Target
from peergate.errors import CommandError
from peergate.model.names import JsonObject

__all__ = ["dry_run"]

_CONFLICT: Final = 409
_FORBIDDEN: Final = 403


def dry_run(cluster: Cluster, *, target: Target, manifest: JsonObject) -> JsonObject:
    """Return what the live object would become.

    Errors: as ``pending_replace``; CommandError with exit code 2 for a manifest of another object.
    """
    if kind_of(manifest) != target.kind or manifest["metadata"]["name"] != target.name:
        raise CommandError(f"another object; the manifest is not of {target.shown}; correct -f", exit_code=2)
    body, query = replacement_of(target, manifest=manifest), {"dryRun": "All", **REPLACED_BY}
    try:
        return cluster.replace(target.path, body, query=query)
    except ApiError as error:
        if error.status == _CONFLICT:
            raise CommandError(
                f"{target.shown} changes while you look, or the manifest is of an older version; "
                "nothing was signed; run the command again, without metadata.resourceVersion in the file",
                exit_code=6,
            ) from error
        if error.status == _FORBIDDEN:
            raise CommandError(
                f"can't try the replacement; {error.message}; a dry run needs the right to update the "
                "object, and an account that is no agent",
            ) from error
        raise
