"""Events about changes, on their targets (experience.md §3.6): counted, bounded, after the answer.

Whoever reaches the webhook's port can post a review (T25), so a refusal becomes an Event only if its
requester's account is known, or its change is filed, which was checked. Losing an Event loses nothing: the
refusal and the ChangeRequest say the same.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Protocol

from peergate.cluster.client import Client, Miss, NotAllowed
from peergate.cluster.endpoints import CHANGE_REQUESTS, EVENTS
from peergate.errors import Unavailable
from peergate.gate.snapshot import Snapshot
from peergate.model.change import Change
from peergate.model.decision import Allow, Decision, Deny, Hold
from peergate.model.names import JsonObject
from peergate.model.review import Gate, Review

__all__ = ["Happening", "Knows", "Poster", "request_reference", "target_of"]

_NOTE_MOST: Final = 1024
_KEPT_MOST: Final = 1024
"""Different Events that are remembered, to be counted instead of posted again."""
_KEPT_EACH: Final = 64
"""Of one requester: what it floods with costs nobody else an Event."""
_RECOUNT_SECONDS: Final = 30.0
"""A count is written again this long after the last time at the earliest."""
_BURST: Final = 20
_PER_SECOND: Final = 5.0
"""Writes of one replica, once the burst is used up."""
_CONTROLLER: Final = "peergate.dev"


class Knows(Protocol):
    """``cluster.snapshots.Snapshots``, as far as Events need it."""

    def snapshot(self) -> Snapshot:
        """Return what is known now."""


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that is told once, and counted when it happens again."""

    reason: str
    note: str
    target: JsonObject
    """What it regards, as an object reference: apiVersion, kind, namespace, name, uid."""
    request: tuple[str, str] | None = None
    """Namespace and name of the ChangeRequest, where there is one."""
    requester: str = ""
    """Who caused it: one that causes many costs nobody else an Event."""
    is_warning: bool = True
    occasion: str = ""
    """What tells two of them apart that are of the same reason and target."""

    @property
    def name(self) -> str:
        """Return the Event's name: the same on every replica, so that they count together."""
        parts = (self.reason, str(self.target), str(self.request), self.occasion)
        return f"peergate.{sha256('|'.join(parts).encode(errors='replace')).hexdigest()[:20]}"


@dataclass(slots=True)
class _Kept:
    happening: Happening
    unwritten: int
    written_at: float
    """By the monotonic clock; minus infinity before the first time."""


