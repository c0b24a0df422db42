"""A change known by its record alone: digests instead of objects, so that approvals of it can be verified.

For ChangeRequests: what the gate does with the objects of a review, a status and an agent's annotation need
from what was filed.
"""

from __future__ import annotations

from typing import Final

from peergate.approval.target import Digests, Target
from peergate.model.change import Change
from peergate.model.names import JsonObject
from peergate.model.review import Kind

__all__ = ["recorded_target"]

_UNKNOWN: Final = Kind(group="", version="", kind="")
_UNKNOWN_POD: Final[JsonObject] = {
    "spec": {"nodeName": "unknown", "terminationGracePeriodSeconds": 2**31 - 1}
}
"""A Pod's own grace is not recorded. Taken for the longest, no statement that leaves it open counts."""


def recorded_target(change: Change, *, owner: str) -> Target:
    """Return the target that approvals of a recorded change are held against.

    Statements with ignore pointers do not fit it: their digests need the objects. The gate judges those.
    """
    options: JsonObject | None = None
    if change.operation == "DELETE":
        options = {name: value for name, value in change.options.items() if name == "propagationPolicy"}
        if "minGracePeriodSeconds" in change.options:
            options["gracePeriodSeconds"] = change.options["minGracePeriodSeconds"]
    return Target(
        audience=change.audience,
        operation=change.operation,
        object=change.object,
        requester=change.requester,
        requester_owner=owner,
        kind=_UNKNOWN,
        old=_UNKNOWN_POD,
        new={} if change.operation == "UPDATE" else None,
        options=options,
        _digests={(change.projection, ()): Digests(from_=change.from_, to=change.to)},
    )
