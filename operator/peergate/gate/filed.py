"""A filed ChangeRequest as the gate sees it: an untrusted container (approval-format.md §1.3 rule 1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from sys import intern
from typing import Any, Final, get_args

from pydantic import ValidationError

from peergate.approval.change import change_digest
from peergate.model.change import Change, ObjectRef, Requester
from peergate.model.changerequest import ChangeRequestSpec, Rejection, RequestState
from peergate.model.lifecycle import ENDED
from peergate.model.names import APPROVAL_KEY_PREFIX, Digest, JsonObject
from peergate.model.wire import parse_instant

__all__ = ["FiledRequest", "read_filed_request", "read_request", "recorded_change"]

_STATES: Final[Mapping[object, RequestState]] = {state: state for state in get_args(RequestState)}


@dataclass(frozen=True, slots=True)
class FiledRequest:
    """What counts of a ChangeRequest: which change it names, approvals, a rejection, its age."""

    change: Digest
    """SHA-256 of the change it records, computed here: the object's name proves nothing."""
    uid: str
    requester: Requester
    annotations: Mapping[str, str]
    """Only those with the reserved prefix."""
    rejection: Rejection | None
    created: datetime
    expires: datetime
    state: RequestState | None = None
    """As the operator wrote it; says what is open, never what is approved."""
    rejected: Change | None = None
    """The change it records, kept where it is rejected: that covers more than the very change."""

    def is_open(self, *, now: datetime) -> bool:
        """Tell whether it can be waited for: neither ended nor overdue. A rejection keeps it as it is."""
        if self.is_rejected(now=now):
            return True
        return self.rejection is None and self.state not in ENDED and now < self.expires

    def is_rejected(self, *, now: datetime) -> bool:
        """Tell whether a peer's no to this very change is in force; it outweighs every approval (V6)."""
        return self.rejection is not None and now < self.rejection.until


def recorded_change(spec: ChangeRequestSpec) -> Change:
    """Return the change that a ChangeRequest's spec records.

    Tens of thousands of these are held: what repeats itself among them is held once.
    """
    target = spec.object
    return Change(
        audience=intern(spec.audience),
        operation=spec.operation,
        object=ObjectRef(
            group=intern(target.group),
            version=intern(target.version),
            resource=intern(target.resource),
            subresource=intern(target.subresource),
            namespace=intern(target.namespace),
            name=target.name,
            uid=target.uid,
        ),
        requester=_requester(spec.requester.username, spec.requester.uid),
        projection=spec.projection,
        from_=Digest(spec.from_),
        to=None if spec.to is None else Digest(spec.to),
        options=dict(spec.options),
    )


@lru_cache(maxsize=4096)
def _requester(username: str, uid: str) -> Requester:
    return Requester(username=username, uid=uid)


def read_filed_request(document: JsonObject) -> FiledRequest | None:
    """Return what counts of a ChangeRequest object; ``None`` where it is not one we can read."""
    read = read_request(document)
    return None if read is None else read[1]


def read_request(document: JsonObject) -> tuple[ChangeRequestSpec, FiledRequest] | None:
    """Return the spec of a ChangeRequest object and what counts of it; ``None`` where it can't be read.

    A rejection that can't be read counts as absent only together with the whole object: a request that may
    be rejected must not be used as a carrier either.
    """
    metadata: Mapping[str, Any] = document.get("metadata") or {}
    try:
        spec = ChangeRequestSpec.of_any_version(document.get("spec"))
        status: Mapping[str, Any] = document.get("status") or {}
        rejection = status.get("rejection")
        change = recorded_change(spec)
        return spec, FiledRequest(
            change=change_digest(change),
            uid=str(metadata.get("uid") or ""),
            requester=change.requester,
            annotations={
                key: value
                for key, value in (metadata.get("annotations") or {}).items()
                if key.startswith(APPROVAL_KEY_PREFIX)
            },
            rejection=None if rejection is None else Rejection.of_any_version(rejection),
            created=parse_instant(metadata.get("creationTimestamp")),
            expires=spec.expires,
            state=_STATES.get(status.get("state")),
            rejected=None if rejection is None else change,
        )
    except (ValidationError, ValueError, AttributeError):
        return None
