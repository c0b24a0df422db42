"""The operator's own look for open doors: a few questions a step, every agent in turn, told once."""

from __future__ import annotations

import dataclasses

import pytest
from tests.support.gate import snapshot

from peergate.cluster.client import Miss
from peergate.control.doors import DoorWatch, doors_of
from peergate.errors import Unavailable
from peergate.gate.access import Right
from peergate.gate.doors import DOORS, EVERYTHING, Weight
from peergate.gate.snapshot import Account
from peergate.observe.metrics import Metrics
from peergate.settings import Settings

_SECRETS = Right("get", "", "secrets")
_SHOP = Right("list", "", "secrets", "shop")
_TOKENS = Right("create", "", "serviceaccounts/token")


class World:
    """An authorizer, caches and a clock, as the watch sees them."""

    def __init__(self, **agents):
        self.rights = {f"system:serviceaccount:ops:{name}": set(rights) for name, rights in agents.items()}
        self.asked = []
        self.told = []
        self.now = 0.0
        self.leading = True
        self.synced = True
        self.answers = True
        self.metrics = Metrics()
        self._snapshot = snapshot(namespaces={"shop": {"peergate.dev/protected": "true"}, "ops": {}})
        self.watch = DoorWatch(
            self,
            Settings(),
            self,
            leads=lambda: self.leading,
            metrics=self.metrics,
            announce=self.announce,
            clock=lambda: self.now,
        )

    def snapshot(self):
        names = [username.rpartition(":")[2] for username in self.rights]
        accounts = {("ops", name): Account(uid=name, tagged=True, owner="") for name in names}
        return dataclasses.replace(self._snapshot, accounts=accounts)

    async def create(self, endpoint, *, body):
        assert endpoint.resource == "subjectaccessreviews"
        if not self.answers:
            return Miss.CONFLICT
        spec, wanted = body["spec"], body["spec"]["resourceAttributes"]
        subresource = f"/{wanted['subresource']}" if "subresource" in wanted else ""
        right = Right(
            wanted["verb"],
            wanted.get("group", ""),
            wanted["resource"] + subresource,
            wanted.get("namespace", ""),
            wanted.get("name", ""),
        )
        self.asked.append((spec["user"].rpartition(":")[2], right))
        return {"status": {"allowed": right in self.rights[spec["user"]]}}

    async def announce(self, reason, note):
        self.told.append((reason, note))

    async def pass_time(self, seconds):
        for _ in range(seconds):
            await self.watch.step()
            self.now += 1.0

    def doors(self):
        """Return the gauge without what is zero."""
        lines = self.metrics.render().decode().splitlines()
        found = [line.split("{")[1].split("} ") for line in lines if line.startswith("peergate_open_doors{")]
        return {labels: float(value) for labels, value in found if float(value)}


async def test_rights_are_found_counted_and_told():
    world = World(bot=[_SECRETS, _TOKENS], other=[_SHOP])
    await world.pass_time(60)
    assert world.doors() == {
        'check="SAR7",weight="open"': 2.0,
        'check="SAR5",weight="shut"': 1.0,
    }
    assert world.told[0] == (
        "OpenDoor",
        "Agents hold rights that lead round the gate: ops/bot: SAR7. A person runs: peergate doctor",
    )


async def test_the_gravest_is_asked_first_and_who_may_do_everything_is_asked_no_more():
    world = World(bot=[EVERYTHING])
    await world.pass_time(3)
    assert world.asked == [("bot", EVERYTHING)]
    assert world.doors() == {
        f'check="{door.id}",weight="{weight}"': 1.0
        for door in DOORS
        for weight in {ask.weight for ask in door.asks} - {Weight.WORK}
    }


async def test_at_most_twenty_questions_a_step():
    world = World(bot=[])
    await world.watch.step()
    assert len(world.asked) == 20


async def test_a_right_on_the_gate_alone_is_found():
    gate = Right("delete", "admissionregistration.k8s.io", "validatingwebhookconfigurations", "", "peergate")
    world = World(bot=[gate])
    await world.pass_time(60)
    assert world.doors() == {'check="SAR1",weight="open"': 1.0}


