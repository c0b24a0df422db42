"""What an attacker does, in the way a person would, and what one looks at afterwards."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from typing import Any

from tests.bypass.model import MERGE, Act, Arm, Look

__all__ = [
    "JSON_PATCH",
    "MERGE",
    "applying",
    "changed",
    "exists",
    "getting",
    "gone",
    "nothing",
    "sent",
    "typed",
]

JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"
_TRIES = 5


def typed(line: str, *, given: Callable[[Arm], Any] | Mapping[str, Any] | None = None) -> Act:
    """Type a kubectl command; ``given`` goes to its standard input."""
    words = shlex.split(line)
    if words[0] != "kubectl":
        raise ValueError(f"not a kubectl command: {line}")

    def act(arm: Arm) -> None:
        arm.kubectl(*(arm.fill(word) for word in words[1:]), given=_body(given, arm))

    return act


def sent(
    method: str,
    path: str,
    body: Callable[[Arm], Any] | Any = None,
    *,
    as_: str = "application/json",
    **query: str,
) -> Act:
    """Send one request, as curl would."""

    def act(arm: Arm) -> None:
        arm.request(
            method,
            arm.fill(path),
            _body(body, arm),
            content_type=as_,
            query={key: arm.fill(value) for key, value in query.items()} or None,
        )

    return act


def applying(path: str, body: Callable[[Arm], Any] | Any, *, manager: str = "owner") -> Act:
    """Apply by server-side apply, by force."""

    def act(arm: Arm) -> None:
        arm.request(
            "PATCH",
            arm.fill(path),
            json.dumps(_body(body, arm)),
            content_type=APPLY,
            query={"fieldManager": manager, "force": "true"},
        )

    return act


def getting(path: str, change: Callable[[Arm, dict[str, Any]], Any], *, to: str = "") -> Act:
    """GET an object, change it, PUT it back (to another path, where one is given)."""

    def act(arm: Arm) -> None:
        for _ in range(_TRIES):
            live = arm.admin.request("GET", arm.fill(path)).body
            change(arm, live)
            # Somebody was quicker: read again, as every tool does.
            if arm.request("PUT", arm.fill(to or path), live).get("reason") != "Conflict":
                return

    return act


def _body(body: Any, arm: Arm) -> Any:
    if callable(body):
        body = body(arm)
    if isinstance(body, str):
        return arm.fill(body)
    return None if body is None else json.loads(arm.fill(json.dumps(body)))


# --- what one looks at ----------------------------------------------------------------------------------


def nothing(_: Arm) -> tuple[str, ...]:
    """Arrange nothing."""
    return ()


def gone(kind: str, name: str = "", *, api: str = "v1") -> Look:
    """Tell whether the object is gone, or going."""

    def look(arm: Arm) -> bool:
        live = arm.live(arm.path(kind, arm.fill(name), api=api))
        return live is None or "deletionTimestamp" in live["metadata"]

    return look


def exists(kind: str, name: str = "{name}", *, api: str = "v1") -> Look:
    """Tell whether there is such an object."""
    return lambda arm: arm.live(arm.path(kind, arm.fill(name), api=api)) is not None


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return which paths are not what they were."""
    return [path for path in before if before[path] != after[path]]
