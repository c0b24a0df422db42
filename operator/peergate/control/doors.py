"""Look, slowly and for ever, which agents hold rights that lead round the gate; count them, tell of new ones.

The same questions as ``peergate doctor``, a few a second, by the leader alone. What is found is shown and
never acted upon: the gate stands as it stood (approval-format.md D5).
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

from peergate.cluster.client import Client, Miss
from peergate.cluster.endpoints import SUBJECT_ACCESS_REVIEWS
from peergate.cluster.snapshots import Snapshots
from peergate.control.keeping import Pace
from peergate.errors import Unavailable
from peergate.gate.access import Right, is_allowed, review_of
from peergate.gate.doors import (
    DOORS,
    EVERYTHING,
    Weight,
    held_doors,
    named_rights,
    part_of,
    rights_asked,
    weight_of,
)
from peergate.gate.roster import Enlisted, roster
from peergate.gate.snapshot import Snapshot
from peergate.observe.metrics import Metrics
from peergate.settings import Settings

__all__ = ["AGAIN_SECONDS", "DOORS_PACE", "DoorWatch", "doors_of"]

_log = logging.getLogger(__name__)

DOORS_PACE: Final = Pace(every=1.0)
_A_STEP: Final = 20
"""Questions a second: about one hundredth of an API server's core."""
AGAIN_SECONDS: Final = 600.0
"""How long an answer about an agent holds; with many agents a round takes longer than that by itself."""
_NAMESPACES_MOST: Final = 20
"""Protected namespaces asked about one by one; ``peergate doctor`` looks at all of them."""
_ANNOUNCE_EVERY: Final = 30.0
_MUSTER_EVERY: Final = 5.0
"""Every account is looked at for it: 10,000 of them take about thirty milliseconds."""
_NAMED_MOST: Final = 5
_EXEMPT_NAMESPACE: Final = "kube-system"

_Doors = frozenset[tuple[str, Weight]]


