"""The status of ChangeRequests: who has signed, what is missing, how each of them ends.

Only the leader writes. States follow the table of ``model.lifecycle``; a state is for readers and admits
nothing. Targets are looked at in turns, a few each time, so a change of one shows within a minute or so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from peergate.cluster.caches import RequestRecord, StatusSeen
from peergate.cluster.client import Client, Miss
from peergate.cluster.endpoints import CHANGE_REQUESTS
from peergate.cluster.reflector import Key
from peergate.cluster.sightings import Sighting, look_at
from peergate.cluster.snapshots import Snapshots
from peergate.control.agenda import Agenda
from peergate.control.events import Happening, Poster, request_reference
from peergate.control.status import Finding, conditions_of
from peergate.errors import Unavailable
from peergate.gate.policies import CompiledRule
from peergate.gate.snapshot import Snapshot
from peergate.gate.standing import Standing, rules_by_name, standing_of
from peergate.model.changerequest import RequestState
from peergate.model.lifecycle import DECIDED, ENDED, Seen, next_state
from peergate.model.names import JsonObject
from peergate.observe.metrics import Metrics

__all__ = ["RequestStatuses", "request_conditions"]

_AT_ONCE: Final = 10
"""Requests judged before reviews get their turn."""
_LOOKS_EACH_STEP: Final = 20
_LOOK_EVERY: Final = timedelta(seconds=15)
_JUDGE_EVERY: Final = timedelta(seconds=5)
"""What carries approvals is judged this often: they run out."""
_SIGHTED: Final[dict[Sighting, str]] = {
    "changed": "the target has changed since",
    "gone": "the target is gone",
    "recreated": "the target was recreated since",
    "arrived": "the target is already as it was to become",
}
_TOLD: Final[dict[RequestState, str]] = {
    "Approved": "Enough peers have signed: the agent may repeat the identical request.",
    "Used": "The change was admitted.",
    "Rejected": "A peer said no; status.rejection says why and until when.",
    "Expired": "Nobody decided in time.",
    "Stale": "What was asked for does not fit the target any more.",
    "Pending": "Signatures are missing.",
}


@dataclass(frozen=True, slots=True)
class _Scene:
    """What all requests of one step are judged by."""

    snapshot: Snapshot
    rules: dict[str, CompiledRule]
    now: datetime


class RequestStatuses:
    """Keeps the status of every ChangeRequest."""

    def __init__(
        self,
        client: Client,
        snapshots: Snapshots,
        *,
        leads: Callable[[], bool],
        metrics: Metrics,
        poster: Poster,
    ) -> None:
        self._client = client
        self._snapshots = snapshots
        self._leads = leads
        self._metrics = metrics
        self._poster = poster
        self._agenda = Agenda()
        self._keyring: object = None
        self._policies: object = None
        """By these two all were judged."""
        snapshots.caches.requests.follow(self._agenda.note)

    async def step(self) -> bool:
        """Count all, and as the leader write what their status should be; tell whether any was written.

        Errors: Unavailable.
        """
        if not self._snapshots.synced:
            return False
        agenda, snapshot, now = self._agenda, self._snapshots.snapshot(), self._client.clock.now()
        self._metrics.change_requests(agenda.counts(), oldest=agenda.oldest(now=now))
        if not self._leads():
            agenda.end()
            return False
        if not agenda.begun:
            await agenda.begin(self._snapshots.caches.requests.items())
        if self._keyring is not snapshot.keyring or self._policies is not snapshot.policies:
            self._keyring, self._policies = snapshot.keyring, snapshot.policies
            agenda.judge_all()
        unanswered = await self._look(now=now)
        wrote = await self._judge_those_due(snapshot, now=now)
        if unanswered is not None:
            raise unanswered
        return wrote

    async def _look(self, *, now: datetime) -> Unavailable | None:
        """Look at the targets that were not looked at for longest; return what stopped it.

        A target that can't be looked at waits for its next turn: an API that does not answer for one kind
        holds up no status.
        """
        for _ in range(_LOOKS_EACH_STEP):
            found = self._agenda.next_look(every=_LOOK_EVERY, now=now)
            if found is None:
                return None
            key, tracked = found
            try:
                sighting = await look_at(tracked.record.change, client=self._client)
            except Unavailable as error:
                self._agenda.sighted(key, tracked, sighting=tracked.sighting, now=now)
                return error
            self._agenda.sighted(key, tracked, sighting=sighting, now=now)
        return None

    async def _judge_those_due(self, snapshot: Snapshot, *, now: datetime) -> bool:
        scene = _Scene(snapshot=snapshot, rules=dict(rules_by_name(snapshot.policies)), now=now)
        wrote = False
        for number in range(self._agenda.call_due(now=now)):
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
            # Taken off before it is judged, so that what changes meanwhile is judged in the next step.
            taken = self._agenda.next_judged()
            if taken is None:
                break
            key, tracked = taken
            record = tracked.record
            until: datetime | None = now + _JUDGE_EVERY
            try:
                wrote |= await self._judge(key, record, sighting=tracked.sighting, scene=scene)
                until = _due(record, now=now)
            finally:
                # Where it could not be judged or written, it is tried again.
                self._agenda.put_off(key, until=until)
        return wrote

    async def _judge(self, key: Key, record: RequestRecord, *, sighting: Sighting, scene: _Scene) -> bool:
        filed, snapshot, now = record.filed, scene.snapshot, scene.now
        standing = standing_of(
            record.change,
            owner=record.owner,
            rules=record.rules,
            known=scene.rules,
            annotations=filed.annotations,
            snapshot=snapshot,
            now=now,
        )
        state = next_state(filed.state, *_seen(record, standing=standing, sighting=sighting, now=now))
        if state is None or (state == filed.state and state in ENDED):
            return False
        wanted = _status(record, state=state, standing=standing, sighting=sighting, now=now)
        return await self._write(key, record, wanted=wanted, state=state, now=now)

    async def _write(
        self, key: Key, record: RequestRecord, *, wanted: JsonObject, state: RequestState, now: datetime
    ) -> bool:
        live = record.status.decoded()
        if all(live.get(member) == value for member, value in wanted.items()):
            return False
        namespace, name = key
        answer = await self._client.patch(
            CHANGE_REQUESTS,
            namespace=namespace,
            name=name,
            subresource="status",
            # Seen by an older state than it has by now, it is left for the next step.
            body={"metadata": {"resourceVersion": record.resource_version}, "status": wanted},
        )
        if isinstance(answer, Miss):
            return False
        before = record.filed.state
        if state in DECIDED and before not in DECIDED:
            self._metrics.change_request_decided(state, after=now - record.filed_at)
        reason = {"Approved": "ChangeApproved", "Expired": "ChangeExpired"}.get(state)
        if reason is not None and before != state:
            self._poster.post(
                Happening(
                    reason=reason,
                    note=_TOLD[state],
                    target=request_reference(key, uid=record.filed.uid),
                    is_warning=False,
                )
            )
        return True


def _due(record: RequestRecord, *, now: datetime) -> datetime | None:
    """Return when time alone makes it worth while to judge it again; ``None``: never."""
    filed = record.filed
    if filed.state in ENDED:
        return None
    soon = now + _JUDGE_EVERY
    if filed.expires <= now:
        return soon
    return min(filed.expires, soon) if filed.annotations else filed.expires


def _seen(
    record: RequestRecord, *, standing: Standing, sighting: Sighting, now: datetime
) -> tuple[Seen, ...]:
    seen = [Seen.SATISFIED if standing.satisfied else Seen.SHORT]
    if sighting == "arrived" and standing.satisfied:
        # Whoever admitted it could not say so any more.
        seen.append(Seen.ADMITTED)
    elif sighting in _SIGHTED:
        seen.append(Seen.CHANGED)
    if record.filed.rejection is not None:
        seen.append(Seen.REJECTED)
    if now >= record.filed.expires:
        seen.append(Seen.OVERDUE)
    return tuple(seen)


def _status(
    record: RequestRecord, *, state: RequestState, standing: Standing, sighting: Sighting, now: datetime
) -> JsonObject:
    missing = _SIGHTED.get(sighting, "") if state == "Stale" else standing.missing
    if state in {"Approved", "Used", "Rejected"}:
        missing = ""
    return {
        "state": state,
        "progress": standing.progress,
        "missing": missing,
        "approvals": list(standing.approvals[:16]),
        "conditions": request_conditions(state, seen=record.status, now=now, detail=missing),
    }


def request_conditions(
    state: RequestState, *, seen: StatusSeen, now: datetime, detail: str = ""
) -> list[JsonObject]:
    """Return the conditions ``Approved`` and ``Decided`` of a ChangeRequest in this state.

    ``kubectl wait --for=condition=Decided`` ends on every state but ``Pending``.
    """
    message = f"{_TOLD[state]} ({detail})" if detail else _TOLD[state]
    return conditions_of(
        [
            Finding("Approved", holds=state in {"Approved", "Used"}, reason=state, message=message),
            Finding("Decided", holds=state in DECIDED, reason=state, message=message),
        ],
        seen=seen,
        now=now,
    )