class Poster:
    """The Events of one replica that wait to be written."""

    def __init__(
        self,
        client: Client,
        known: Knows,
        *,
        identity: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start empty; nothing is written before ``step``."""
        self._client = client
        self._known = known
        self._identity = identity
        self._clock = clock
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        self._of: dict[str, int] = {}
        self._tokens = float(_BURST)
        self._filled_at = clock()
        self._wake: Callable[[], None] = lambda: None

    def on_work(self, wake: Callable[[], None]) -> None:
        """Have ``wake`` called whenever there is something for ``step`` to do."""
        self._wake = wake

    def tell(self, review: Review, decision: Decision) -> None:
        """Take note of a refusal; a dry run is none, nor is what comes from nobody."""
        if isinstance(decision, Allow) or review.dry_run or review.gate is Gate.RESOURCES:
            return
        deny = decision.refusal if isinstance(decision, Hold) else decision
        if not self._is_real(review, deny):
            return
        filing, facts = deny.filing, deny.facts
        named = filing is not None and facts.change_id is not None
        self.post(
            Happening(
                reason=deny.status_reason,
                note=deny.message,
                target=_target(review, deny),
                request=(filing.namespace, str(facts.change_id)) if named and filing is not None else None,
                requester=review.user.username,
            )
        )

    def post(self, happening: Happening) -> None:
        """Take note of something that happened; quick, and safe to call from any callback."""
        key = (str(happening.target.get("namespace", "")), happening.name)
        kept = self._kept.get(key)
        if kept is not None:
            kept.unwritten += 1
        elif self._of.get(happening.requester, 0) < _KEPT_EACH:
            self._kept[key] = _Kept(happening, unwritten=1, written_at=float("-inf"))
            self._of[happening.requester] = self._of.get(happening.requester, 0) + 1
            if len(self._kept) > _KEPT_MOST:
                self._forget(next(iter(self._kept)))
        self._wake()

    async def step(self) -> bool:
        """Write what is due, as fast as the rate allows. Errors: Unavailable."""
        for key, kept in tuple(self._kept.items()):
            now = self._clock()
            if not kept.unwritten:
                if now - kept.written_at > _RECOUNT_SECONDS:
                    self._forget(key)
                continue
            if now - kept.written_at < _RECOUNT_SECONDS:
                continue
            if not self._take_token():
                break
            count, before = kept.unwritten, kept.written_at
            kept.unwritten, kept.written_at = 0, now
            try:
                await self._write(kept.happening, count=count)
            except Unavailable:
                kept.unwritten, kept.written_at = kept.unwritten + count, before
                raise
        return False

    def _forget(self, key: tuple[str, str]) -> None:
        kept = self._kept.pop(key, None)
        if kept is None:
            return
        requester = kept.happening.requester
        self._of[requester] -= 1
        if not self._of[requester]:
            del self._of[requester]

    def _take_token(self) -> bool:
        now = self._clock()
        self._tokens = min(_BURST, self._tokens + (now - self._filled_at) * _PER_SECOND)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _is_real(self, review: Review, deny: Deny) -> bool:
        if deny.facts.agent_tag in {"", "self-test"}:
            return False
        account = review.user.service_account
        if account is None:
            return deny.filing is not None and bool(deny.filing.uid)
        live = self._known.snapshot().accounts.get(account)
        return live is not None and live.uid == review.user.uid

    async def _write(self, happening: Happening, *, count: int) -> None:
        body = self._event(happening, count=count)
        namespace = body["metadata"]["namespace"]
        try:
            answer = await self._client.create(EVENTS, namespace=namespace, body=body)
            if answer is Miss.CONFLICT:
                await self._count_up(body, count=count)
        except NotAllowed:
            # A namespace on its way out takes nothing any more.
            return

    async def _count_up(self, body: JsonObject, *, count: int) -> None:
        metadata = body["metadata"]
        there = await self._client.get(EVENTS, namespace=metadata["namespace"], name=metadata["name"])
        if there is None:
            return
        before = (there.get("series") or {}).get("count") or 1
        series = {"count": before + count, "lastObservedTime": body["eventTime"]}
        await self._client.patch(
            EVENTS, namespace=metadata["namespace"], name=metadata["name"], body={"series": series}
        )

    def _event(self, happening: Happening, *, count: int) -> JsonObject:
        """Return the Event. Of a cluster-scoped target it regards the ChangeRequest, where there is one."""
        request = None if happening.request is None else request_reference(happening.request)
        regarding, related = happening.target, request
        if request is not None and not happening.target.get("namespace"):
            regarding, related = request, happening.target
        now = self._client.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        event: JsonObject = {
            "apiVersion": EVENTS.api_version,
            "kind": "Event",
            # What regards nothing in a namespace is kept in this one.
            "metadata": {"name": happening.name, "namespace": regarding.get("namespace") or "default"},
            "eventTime": now,
            "type": "Warning" if happening.is_warning else "Normal",
            "reason": happening.reason,
            "action": "Review",
            "note": happening.note[:_NOTE_MOST],
            "reportingController": _CONTROLLER,
            "reportingInstance": self._identity[:128],
            "regarding": regarding,
        }
        if related is not None:
            event["related"] = related
        if count > 1:
            event["series"] = {"count": count, "lastObservedTime": now}
        return event


def request_reference(key: tuple[str, str], *, uid: str = "") -> JsonObject:
    """Return the reference to the ChangeRequest of this namespace and name."""
    reference = {
        "apiVersion": CHANGE_REQUESTS.api_version,
        "kind": "ChangeRequest",
        "namespace": key[0],
        "name": key[1],
    }
    return {**reference, "uid": uid} if uid else reference


def target_of(change: Change, *, kind: str) -> JsonObject:
    """Return the reference to what a change is about."""
    target = change.object
    reference = {
        "apiVersion": f"{target.group}/{target.version}" if target.group else target.version,
        "kind": kind,
        "namespace": target.namespace,
        "name": target.name,
        "uid": target.uid,
    }
    return {member: value for member, value in reference.items() if value}


def _target(review: Review, deny: Deny) -> JsonObject:
    details, resource = deny.details, review.resource
    namespace = review.namespace
    if deny.facts.change is not None:
        namespace = deny.facts.change.object.namespace
    elif not resource.group and resource.resource == "namespaces":
        namespace = ""
    reference = {
        "apiVersion": f"{resource.group}/{resource.version}" if resource.group else resource.version,
        "kind": details.kind,
        "namespace": namespace,
        "name": details.name,
        "uid": details.uid,
    }
    return {member: value for member, value in reference.items() if value}
