"""What exists under a change's name already is compared with what would be filed."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from tests.support.gate import AGENT_UID, AUDIENCE, NOW, thing

from peergate.approval.change import change_digest, change_id
from peergate.approval.target import Target
from peergate.cluster.client import Miss
from peergate.cluster.endpoints import CHANGE_REQUESTS
from peergate.cluster.filing import Registry
from peergate.errors import Unavailable
from peergate.gate.record import Draft, kind_of
from peergate.model.change import Effect, ObjectRef, Requester
from peergate.model.decision import Claim, Code, Facts, Filing, NotCounted
from peergate.model.names import Digest
from peergate.model.wire import format_instant

LIVE = thing("ConfigMap", "settings")
SLOT = "approval.peergate.dev/v1."


class Client:
    """Holds one ConfigMap, one account, and what is filed."""

    def __init__(self) -> None:
        self.filed: dict[str, dict[str, Any]] = {}
        self.made = 0
        self.signed_meanwhile: list[str] = []
        """Who signs just before it is deleted."""
        self.first_meanwhile: dict[str, Any] | None = None
        """What another replica files as soon as one is deleted."""
        self.signed_since: list[str] = []
        """Who signs just before that one is deleted."""
        self.unanswered = 0
        """So many deletions are done and not answered."""

    async def create(self, _: object, *, body: dict[str, Any], **__: Any) -> Any:
        name = body["metadata"]["name"]
        if name in self.filed:
            return Miss.CONFLICT
        self.made += 1
        given = {
            "uid": f"uid-{self.made}",
            "resourceVersion": "1",
            "creationTimestamp": format_instant(NOW),
        }
        self.filed[name] = {**body, "metadata": {**body["metadata"], **given}}
        return self.filed[name]

    async def get(self, endpoint: object, *, name: str, **_: Any) -> Any:
        if endpoint == CHANGE_REQUESTS:
            return self.filed.get(name)
        return LIVE if name == "settings" else {"metadata": {"uid": AGENT_UID}}

    async def delete(self, _: object, *, name: str, uid: str, resource_version: str, **__: Any) -> Any:
        if self.signed_meanwhile:
            self.annotate(name, self.signed_meanwhile.pop())
        there = self.filed[name]["metadata"]
        assert there["uid"] == uid
        if there["resourceVersion"] != resource_version:
            return Miss.CONFLICT
        del self.filed[name]
        if self.first_meanwhile is not None:
            await self.create(None, body=self.first_meanwhile)
            self.first_meanwhile = None
            self.signed_meanwhile = self.signed_since
        if self.unanswered:
            self.unanswered -= 1
            raise Unavailable("the API server does not answer")
        return None

    def annotate(self, name: str, slot: str) -> None:
        """Have somebody sign."""
        metadata = self.filed[name]["metadata"]
        metadata["annotations"] = {**metadata["annotations"], f"{SLOT}{slot}": slot}
        metadata["resourceVersion"] += "1"


def draft(**members: Any) -> Draft:
    metadata = LIVE["metadata"]
    target = Target(
        audience=AUDIENCE,
        operation="DELETE",
        object=ObjectRef("", "v1", "configmaps", "", metadata["namespace"], "settings", metadata["uid"]),
        requester=Requester("system:serviceaccount:agents:bot", AGENT_UID),
        requester_owner="team-platform",
        kind=kind_of(LIVE),
        old=LIVE,
        options={"propagationPolicy": "Background"},
    )
    change = target.change("k8s-projection/v1")
    digest = change_digest(change)
    facts = Facts(
        owner=members.pop("owner", "team-platform"),
        rules=("prod/0",),
        counted=members.pop("counted", ()),
        not_counted=members.pop("not_counted", ()),
        effect=Effect.DELETE,
        change=change,
        change_digest=digest,
        change_id=change_id(digest),
    )
    filing = Filing(namespace="shop", filed_at=NOW, expires=NOW + timedelta(hours=24))
    return Draft(change=change, facts=facts, filing=filing, wanted=None, **members)


AGAIN = {
    "the same again stays": (draft(pod="bot-1"), 1),
    "the same from another Pod stays": (draft(pod="bot-2"), 1),
    "the same from no Pod stays": (draft(), 1),
    "one that names another owner is replaced": (draft(pod="bot-1", owner="team-other"), 2),
}


@pytest.mark.parametrize(("again", "made"), AGAIN.values(), ids=AGAIN.keys())
async def test_what_is_there_already(again, made):
    client = Client()
    registry = Registry(client, clock=lambda: NOW)  # type: ignore[arg-type]
    assert await registry.file(draft(pod="bot-1"), carried={}) == "uid-1"
    later = dataclasses.replace(again.filing, filed_at=NOW + timedelta(minutes=1))
    assert await registry.file(dataclasses.replace(again, filing=later), carried={}) == f"uid-{made}"
    assert client.made == made


async def test_what_a_later_version_filed_stays_as_it_is():
    client = Client()
    registry = Registry(client, clock=lambda: NOW)  # type: ignore[arg-type]
    uid = await registry.file(draft(), carried={})
    [filed] = client.filed.values()
    filed["spec"] = {**filed["spec"], "extra": 1, "object": {**filed["spec"]["object"], "more": "x"}}
    assert await registry.file(draft(), carried={}) == uid
    filed["spec"]["summary"] = "harmless"
    assert await registry.file(draft(), carried={}) != uid, "what it knows is compared all the same"


async def test_a_rejection_of_what_a_later_version_filed_is_not_cleared_away():
    client = Client()
    registry = Registry(client, clock=lambda: NOW)  # type: ignore[arg-type]
    uid = await registry.file(draft(), carried={})
    [filed] = client.filed.values()
    until = format_instant(NOW + timedelta(hours=1))
    filed["spec"] = {**filed["spec"], "extra": 1, "summary": "in other words"}
    filed["status"] = {"rejection": {"by": "bob", "at": format_instant(NOW), "until": until, "more": 1}}
    assert await registry.file(draft(), carried={}) == uid


COUNTED = Claim(Digest("a" * 64), slot="alice", approver="alice", key_id="x", expires="2026-11-24T00:00:00Z")
EXPIRED = NotCounted("eve", Code.EXPIRED, "approval.peergate.dev/v1.eve")
LIES = {"summary": "in other words"}
FOREIGN = {"from": "0" * 64}
WHEN_REPLACED = {
    "what counted goes along": (LIES, ("alice",), (), {"alice"}),
    "what did not count stays behind": (LIES, ("alice", "eve"), (), {"alice"}),
    "what was signed since the verdict goes along": (LIES, ("alice", "bob"), (), {"alice", "bob"}),
    "so does what is signed in that very moment": (LIES, ("alice",), ("bob",), {"alice", "bob"}),
    "of another change only what counted does": (FOREIGN, ("alice", "bob"), (), {"alice"}),
}


@pytest.mark.parametrize(
    ("other", "there", "meanwhile", "kept"), WHEN_REPLACED.values(), ids=WHEN_REPLACED.keys()
)
async def test_what_is_signed_when_a_request_is_replaced(other, there, meanwhile, kept):
    client = Client()
    registry = Registry(client, clock=lambda: NOW)  # type: ignore[arg-type]
    again = draft(counted=(COUNTED,), not_counted=(EXPIRED,))
    first = await registry.file(again, carried={})
    [(name, filed)] = client.filed.items()
    filed["spec"] = {**filed["spec"], **other}
    filed["metadata"]["annotations"] = {"peergate.dev/reason": "x"}
    for slot in there:
        client.annotate(name, slot)
    client.signed_meanwhile = list(meanwhile)
    assert await registry.file(again, carried={}) != first
    assert signed(client) == kept


def signed(client: Client) -> set[str]:
    """Return the slots of the one request that is filed; nothing else is annotated."""
    [filed] = client.filed.values()
    return {key.removeprefix(SLOT) for key in filed["metadata"]["annotations"]}


async def in_other_words(client: Client, registry: Registry, again: Draft, *, by: str) -> dict[str, Any]:
    """File a change, have its request say something else and somebody sign it; return what was filed."""
    await registry.file(again, carried={})
    [(name, filed)] = client.filed.items()
    spec = {**filed["spec"]}
    filed["spec"] = {**spec, **LIES}
    client.annotate(name, by)
    return {"metadata": {"name": name, "namespace": "shop", "annotations": {}}, "spec": spec}


MEANWHILE: dict[str, list[str]] = {"nobody signs meanwhile": [], "somebody signs meanwhile": ["bob"]}


@pytest.mark.parametrize("also", MEANWHILE.values(), ids=MEANWHILE.keys())
async def test_another_replica_that_is_first_with_the_new_one_loses_no_approval(also):
    """It sees the change without a request, while the old one is away, and so knows of no approval."""
    client = Client()
    registry = Registry(client, clock=lambda: NOW)  # type: ignore[arg-type]
    again = draft(counted=(COUNTED,))
    client.first_meanwhile = await in_other_words(client, registry, again, by="alice")
    client.signed_since = [*also]
    assert await registry.file(again, carried={}) == "uid-3"
    assert signed(client) == {"alice", *also}


async def test_a_rejection_of_what_another_replica_was_first_with_stays():
    client = Client()
    registry = Registry(client, clock=lambda: NOW)  # type: ignore[arg-type]
    again = draft(counted=(COUNTED,))
    until = format_instant(NOW + timedelta(hours=1))
    rejection = {"by": "bob", "reason": "no", "at": format_instant(NOW), "until": until}
    first = await in_other_words(client, registry, again, by="alice")
    client.first_meanwhile = {**first, "status": {"rejection": rejection}}
    assert await registry.file(again, carried={}) == "uid-2"


async def test_what_was_taken_away_without_an_answer_is_carried_to_the_next_try():
    client = Client()
    registry = Registry(client, clock=lambda: NOW)  # type: ignore[arg-type]
    again = draft(counted=(COUNTED,))
    await in_other_words(client, registry, again, by="alice")
    client.unanswered = 1
    carried: dict[str, str] = {}
    with pytest.raises(Unavailable):
        await registry.file(again, carried=carried)
    assert not client.filed
    await registry.file(again, carried=carried)
    assert signed(client) == {"alice"}


async def test_what_another_hand_takes_away_is_not_put_back():
    client = Client()
    registry = Registry(client, clock=lambda: NOW)  # type: ignore[arg-type]
    again = draft(counted=(COUNTED,))
    await in_other_words(client, registry, again, by="alice")

    async def delete(*_: Any, name: str, **__: Any) -> Miss:
        client.filed.pop(name, None)
        return Miss.ABSENT

    client.delete = delete  # type: ignore[method-assign,assignment]
    await registry.file(again, carried={})
    assert signed(client) == set()
