"""Whether a refused change is filed, and where: decided with the refusal, whose text says so (design.md §4).

Pure: limits are held against the snapshot. What is filed, and whether an object that is there already is the
right one, is looked at after the answer.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from peergate.gate.filed import FiledRequest
from peergate.gate.findings import Situation
from peergate.gate.messages import request_namespace
from peergate.model.change import Change
from peergate.model.decision import Facts, Filing, NotFiled

__all__ = ["filing_of", "held_since"]

_UNFILED_TAG: Final = "self-test"
"""The operator's own must-deny review is nobody's request."""
_NAME_MOST: Final = 253
_VERSION_MOST: Final = 63
_USERNAME_MOST: Final = 512
_UID_MOST: Final = 128


def filing_of(
    situation: Situation, *, facts: Facts, filed: FiledRequest | None, now: datetime
) -> Filing | NotFiled | None:
    """Return where the refused change is filed or going to be, or why it is not; ``None`` for a dry run.

    ``filed`` is the ChangeRequest of this very change, if there is one. One that has ended is filed anew.
    """
    snapshot, change = situation.snapshot, facts.change
    if situation.review.dry_run or situation.agent.tag == _UNFILED_TAG or change is None:
        return None
    namespace = request_namespace(situation)
    if filed is not None and filed.is_open(now=now):
        return Filing(namespace=namespace, filed_at=filed.created, expires=filed.expires, uid=filed.uid)
    backlog, lives = snapshot.backlog, snapshot.config.expire_after
    key = (namespace, str(facts.change_id))
    if key in backlog.queued:
        since = backlog.since.get(key, now)
        return Filing(namespace=namespace, filed_at=since, expires=since + lives)
    resource = change.object.resource
    if change.object.subresource == "scale":
        resource = f"{resource}/scale"
    if (change.object.group, resource) in backlog.closed or not _fits(change, owner=facts.owner):
        return "rights"
    already = snapshot.open_requests.get(change.requester, 0) + backlog.of.get(change.requester, 0)
    if already >= snapshot.config.open_requests:
        return "limit"
    if backlog.full:
        return "queue"
    return Filing(namespace=namespace, filed_at=now, expires=now + lives)


def held_since(
    situation: Situation, *, facts: Facts, filed: FiledRequest | None, filing: Filing, now: datetime
) -> timedelta:
    """Return for how long this change has been held.

    The creation of its ChangeRequest starts the hold, for all replicas. Until this replica has seen one, its
    own first refusal does, which came just before: so the start moves once, by the time that filing takes.
    """
    if filed is not None and filed.is_open(now=now):
        return now - filed.created
    key = (filing.namespace, str(facts.change_id))
    return now - situation.snapshot.backlog.since.get(key, now)


def _fits(change: Change, *, owner: str) -> bool:
    """Tell whether a ChangeRequest can name this change; a name that long is no object's of Kubernetes."""
    target = change.object
    names = (target.group, target.resource, target.subresource, target.namespace, target.name, owner)
    return (
        max(map(len, names)) <= _NAME_MOST
        and 0 < len(target.version) <= _VERSION_MOST
        and len(target.uid) <= _UID_MOST
        and 0 < len(change.requester.username) <= _USERNAME_MOST
        and len(change.requester.uid) <= _UID_MOST
    )