async def test_what_is_held_everywhere_is_not_asked_in_a_namespace():
    world = World(bot=[_SECRETS])
    await world.pass_time(60)
    assert ("bot", Right("get", "", "secrets", "shop")) not in world.asked
    assert ("bot", Right("list", "", "secrets", "shop")) in world.asked


async def test_answers_hold_for_ten_minutes_and_a_right_that_appears_is_told_then():
    world = World(bot=[])
    await world.pass_time(60)
    asked = len(world.asked)
    await world.pass_time(500)
    assert (len(world.asked), world.told, world.doors()) == (asked, [], {})
    world.rights["system:serviceaccount:ops:bot"].add(_SECRETS)
    await world.pass_time(100)
    assert len(world.told) == 1
    assert world.doors() == {'check="SAR7",weight="open"': 1.0}


async def test_a_door_is_told_once_and_again_after_it_was_shut():
    world = World(bot=[_SECRETS])
    await world.pass_time(1900)
    assert len(world.told) == 1
    world.rights["system:serviceaccount:ops:bot"].clear()
    await world.pass_time(700)
    assert world.doors() == {}
    world.rights["system:serviceaccount:ops:bot"].add(_SECRETS)
    await world.pass_time(700)
    assert len(world.told) == 2


async def test_a_new_agent_comes_first():
    world = World(**{f"bot{number}": [] for number in range(3)})
    await world.pass_time(200)
    asked = len(world.asked)
    world.rights["system:serviceaccount:ops:new"] = {_SECRETS}
    await world.pass_time(60)
    assert {name for name, _ in world.asked[asked:]} == {"new"}
    assert world.doors() == {'check="SAR7",weight="open"': 1.0}


async def test_who_is_no_agent_any_more_is_not_counted():
    world = World(bot=[_SECRETS], other=[])
    await world.pass_time(60)
    del world.rights["system:serviceaccount:ops:bot"]
    await world.pass_time(10)
    assert world.doors() == {}


async def test_many_agents_are_one_event():
    world = World(**{f"bot{number:02}": [EVERYTHING] for number in range(9)})
    await world.pass_time(30)
    [(_, note)] = world.told
    assert "ops/bot04: SAR1" in note
    assert "ops/bot05" not in note
    assert "and 4 more agents" in note


async def test_only_the_leader_asks_and_who_leads_no_more_shows_nothing():
    world = World(bot=[_SECRETS])
    await world.pass_time(60)
    world.leading = False
    await world.pass_time(5)
    asked = len(world.asked)
    await world.pass_time(1000)
    assert (len(world.asked), world.doors()) == (asked, {})


async def test_nothing_is_asked_before_it_is_known_who_is_an_agent():
    world = World(bot=[_SECRETS])
    world.synced = False
    await world.pass_time(5)
    assert world.asked == []


async def test_a_question_without_an_answer_is_asked_again():
    world = World(bot=[EVERYTHING])
    world.answers = False
    with pytest.raises(Unavailable):
        await world.watch.step()
    world.answers = True
    await world.pass_time(2)
    assert world.asked == [("bot", EVERYTHING)]


HELD = {
    "nothing": (set(), set()),
    "ordinary work is no door": ({Right("create", "", "pods")}, set()),
    "one half of constrained impersonation is shut": (
        {Right("impersonate:user-info", "authentication.k8s.io", "users")},
        {("SAR3", Weight.SHUT)},
    ),
    "both are open": (
        {
            Right("impersonate:user-info", "authentication.k8s.io", "users"),
            Right("impersonate-on:user-info:delete", "*", "*"),
        },
        {("SAR3", Weight.OPEN), ("SAR4", Weight.OPEN)},
    ),
}


@pytest.mark.parametrize(("held", "expected"), HELD.values(), ids=HELD)
def test_which_doors_rights_open(held, expected):
    assert doors_of(held) == expected
