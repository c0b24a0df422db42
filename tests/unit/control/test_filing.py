"""The queue of refused changes: bounded, fair, and known to the next decision at once."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest
from tests.support.gate import NOW, agent_user, review, snapshot, thing

from peergate.cluster.filing import NotFiledError
from peergate.control import filing
from peergate.control.filing import Filer
from peergate.errors import Unavailable
from peergate.gate.decide import decide
from peergate.gate.filed import FiledRequest
from peergate.gate.record import Draft
from peergate.gate.snapshot import Backlog, Snapshot
from peergate.model.change import Requester
from peergate.model.decision import Filing
from peergate.observe.metrics import Metrics


class Known:
    """Snapshots that are given to it."""

    def __init__(self) -> None:
        self.current = snapshot()
        self.listeners: list[Any] = []

    def snapshot(self) -> Snapshot:
        return self.current

    def tell_backlog(self, backlog: Backlog) -> None:
        self.current = dataclasses.replace(self.current, backlog=backlog)

    def subscribe(self, listener: Any) -> None:
        self.listeners.append(listener)


class Registry:
    """Files what it is given, or does what it was told."""

    def __init__(self, *outcomes: Exception) -> None:
        self.outcomes = list(outcomes)
        self.filed: list[Draft] = []
        self.carried: list[dict[str, str]] = []
        self.gate: asyncio.Event | None = None
        self.most_of: dict[str, int] = {}
        self._at_once: dict[str, int] = {}

    async def file(self, draft: Draft, *, carried: dict[str, str]) -> str:
        self.carried.append(carried)
        who = draft.change.requester.username
        self._at_once[who] = self._at_once.get(who, 0) + 1
        self.most_of[who] = max(self.most_of.get(who, 0), self._at_once[who])
        try:
            if self.gate is not None:
                await self.gate.wait()
            if self.outcomes:
                raise self.outcomes.pop(0)
        finally:
            self._at_once[who] -= 1
        self.filed.append(draft)
        return f"uid-{len(self.filed)}"


class Desk:
    """One replica's filer and everything around it."""

    def __init__(self, *outcomes: Exception) -> None:
        self.known = Known()
        self.registry = Registry(*outcomes)
        self.metrics = Metrics()
        self.causes: list[str] = []
        self.now = 0.0
        self.filer = Filer(
            self.registry,
            self.known,
            metrics=self.metrics,
            on_drop=self.causes.append,
            retry_seconds=0.0,
            clock=lambda: self.now,
        )

    def refuse(self, name: str = "web", *, user: Any = None, new: Any = None, accept: bool = True) -> Any:
        old = thing("Deployment", name, spec={"replicas": 3})
        operation = "DELETE" if new is None else "UPDATE"
        asked = review(operation, old=old, new=new, user=user or agent_user())
        decision = decide(review=asked, snapshot=self.known.current, now=NOW)
        if accept:
            self.filer.accept(asked, decision)
            self.filer.go(asked, decision)
        return decision

    def accept_like(self, decision: Any, number: int, *, requester: str = "agent") -> None:
        """Have the filer accept the refusal of another change of the same sort."""
        facts = decision.facts
        change = dataclasses.replace(facts.change, requester=Requester(requester, "uid"))
        facts = dataclasses.replace(facts, change=change, change_id=f"cr-{number}")
        asked = review("DELETE", old=thing("Deployment"))
        self.filer.accept(asked, dataclasses.replace(decision, facts=facts))

    def show(self, decision: Any, uid: str) -> None:
        """Have the caches show what was filed."""
        facts = decision.facts
        filed = FiledRequest(
            change=facts.change_digest,
            uid=uid,
            requester=facts.change.requester,
            annotations={},
            rejection=None,
            created=NOW,
            expires=decision.filing.expires,
        )
        requests = {**self.known.current.requests, ("shop", str(facts.change_id)): filed}
        self.known.current = dataclasses.replace(
            self.known.current, requests=requests, open_requests={facts.change.requester: len(requests)}
        )
        for listener in self.known.listeners:
            listener()

    def dropped(self, cause: str) -> float:
        value = self.metrics.registry.get_sample_value("peergate_filing_dropped_total", {"cause": cause})
        return value or 0.0


async def test_what_is_refused_is_filed_once_however_often_it_is_refused():
    desk = Desk()
    first = desk.refuse()
    assert desk.refuse().message == first.message
    assert desk.filer.waiting == 1
    await desk.filer.step()
    desk.refuse()
    await desk.filer.step()
    assert len(desk.registry.filed) == 1
    assert desk.registry.filed[0].filing == Filing("shop", filed_at=NOW, expires=first.filing.expires)


async def test_it_waits_until_the_caches_show_it_and_is_compared_but_once():
    desk = Desk()
    decision = desk.refuse()
    await desk.filer.step()
    assert desk.filer.waiting == 1, "else the next refusal would not know of it"
    desk.show(decision, "uid-1")
    assert desk.filer.waiting == 0
    again = desk.refuse()
    assert again.filing.uid == "uid-1"
    assert desk.filer.waiting == 0
    # Another object of that name, which somebody put in its place, is looked at.
    desk.show(decision, "uid-of-somebody")
    desk.refuse()
    assert desk.filer.waiting == 1


async def test_what_no_cache_ever_shows_is_let_go():
    desk = Desk()
    desk.refuse()
    await desk.filer.step()
    desk.now = 31.0
    desk.filer.look()
    assert desk.filer.waiting == 0
    desk.refuse()
    assert desk.filer.waiting == 1


