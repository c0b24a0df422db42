"""List ChangeRequests, once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from peergate.cli.columns import Columns
from peergate.cli.kube import Cluster, connect
from peergate.cli.live import keep_listing
from peergate.cli.mine import Me, find_me, find_user, gravest_first, left_to_me
from peergate.cli.output import Output
from peergate.cli.rows import Row, Rows, list_rows
from peergate.cli.text import visible
from peergate.model.names import GROUP
from peergate.model.wire import format_instant

__all__ = ["Listing", "list_requests"]

_MOST: Final = 5000
"""Requests that are read: 50 agents with 100 open ones each."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What the command line says."""

    scope: Literal["to-decide", "mine", "all"]
    everywhere: bool
    selector: str
    watch: bool
    approver: str | None
    output: Literal["text", "name", "wide", "json", "yaml"]


def list_requests(out: Output, *, listing: Listing) -> None:
    """Print the requests that the listing is about. Errors: CommandError."""
    cluster = connect(out)
    me = None
    if listing.scope == "mine" and listing.approver is None:
        me = find_user(cluster)
    elif listing.scope != "all":
        me = find_me(cluster, identity=listing.approver)
    wanted = _filter(out, listing=listing, me=me)
    columns = Columns(everywhere=listing.everywhere, wide=listing.output == "wide")

    def read() -> Rows:
        namespace = None if listing.everywhere else cluster.namespace
        return list_rows(cluster, namespace=namespace, selector=listing.selector, most=_MOST)

    if listing.watch:
        namespace = "" if listing.everywhere else cluster.namespace
        keep_listing(
            out,
            cluster=cluster,
            namespace=namespace,
            selector=listing.selector,
            read=read,
            wanted=wanted,
            columns=None if listing.output == "name" else columns,
        )
        return
    found, now = read(), datetime.now(UTC)
    rows = sorted((row for row in found.rows if wanted(row, now)), key=gravest_first)
    match listing.output:
        case "json" | "yaml":
            items = [_document(row, now=now) for row in rows]
            out.document("ChangeRequestList", {"items": items}, form=listing.output)
        case "name":
            for row in rows:
                out.data(f"changerequest.{GROUP}/{visible(row.name)}")
        case _:
            if rows:
                out.data("\n".join(columns.table(rows, now=now)))
            _say_what_else(out, cluster=cluster, listing=listing, found=found, rows=rows, now=now)
    if found.cut:
        out.say(f"{out.alarm('warning:')} only the first {_MOST} were read; narrow it with -n or -l")


def _filter(out: Output, *, listing: Listing, me: Me | None) -> Callable[[Row, datetime], bool]:
    if me is None:
        return lambda _row, _now: True
    if listing.scope == "mine":
        return lambda row, _now: row.requester in me.names
    if me.approver is None:
        out.say(
            f"{visible(me.username)} is no registered approver, so every open request is shown; "
            "--approver IDENTITY says who decides"
        )
        return lambda row, now: row.is_open(now=now)
    return lambda row, now: left_to_me(row, me=me, now=now)


def _say_what_else(
    out: Output, *, cluster: Cluster, listing: Listing, found: Rows, rows: Sequence[Row], now: datetime
) -> None:
    if not rows:
        nothing = {"to-decide": "nothing for you to decide", "mine": "nothing that you asked for"}
        place = "any namespace" if listing.everywhere else f"namespace {visible(cluster.namespace, limit=80)}"
        more = "" if listing.everywhere else "; -A looks in every namespace"
        out.say(f"{nothing.get(listing.scope, 'no requests')} in {place}{more}")
    if listing.scope != "to-decide":
        return
    others = sum(row.is_open(now=now) for row in found.rows) - len(rows)
    if others:
        out.say(
            f"{others} more {'is' if others == 1 else 'are'} open, not for you to decide; --all shows them"
        )
    if rows:
        out.hint("Next:", out.flags.command("show", visible(rows[0].name), namespace=rows[0].namespace))


def _document(row: Row, *, now: datetime) -> dict[str, Any]:
    return {
        "namespace": row.namespace,
        "name": row.name,
        "operation": row.operation,
        "effect": row.effect,
        "object": {
            "group": row.group,
            "resource": row.resource,
            "subresource": row.subresource,
            "name": row.target,
        },
        "requester": row.requester,
        "owner": row.owner,
        "state": row.state(now=now),
        "approvals": row.progress,
        "missing": row.missing,
        "signedBy": list(row.signed),
        "rules": list(row.rules),
        "created": format_instant(row.created),
        "expires": format_instant(row.expires),
    }
