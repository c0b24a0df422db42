"""What tests ask of filed ChangeRequests on a live cluster."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.harness.clients import Reply
from tests.harness.waiting import wait_until
from tests.support.changes import Desk, id_of, path_of

from peergate.model.change import Change
from peergate.model.changerequest import ChangeRequestSpec
from peergate.model.wire import format_instant

__all__ = [
    "named",
    "rejection",
    "request_path",
    "spec_of",
    "state_of",
    "wait_filed",
    "wait_named",
    "wait_state",
]

_API = "peergate.dev/v1alpha1"


def request_path(change: Change) -> str:
    """Return where the ChangeRequest of a change is."""
    namespace = change.object.namespace or "peergate-system"
    return path_of("changerequests", id_of(change), namespace=namespace, api=_API)


def named(reply: Reply) -> str:
    """Return the request that a refusal names: ``<namespace>/cr-...`` or ``none``."""
    line = reply.body["message"].split("\n")[2]
    return dict(part.split("=", 1) for part in line.split())["request"]


def wait_filed(desk: Desk, change: Change) -> dict[str, Any]:
    """Return the ChangeRequest of a change, once it is there."""
    path = request_path(change)
    wait_until(f"{path} is filed", lambda: desk.there(path))
    return desk.get(path)


def wait_named(desk: Desk, reply: Reply) -> dict[str, Any]:
    """Return the ChangeRequest that a refusal names, once it is there."""
    namespace, name = named(reply).split("/")
    path = path_of("changerequests", name, namespace=namespace, api=_API)
    wait_until(f"{path} is filed", lambda: desk.there(path))
    return desk.get(path)


def spec_of(document: Mapping[str, Any]) -> ChangeRequestSpec:
    """Return a ChangeRequest's spec, read."""
    return ChangeRequestSpec.model_validate(document["spec"])


def state_of(desk: Desk, path: str) -> str:
    """Return the state of the ChangeRequest at this path; empty before it has one."""
    return str(desk.get(path).get("status", {}).get("state", ""))


def wait_state(desk: Desk, path: str, state: str) -> dict[str, Any]:
    """Return the status of the ChangeRequest at this path, once it is in this state."""
    wait_until(f"{path} is {state}", lambda: state_of(desk, path) == state)
    return dict(desk.get(path)["status"])


def rejection(
    by: str, *, reason: str = "take a snapshot first", lasts: timedelta = timedelta(hours=1)
) -> Any:
    """Return the patch of a status by which an approver rejects."""
    now = datetime.now(UTC)
    instants = {"at": format_instant(now), "until": format_instant(now + lasts)}
    return {"status": {"rejection": {"by": by, "reason": reason, **instants}}}
