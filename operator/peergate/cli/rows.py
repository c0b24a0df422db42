"""ChangeRequests as the server's own table: one line each, whatever size their patches have.

The columns are those of the CustomResourceDefinition, read by their names; one that an older definition does
not have is empty. Imports no pydantic: a shell's completion waits for this.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from peergate.cli.kube import Cluster, object_path
from peergate.model.names import GROUP, VERSION, JsonObject

__all__ = ["TABLE", "Row", "Rows", "column_names", "list_rows", "rows_of"]

TABLE: Final = "application/json;as=Table;g=meta.k8s.io;v=v1"
_PAGE: Final = 500
_OVER: Final = frozenset({"Used", "Rejected", "Expired", "Stale"})
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Row:
    """What a list says of one ChangeRequest; nothing of it is trusted or verified."""

    namespace: str
    name: str
    uid: str
    created: datetime
    operation: str
    group: str
    resource: str
    subresource: str
    target: str
    requester: str
    owner: str
    effect: str
    expires: datetime
    progress: str
    missing: str
    rules: tuple[str, ...]
    signed: tuple[str, ...]
    """Identities of the approvers who count, as the operator found."""
    stated: str
    """The state that the operator has written; empty before it has."""

    def state(self, *, now: datetime) -> str:
        """Return where it is in its life; what is over by the clock is over."""
        if self.stated in _OVER or now < self.expires:
            return self.stated or "Pending"
        return "Expired"

    def is_open(self, *, now: datetime) -> bool:
        """Tell whether somebody may still decide it."""
        return self.state(now=now) == "Pending"


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows in the server's order, and from where a watch goes on."""

    rows: tuple[Row, ...]
    version: str
    cut: bool
    """There are more than were read."""


def list_rows(cluster: Cluster, *, namespace: str | None, selector: str, most: int) -> Rows:
    """Return the ChangeRequests of a namespace, or of all (``None``), at most so many. Errors: ApiError."""
    query = {"limit": str(min(_PAGE, most)), **({"labelSelector": selector} if selector else {})}
    rows: list[Row] = []
    token = ""
    path = object_path(group=GROUP, version=VERSION, resource="changerequests", namespace=namespace or "")
    while True:
        page = cluster.get(
            path,
            query={**query, **({"continue": token} if token else {})},
            accept=TABLE,
        )
        rows += rows_of(page)
        metadata = page.get("metadata") or {}
        token = str(metadata.get("continue") or "")
        if not token or len(rows) >= most:
            version = str(metadata.get("resourceVersion") or "")
            return Rows(rows=tuple(rows[:most]), version=version, cut=bool(token) or len(rows) > most)


def rows_of(table: JsonObject, *, columns: tuple[str, ...] = ()) -> Iterator[Row]:
    """Yield the rows of a Table; ``columns`` for those of a watch, whose later Tables don't name them."""
    names = column_names(table) or columns
    for row in table.get("rows") or ():
        yield _row(
            dict(zip(names, row.get("cells") or (), strict=False)),
            metadata=(row.get("object") or {}).get("metadata") or {},
        )


def column_names(table: JsonObject) -> tuple[str, ...]:
    """Return the names of a Table's columns; none if it does not say them."""
    return tuple(str(column.get("name", "")) for column in table.get("columnDefinitions") or ())


def _row(cells: Mapping[str, Any], *, metadata: Mapping[str, Any]) -> Row:
    def text(name: str) -> str:
        value = cells.get(name)
        return "" if value is None or value == "<none>" else str(value)

    return Row(
        namespace=str(metadata.get("namespace", "")),
        name=str(metadata.get("name", "")),
        uid=str(metadata.get("uid", "")),
        created=_instant(metadata.get("creationTimestamp")),
        operation=text("Operation"),
        group=text("Group"),
        resource=text("Kind"),
        subresource=text("Subresource"),
        target=text("Target"),
        requester=text("Requester"),
        owner=text("Owner"),
        effect=text("Effect"),
        expires=_instant(text("Expires")),
        progress=text("Approvals"),
        missing=text("Missing"),
        rules=_list(text("Rules")),
        signed=_list(text("Signed-By")),
        stated=text("State"),
    )


def _instant(value: object) -> datetime:
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return _LONG_AGO
    return found if found.tzinfo is not None else _LONG_AGO


def _list(value: str) -> tuple[str, ...]:
    """Return the strings of a list that the server printed as JSON."""
    try:
        found = json.loads(value) if value else []
    except ValueError:
        return ()
    return tuple(one for one in found if isinstance(one, str)) if isinstance(found, list) else ()
