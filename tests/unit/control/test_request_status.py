"""The leader gives every ChangeRequest its status, goes through none that did not change, and loses none."""

from __future__ import annotations

import copy
from collections import Counter
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest
from tests.support.gate import NOW, policy, snapshot
from tests.support.records import DELETION, recorded

from peergate.cluster.caches import read_request_record
from peergate.cluster.client import Miss, NotAllowed
from peergate.cluster.endpoints import CHANGE_REQUESTS
from peergate.cluster.reflector import Reflector, Source
from peergate.control.requests import RequestStatuses
from peergate.errors import Unavailable
from peergate.observe.metrics import Metrics

NAMES = ("one", "two")


class Api:
    """An API server with ChangeRequests and without their targets; what it writes comes back as an event."""

    def __init__(self, cache):
        self.cache = cache
        self.live = {}
        self.written = []
        self.looks = 0
        self.may_look = True
        self.is_silent = False
        self.fails = Counter()

    def put(self, name, document):
        self.live[name] = {**document, "metadata": {**document["metadata"], "name": name, "uid": name}}
        self.cache._apply({"type": "MODIFIED", "object": self.live[name]})

    async def patch(self, endpoint, *, namespace, name, subresource, body):
        assert (endpoint, namespace, subresource) == (CHANGE_REQUESTS, "shop", "status")
        self.fails[name] -= 1
        if self.fails[name] >= 0:
            raise Unavailable("the API server does not answer")
        if body["metadata"]["resourceVersion"] != self.live[name]["metadata"]["resourceVersion"]:
            return Miss.CONFLICT
        self.written.append((name, body["status"]["state"]))
        after = copy.deepcopy(self.live[name]) | {"status": body["status"]}
        after["metadata"]["resourceVersion"] += "1"
        self.put(name, after)
        return after

    async def get(self, *_, **__):
        self.looks += 1
        if self.is_silent:
            raise Unavailable("the API server does not answer")
        if not self.may_look:
            raise NotAllowed("get")


class Scene:
    """One replica."""

    def __init__(self):
        self.now = NOW
        self.leads = True
        self.cache = Reflector(None, Source(CHANGE_REQUESTS, read_request_record))
        self.api = Api(self.cache)
        self.api.clock = SimpleNamespace(now=lambda: self.now)
        self.metrics = Metrics()
        self.posted = []
        self.known = snapshot()
        self.statuses = RequestStatuses(
            self.api,
            SimpleNamespace(
                synced=True, snapshot=lambda: self.known, caches=SimpleNamespace(requests=self.cache)
            ),
            leads=lambda: self.leads,
            metrics=self.metrics,
            poster=SimpleNamespace(post=self.posted.append),
        )
        for name in NAMES:
            self.api.put(name, recorded(DELETION))

    async def step(self, *, later=timedelta(0)):
        """Take a step; return what it wrote."""
        self.now += later
        self.api.written.clear()
        wrote = await self.statuses.step()
        assert wrote is bool(self.api.written)
        return list(self.api.written)


@pytest.fixture
def scene():
    return Scene()


async def test_each_request_is_told_once_where_it_stands(scene):
    assert await scene.step() == [("one", "Pending"), ("two", "Pending")]
    assert await scene.step() == []
    assert scene.metrics.registry.get_sample_value("peergate_change_requests", {"state": "Pending"}) == 2
    status = scene.api.live["one"]["status"]
    assert (status["progress"], status["approvals"]) == ("0/1", [])


async def test_who_does_not_lead_counts_and_writes_nothing_and_takes_over_whole(scene):
    scene.leads = False
    assert await scene.step() == []
    assert scene.metrics.registry.get_sample_value("peergate_change_requests", {"state": "Pending"}) == 2
    scene.leads = True
    assert len(await scene.step()) == 2
    scene.leads = False
    await scene.step()
    scene.api.put("one", recorded(DELETION))
    scene.leads = True
    assert await scene.step() == [("one", "Pending")]


async def test_a_status_that_cannot_be_written_holds_up_no_other_and_is_written_later(scene):
    scene.api.fails["one"] = 1
    with pytest.raises(Unavailable):
        await scene.step()
    assert await scene.step() == [("two", "Pending")]
    assert await scene.step(later=timedelta(seconds=5)) == [("one", "Pending")]


async def test_what_somebody_else_changed_meanwhile_is_judged_as_it_is_then(scene):
    scene.api.live["one"]["metadata"]["resourceVersion"] = "other"
    assert await scene.step() == [("two", "Pending")]
    scene.api.put("one", scene.api.live["one"])
    assert await scene.step() == [("one", "Pending")]


async def test_time_alone_ends_a_request_once(scene):
    await scene.step()
    expires = datetime.fromisoformat(recorded(DELETION)["spec"]["expires"])
    scene.api.may_look = False
    assert await scene.step(later=expires - NOW - timedelta(seconds=1)) == []
    assert await scene.step(later=timedelta(seconds=1)) == [("one", "Expired"), ("two", "Expired")]
    assert [happening.reason for happening in scene.posted] == ["ChangeExpired", "ChangeExpired"]
    assert await scene.step(later=timedelta(days=1)) == []


async def test_targets_that_are_gone_make_requests_stale(scene):
    await scene.step()
    assert await scene.step(later=timedelta(seconds=14)) == []
    assert scene.api.looks == 0
    assert await scene.step(later=timedelta(seconds=1)) == [("one", "Stale"), ("two", "Stale")]
    assert await scene.step(later=timedelta(minutes=9)) == []
    assert scene.api.looks == 2


async def test_a_target_that_cannot_be_looked_at_holds_up_no_status_and_waits_for_its_next_turn(scene):
    scene.api.is_silent = True
    with pytest.raises(Unavailable):
        await scene.step(later=timedelta(seconds=20))
    assert (scene.api.looks, scene.api.written) == (1, [("one", "Pending"), ("two", "Pending")])
    scene.api.is_silent = False
    assert await scene.step() == [("two", "Stale")]
    assert await scene.step(later=timedelta(seconds=15)) == [("one", "Stale")]


async def test_other_rules_have_all_judged_again(scene):
    for name in NAMES:
        scene.api.put(name, recorded(DELETION, rules=["strict/0"]))
    assert len(await scene.step()) == 2
    assert await scene.step() == []
    scene.known = snapshot(policies=[policy("strict", rules=[{"approvals": {"required": 2}}])])
    assert await scene.step() == [("one", "Pending"), ("two", "Pending")]
    assert {document["status"]["progress"] for document in scene.api.live.values()} == {"0/2"}
