"""Read a cluster for the checks: page by page, never more than so much, and note what could not be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from peergate.cli.kube import ApiError, Cluster
from peergate.cli.text import visible
from peergate.model.names import JsonObject

__all__ = ["Reader"]

_PAGE: Final = 500
_PAGES: Final = 40
"""At most 20,000 objects of a kind."""
_METADATA: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_NOT_FOUND: Final = 404


class Reader:
    """Reads with the caller's rights; what they don't reach is noted, not an error."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.unreadable: dict[str, str] = {}
        """Path to the server's own words."""
        self.cut: list[str] = []
        """Paths of which only the first 20,000 objects were read."""

    def get(self, path: str) -> JsonObject | None:
        """Return the object; ``None`` if there is none or it can't be read.

        Errors: CommandError when the cluster doesn't answer.
        """
        try:
            return self.cluster.get(path)
        except ApiError as error:
            self._note(path, error)
            return None

    def all(
        self,
        path: str,
        *,
        metadata_only: bool = False,
        query: Mapping[str, str] | None = None,
        pages: int = _PAGES,
    ) -> list[JsonObject] | None:
        """Return the objects of a collection; none where it isn't served, ``None`` if it can't be read.

        Errors: CommandError when the cluster doesn't answer.
        """
        found: list[JsonObject] = []
        token = ""
        for _ in range(pages):
            asked = {**(query or {}), "limit": str(_PAGE), **({"continue": token} if token else {})}
            try:
                page = self.cluster.get(path, query=asked, accept=_METADATA if metadata_only else "")
            except ApiError as error:
                self._note(path, error)
                return [] if error.status == _NOT_FOUND else None
            found += page.get("items") or []
            token = _token(page)
            if not token:
                return found
        self.cut.append(path)
        return found

    def _note(self, path: str, error: ApiError) -> None:
        if error.status != _NOT_FOUND:
            self.unreadable[path] = visible(error.message, limit=160)


def _token(page: Mapping[str, Any]) -> str:
    metadata = page.get("metadata") or {}
    return str(metadata.get("continue") or "")
