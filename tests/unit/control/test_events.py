"""Events about changes: only what is real, counted, and at a bounded rate."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from tests.support.gate import NOW, PERSON, agent_user, review, snapshot, thing

from peergate.cluster.client import Miss, NotAllowed
from peergate.cluster.clock import ClusterClock
from peergate.control.events import Happening, Poster
from peergate.errors import Unavailable
from peergate.gate.decide import decide
from peergate.model.names import SELF_TEST_GROUP
from peergate.model.review import Gate

LEASE = {"apiVersion": "v1", "kind": "Lease", "namespace": "peergate-system", "name": "x"}


class Client:
    """Takes Events as the API server does."""

    clock = ClusterClock()

    def __init__(self) -> None:
        self.events: dict[tuple[str, str], dict[str, Any]] = {}
        self.refuses = False
        self.is_away = False

    async def create(self, _: object, *, namespace: str, body: dict[str, Any]) -> Any:
        if self.refuses:
            raise NotAllowed("the API server refused a call")
        if self.is_away:
            raise Unavailable("no API server")
        key = (namespace, body["metadata"]["name"])
        if key in self.events:
            return Miss.CONFLICT
        self.events[key] = body
        return body

    async def get(self, _: object, *, namespace: str, name: str) -> Any:
        return self.events.get((namespace, name))

    async def patch(self, _: object, *, namespace: str, name: str, body: dict[str, Any]) -> Any:
        self.events[namespace, name] |= body
        return body


class World:
    """A poster and what it writes to."""

    def __init__(self) -> None:
        self.now = 0.0
        self.client = Client()
        self.known = snapshot()
        self.poster = Poster(
            self.client,  # type: ignore[arg-type]
            self,
            identity="replica-1",
            clock=lambda: self.now,
        )

    def snapshot(self) -> Any:
        return self.known

    def tell(self, old: Any = None, *, user: Any = None, **how: Any) -> Any:
        asked = review("DELETE", old=old or thing("Deployment"), user=user or agent_user(), **how)
        decision = decide(review=asked, snapshot=self.known, now=NOW)
        self.poster.tell(asked, decision)
        return decision

    async def written(self) -> list[dict[str, Any]]:
        await self.poster.step()
        return list(self.client.events.values())


async def test_a_refusal_regards_its_target():
    world = World()
    decision = world.tell()
    (event,) = await world.written()
    event.pop("eventTime")
    name = event["metadata"].pop("name")
    assert name.startswith("peergate.")
    assert event == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"namespace": "shop"},
        "type": "Warning",
        "reason": "ApprovalRequired",
        "action": "Review",
        "note": decision.message,
        "reportingController": "peergate.dev",
        "reportingInstance": "replica-1",
        "regarding": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "namespace": "shop",
            "name": "web",
            "uid": "uid-of-deployment-web",
        },
        "related": {
            "apiVersion": "peergate.dev/v1alpha1",
            "kind": "ChangeRequest",
            "namespace": "shop",
            "name": str(decision.facts.change_id),
        },
    }


async def test_of_a_cluster_scoped_target_the_two_are_swapped():
    world = World()
    world.tell(thing("Node", "n1", namespace=""))
    (event,) = await world.written()
    assert event["metadata"]["namespace"] == event["regarding"]["namespace"] == "peergate-system"
    assert (event["regarding"]["kind"], event["related"]["kind"]) == ("ChangeRequest", "Node")


@pytest.mark.parametrize(
    ("target", "namespace"),
    [
        (thing("ServiceAccount", "bot", namespace="agents"), "agents"),
        (thing("Namespace", "peergate-system"), "default"),
    ],
)
async def test_what_can_never_be_approved_has_no_request(target, namespace):
    world = World()
    decision = world.tell(target)
    assert decision.state == "barred"
    (event,) = await world.written()
    assert event["metadata"]["namespace"] == namespace
    assert "related" not in event


NOBODY = {
    "a dry run": {"dry_run": True},
    "an account that is not known": {"user": agent_user("system:serviceaccount:agents:ghost", "u")},
    "another uid than the account's": {"user": agent_user(uid="another")},
    "the self-test": {"user": dataclasses.replace(agent_user(), groups=frozenset({SELF_TEST_GROUP}))},
    "a person": {"user": PERSON},
    "the form of our own resources": {"gate": Gate.RESOURCES},
}


@pytest.mark.parametrize("how", NOBODY.values(), ids=NOBODY.keys())
async def test_nothing_is_told_of(how):
    world = World()
    world.tell(**how)
    assert await world.written() == []


async def test_what_could_not_be_written_is_written_later():
    world = World()
    world.tell()
    world.client.is_away = True
    with pytest.raises(Unavailable):
        await world.written()
    world.client.is_away = False
    (event,) = await world.written()
    assert event["reason"] == "ApprovalRequired"


async def test_repetitions_are_counted_and_seldom_written():
    world = World()
    for _ in range(5):
        world.tell()
    (event,) = await world.written()
    assert event["series"]["count"] == 5
    for _ in range(3):
        world.tell()
    await world.written()
    assert event["series"]["count"] == 5, "not yet"
    world.now = 31.0
    await world.written()
    assert event["series"]["count"] == 8


async def test_replicas_count_in_the_same_event():
    one, other = World(), World()
    other.client = one.client
    other.poster = Poster(one.client, other, identity="replica-2", clock=lambda: 0.0)  # type: ignore[arg-type]
    one.tell()
    other.tell()
    await one.written()
    (event,) = await other.written()
    assert event["series"]["count"] == 2


async def test_one_that_ran_out_meanwhile_is_let_go():
    world = World()
    world.tell()
    await world.written()
    world.tell()
    world.now = 31.0
    world.client.get = _absent  # type: ignore[method-assign]
    await world.written()
    world.now = 62.1
    await world.written()
    assert world.poster._kept == {}


async def _absent(*_: Any, **__: Any) -> None:
    return None


async def test_a_burst_is_spread_and_one_agent_is_bounded():
    world = World()
    for number in range(200):
        world.tell(thing("Deployment", f"web-{number}"))
    assert len(await world.written()) == 20
    world.now = 1.0
    assert len(await world.written()) == 25
    for second in range(2, 40):
        world.now = float(second)
        await world.poster.step()
    assert len(world.client.events) == 64
    sibling = agent_user("system:serviceaccount:agents:sibling", "uid-sibling")
    world.tell(user=sibling)
    assert len(await world.written()) == 65


async def test_what_is_remembered_is_bounded():
    world = World()
    for number in range(2000):
        world.poster.post(Happening("A", "b", {**LEASE, "name": str(number)}, requester=str(number)))
    assert len(world.poster._kept) == 1024


async def test_a_namespace_on_its_way_out_is_no_error():
    world = World()
    world.client.refuses = True
    world.tell()
    assert await world.written() == []


async def test_long_notes_are_cut_and_whoever_works_is_woken():
    world = World()
    calls: list[int] = []
    world.poster.on_work(lambda: calls.append(1))
    world.poster.post(Happening("A", "x" * 2000, LEASE, is_warning=False))
    (event,) = await world.written()
    assert (len(event["note"]), event["type"], calls) == (1024, "Normal", [1])