async def test_a_hundred_of_one_agent_are_taken_and_others_go_on():
    desk = Desk()
    names = [f"web-{number}" for number in range(150)]
    said = [desk.refuse(name) for name in names]
    assert [decision.not_filed for decision in said] == [None] * 100 + ["limit"] * 50
    assert all("request=none" in decision.message for decision in said[100:])
    sibling = agent_user("system:serviceaccount:agents:sibling", "uid-sibling")
    assert desk.refuse(user=sibling).filing is not None
    assert (desk.dropped("limit"), desk.causes) == (50, ["limit"] * 50)
    await desk.filer.step()
    assert len(desk.registry.filed) == 101
    assert desk.registry.filed[1].change.requester.username == sibling.username, "each in its turn"


async def test_one_agent_never_takes_every_worker():
    desk = Desk()
    desk.registry.gate = asyncio.Event()
    for number in range(9):
        desk.refuse(f"web-{number}")
    workers = [asyncio.create_task(desk.filer.step()) for _ in range(filing.WORKERS)]
    await asyncio.sleep(0)
    desk.registry.gate.set()
    await asyncio.gather(*workers)
    assert len(desk.registry.filed) == 9
    assert set(desk.registry.most_of.values()) == {2}


async def test_a_full_queue_takes_no_more_until_it_has_room():
    desk = Desk()
    like = desk.refuse(accept=False)
    for number in range(1024):
        desk.accept_like(like, number, requester=f"agent-{number % 11}")
    assert desk.filer.waiting == 1024
    refused = desk.refuse("another")
    assert (refused.filing, refused.not_filed) == (None, "queue")
    assert desk.dropped("queue") == 1
    desk.registry.outcomes = [NotFiledError("unverified") for _ in range(1024)]
    await desk.filer.step()
    assert desk.filer.waiting == 0
    assert desk.refuse("another").filing is not None


async def test_wanted_objects_are_bounded_in_bytes_and_let_go_once_filed():
    desk = Desk()
    note = "x" * (1 << 20)
    for number in range(29):
        new = thing("Deployment", f"web-{number}", spec={"replicas": 3, "note": note})
        assert desk.refuse(f"web-{number}", new=new).filing is not None
    assert desk.refuse("too-many").not_filed == "queue"
    await desk.filer.step()
    assert desk.refuse("again").filing is not None
    assert desk.registry.filed[0].wanted["spec"]["note"] == note


async def test_an_api_server_that_is_away_is_asked_again_and_given_up_in_the_end():
    desk = Desk(Unavailable("away"))
    desk.refuse()
    await desk.filer.step()
    assert len(desk.registry.filed) == 1
    first, second = desk.registry.carried
    assert first is second, "what one try has taken away is known to the next"
    desk.registry.outcomes = [Unavailable("away")] * 3
    desk.refuse("other")
    await desk.filer.step()
    assert (len(desk.registry.filed), desk.dropped("api")) == (1, 1)
    desk.refuse("other")
    await desk.filer.step()
    assert len(desk.registry.filed) == 2, "the next refusal files it"


async def test_what_may_not_be_looked_at_is_known_for_a_while():
    desk = Desk(NotFiledError("rights"))
    desk.refuse()
    await desk.filer.step()
    assert desk.refuse("other").not_filed == "rights"
    assert "request=none" in desk.refuse("other").message
    desk.now = 301.0
    desk.filer.look()
    assert desk.refuse("other").filing is not None


async def test_a_forged_review_is_forgotten():
    desk = Desk(NotFiledError("unverified"))
    desk.refuse()
    await desk.filer.step()
    assert (desk.filer.waiting, desk.dropped("unverified"), desk.causes) == (0, 1, ["unverified"])


async def test_a_defect_costs_one_change_and_no_turn():
    desk = Desk(KeyError("a defect"))
    desk.refuse()
    desk.refuse("other")
    with pytest.raises(KeyError):
        await desk.filer.step()
    assert (desk.filer.waiting, desk.dropped("api")) == (1, 1)
    await desk.filer.step()
    assert len(desk.registry.filed) == 1


async def test_the_first_refusal_is_remembered_for_a_minute_whatever_becomes_of_it():
    desk = Desk(NotFiledError("unverified"))
    decision = desk.refuse()
    key = ("shop", str(decision.facts.change_id))
    await desk.filer.step()
    assert desk.known.current.backlog.since[key] == NOW
    desk.now = 60.0
    desk.filer.look()
    assert key not in desk.known.current.backlog.since


async def test_what_is_remembered_is_bounded():
    desk = Desk()
    desk.registry.outcomes = [NotFiledError("unverified") for _ in range(5000)]
    like = desk.refuse(accept=False)
    for number in range(5000):
        desk.accept_like(like, number)
        await desk.filer.step()
    assert len(desk.known.current.backlog.since) <= 4096


async def test_workers_are_called_when_the_answer_is_on_its_way():
    desk = Desk()
    calls: list[str] = []
    desk.filer.on_work(lambda: calls.append("worker"))
    asked = review("DELETE", old=thing("Deployment"))
    decision = decide(review=asked, snapshot=desk.known.current, now=NOW)
    desk.filer.accept(asked, decision)
    assert calls == [], "not before"
    desk.filer.go(asked, decision)
    assert calls == ["worker"]


@pytest.mark.parametrize("operation", ["CREATE", "CONNECT"])
async def test_what_is_admitted_or_barred_is_not_taken(operation):
    desk = Desk()
    asked = review(operation, new=thing("ConfigMap"))
    decision = decide(review=asked, snapshot=desk.known.current, now=NOW)
    desk.filer.accept(asked, decision)
    desk.filer.go(asked, decision)
    assert desk.filer.waiting == 0