class DoorWatch:
    """Asks about one agent after the other."""

    def __init__(
        self,
        client: Client,
        settings: Settings,
        snapshots: Snapshots,
        *,
        leads: Callable[[], bool],
        metrics: Metrics,
        announce: Callable[[str, str], Awaitable[None]],
        clock: Callable[[], float] = time.monotonic,
        again_seconds: float = AGAIN_SECONDS,
    ) -> None:
        """Ask about each agent anew after so many seconds; ``announce`` posts an Event."""
        self._client = client
        self._settings = settings
        self._snapshots = snapshots
        self._leads = leads
        self._metrics = metrics
        self._announce = announce
        self._clock = clock
        self._again = again_seconds
        self._known: dict[str, _Doors] = {}
        """By the agent's display name: what it held when it was last asked about."""
        self._asked_at: dict[str, float] = {}
        self._news: dict[str, tuple[str, ...]] = {}
        """Agents with open doors that were not told of yet."""
        self._told_at = float("-inf")
        self._mustered_at = float("-inf")
        self._agents: tuple[Enlisted, ...] = ()
        self._current: Enlisted | None = None
        self._held: set[Right] = set()
        self._todo: list[Right] = []

    async def step(self) -> bool:
        """Ask a few questions; nothing is written but Events. Errors: Unavailable."""
        if not self._leads():
            if self._known or self._current:
                self._forget()
            return False
        snapshot = self._snapshots.snapshot()
        if not self._snapshots.synced or snapshot.stale:
            return False
        self._muster(snapshot)
        for _ in range(_A_STEP):
            if not self._todo and not self._next(snapshot):
                break
            await self._ask()
        await self._tell()
        return False

    def _muster(self, snapshot: Snapshot) -> None:
        """Bring the list of agents up to date; who is none any more is forgotten."""
        if self._clock() - self._mustered_at < _MUSTER_EVERY:
            return
        self._mustered_at = self._clock()
        self._agents = tuple(roster(snapshot))
        here = {agent.display for agent in self._agents}
        for gone in self._known.keys() - here:
            del self._known[gone]
        for gone in self._asked_at.keys() - here:
            del self._asked_at[gone]
        self._count()

    def _next(self, snapshot: Snapshot) -> bool:
        """Turn to the agent that was not asked about for the longest time, if it is time."""
        now = self._clock()
        due = min(
            self._agents,
            key=lambda agent: self._asked_at.get(agent.display, float("-inf")),
            default=None,
        )
        if due is None or now - self._asked_at.get(due.display, float("-inf")) < self._again:
            return False
        self._current, self._held = due, set()
        asked = (
            EVERYTHING,
            *named_rights(configuration=self._settings.webhook.configuration),
            *_questions(self._places(snapshot)),
        )
        # From the end: the gravest question is asked first.
        self._todo = [*reversed(asked)]
        self._asked_at[due.display] = now
        return True

    async def _ask(self) -> None:
        """Ask the next question of the current agent; it is done with when an answer is there."""
        agent, right = self._current, self._todo[-1]
        if agent is None:
            raise RuntimeError("a question without anybody to ask about")
        if Right(right.verb, right.group, right.resource) not in self._held:
            answer = await self._client.create(
                SUBJECT_ACCESS_REVIEWS, body=review_of(right, subject=agent.subject)
            )
            if isinstance(answer, Miss):
                raise Unavailable("an access review was not answered", context=answer.name)
            if is_allowed(answer):
                self._held.add(right)
                if right == EVERYTHING:
                    self._todo = [right]
                # Told at once; what is no more is forgotten when all questions are answered.
                self._note(agent, self._known.get(agent.display, frozenset()) | doors_of(self._held))
        self._todo.pop()
        if not self._todo:
            self._done(agent)

    def _done(self, agent: Enlisted) -> None:
        self._current = None
        if agent.display in self._asked_at:
            # Else it is gone meanwhile.
            self._note(agent, doors_of(self._held))

    def _note(self, agent: Enlisted, found: _Doors) -> None:
        before = self._known.get(agent.display, frozenset())
        fresh = sorted(check for check, weight in found - before if weight is Weight.OPEN)
        if fresh:
            told = self._news.get(agent.display, ())
            self._news[agent.display] = tuple(sorted({*told, *fresh}, key=_number))
            _log.warning("an agent holds rights that lead round the gate: %s", ", ".join(fresh))
        self._known[agent.display] = found
        self._count()

    def _places(self, snapshot: Snapshot) -> list[str]:
        label = self._settings.labels.protected
        protected = sorted(
            name for name, labels in snapshot.namespaces.items() if labels.get(label) == "true"
        )
        own = (self._settings.namespace, _EXEMPT_NAMESPACE)
        return list(dict.fromkeys((*own, *protected[:_NAMESPACES_MOST])))

    def _count(self) -> None:
        counts = Counter(door for held in self._known.values() for door in held)
        every = {
            (door.id, ask.weight): 0 for door in DOORS for ask in door.asks if ask.weight is not Weight.WORK
        }
        self._metrics.doors(
            {(check, weight.value): count for (check, weight), count in (every | counts).items()}
            if self._known
            else {}
        )

    async def _tell(self) -> None:
        now = self._clock()
        if not self._news or now - self._told_at < _ANNOUNCE_EVERY:
            return
        news = sorted(self._news.items())
        named = "; ".join(f"{who}: {', '.join(checks)}" for who, checks in news[:_NAMED_MOST])
        rest = len(news) - _NAMED_MOST
        more = f"; and {rest} more agents" if rest > 0 else ""
        await self._announce(
            "OpenDoor",
            f"Agents hold rights that lead round the gate: {named}{more}. A person runs: peergate doctor",
        )
        self._news.clear()
        self._told_at = now

    def _forget(self) -> None:
        """Leave it to the replica that leads now."""
        self._known, self._asked_at, self._news = {}, {}, {}
        self._current, self._todo = None, []
        self._metrics.doors({})


def doors_of(held: set[Right]) -> _Doors:
    """Return the checks that these rights fail and how grave that is; ordinary work is none."""
    failed = held_doors(held)
    found = set()
    for door in DOORS:
        for right in failed.get(door.id, ()):
            if right == EVERYTHING:
                found |= {(door.id, ask.weight) for ask in door.asks}
            else:
                found.add((door.id, weight_of(door, right=right, failed=failed.keys())))
    return frozenset((check, weight) for check, weight in found if weight is not Weight.WORK)


def _questions(namespaces: list[str]) -> list[Right]:
    """Return what to ask about one agent: the whole cluster first, and there what no admission sees."""
    found: list[Right] = []
    for namespace in ("", *namespaces):
        here = [
            (part_of(door, right=right).weight, right)
            for door in DOORS
            for right in rights_asked(door, namespace=namespace)
        ]
        for weight in (Weight.OPEN, Weight.SHUT):
            found += [right for mine, right in here if mine is weight]
    return found


def _number(check: str) -> int:
    return int(check.removeprefix("SAR"))
