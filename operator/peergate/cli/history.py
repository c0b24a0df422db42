"""What went before: this requester's last requests, rejections of changes to this target, attempts of late.

Read as a table, so that a thousand large requests cost no more than a thousand lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from peergate.cli.kube import ApiError, Cluster, object_path
from peergate.cli.requests import OPERATOR_NAMESPACE, Filed, Malformed, read_request, request_path
from peergate.cli.text import visible
from peergate.gate.shape import mapping
from peergate.model.names import JsonObject

__all__ = ["History", "Past", "Refusal", "history_of"]

_TABLE: Final = "application/json;as=Table;g=meta.k8s.io;v=v1"
_PAGE: Final = 500
_MOST: Final = 2000
_LAST: Final = 5
_REFUSALS: Final = 3
_HOUR: Final = timedelta(hours=1)
_EVENTS_MOST: Final = 200
_FORBIDDEN: Final = 403


@dataclass(frozen=True, slots=True)
class Past:
    """One request that was made before."""

    name: str
    """``payments/cr-...``"""
    what: str
    """``DELETE statefulsets db``"""
    state: str
    filed: datetime


@dataclass(frozen=True, slots=True)
class Refusal:
    """An earlier rejection of a change to the same target."""

    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class History:
    """What went before."""

    past: tuple[Past, ...] = ()
    """Of this requester, the latest first."""
    refusals: tuple[Refusal, ...] = ()
    attempts: int = 0
    """Refusals about this target within the last hour, as its Events count them."""
    unseen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    namespace: str
    created: datetime
    cells: Mapping[str, str]


def history_of(cluster: Cluster, *, filed: Filed, now: datetime) -> History:
    """Return what went before a request. Errors: CommandError when the cluster does not answer."""
    unseen: list[str] = []
    rows = [row for row in _rows(cluster, namespace=filed.namespace, unseen=unseen) if row.name != filed.name]
    rows.sort(key=lambda row: row.created, reverse=True)
    username = filed.change.requester.username
    mine = [row for row in rows if row.cells.get("Requester") == username]
    return History(
        past=tuple(_past(row) for row in mine[:_LAST]),
        refusals=tuple(_refusals(cluster, rows, filed=filed)),
        attempts=_attempts(cluster, filed=filed, now=now, unseen=unseen),
        unseen=tuple(unseen),
    )


def _rows(cluster: Cluster, *, namespace: str, unseen: list[str]) -> list[_Row]:
    try:
        return _table(cluster, request_path("", ""), unseen=unseen)
    except ApiError as error:
        if error.status != _FORBIDDEN:
            raise
    unseen.append("requests of other namespaces")
    return _table(cluster, request_path(namespace, ""), unseen=unseen)


def _table(cluster: Cluster, path: str, *, unseen: list[str]) -> list[_Row]:
    rows: list[_Row] = []
    token = ""
    while True:
        query = {"limit": str(_PAGE), **({"continue": token} if token else {})}
        page = cluster.get(path, query=query, accept=_TABLE)
        columns = [str(mapping(column).get("name")) for column in page.get("columnDefinitions") or ()]
        rows += (_row(row, columns=columns) for row in page.get("rows") or ())
        token = str(mapping(page.get("metadata")).get("continue") or "")
        if not token:
            return rows
        if len(rows) >= _MOST:
            unseen.append(f"more than {_MOST} requests")
            return rows


def _row(row: JsonObject, *, columns: Iterable[str]) -> _Row:
    metadata = mapping(mapping(row.get("object")).get("metadata"))
    return _Row(
        name=str(metadata.get("name")),
        namespace=str(metadata.get("namespace") or ""),
        created=_instant(metadata.get("creationTimestamp")),
        cells={
            name: "" if cell is None else str(cell)
            for name, cell in zip(columns, row.get("cells") or (), strict=False)
        },
    )


def _past(row: _Row) -> Past:
    cells = row.cells
    # A request in the operator's namespace is about something cluster-scoped.
    scope = "" if row.namespace == OPERATOR_NAMESPACE else f"{row.namespace}/"
    place = f"{scope}{cells.get('Target', '')}"
    what = f"{cells.get('Operation', '')} {cells.get('Kind', '')} {place}"
    return Past(
        name=visible(f"{row.namespace}/{row.name}"),
        what=visible(what, limit=160),
        state=visible(cells.get("State") or "Pending", limit=20),
        filed=row.created,
    )


def _refusals(cluster: Cluster, rows: Iterable[_Row], *, filed: Filed) -> Iterable[Refusal]:
    """Yield rejections about the same target; the table does not hold who and why, so those few are read."""
    ref = filed.change.object
    wanted = ("Rejected", ref.resource, ref.name)
    found = [
        row
        for row in rows
        if (row.cells.get("State"), row.cells.get("Kind"), row.cells.get("Target")) == wanted
        and row.namespace == filed.namespace
    ]
    for row in found[:_REFUSALS]:
        try:
            document = cluster.find(request_path(row.namespace, row.name))
            other = None if document is None else read_request(document)
        except (ApiError, Malformed):
            continue
        rejection = None if other is None else other.status.rejection
        if other is not None and rejection is not None and other.change.object.group == ref.group:
            yield Refusal(by=visible(rejection.by), reason=visible(rejection.reason), at=rejection.at)


def _attempts(cluster: Cluster, *, filed: Filed, now: datetime, unseen: list[str]) -> int:
    ref = filed.change.object
    path = object_path(group="", version="v1", resource="events", namespace=filed.namespace)
    # Of a cluster-scoped target, the Event regards the request.
    name, uid = (ref.name, ref.uid) if ref.namespace else (filed.name, filed.uid)
    query = {"fieldSelector": f"involvedObject.name={name}", "limit": str(_EVENTS_MOST)}
    try:
        events = cluster.get(path, query=query).get("items") or []
    except ApiError:
        unseen.append("events")
        return 0
    return sum(
        _times(event)
        for event in events
        if mapping(event.get("involvedObject")).get("uid") == uid
        and str(event.get("reason", "")).startswith("Approval")
        and _last(event) >= now - _HOUR
    )


def _times(event: Mapping[str, Any]) -> int:
    counted = mapping(event.get("series")).get("count") or event.get("count") or 1
    return counted if isinstance(counted, int) else 1


def _last(event: Mapping[str, Any]) -> datetime:
    latest = mapping(event.get("series")).get("lastObservedTime") or event.get("lastTimestamp")
    return _instant(latest or event.get("eventTime") or event.get("firstTimestamp"))


def _instant(text: object) -> datetime:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return datetime.fromtimestamp(0, UTC)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
