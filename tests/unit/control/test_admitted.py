"""A ChangeRequest is marked as used by the replica that admitted its change, and by nothing else."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.edge import approved, claim
from tests.support.gate import NOW, review, snapshot, thing
from tests.support.records import DELETION, recorded

from peergate.approval.change import change_digest, change_id
from peergate.cluster.caches import read_request_record
from peergate.cluster.reflector import Held
from peergate.control.admitted import Marker
from peergate.control.events import Happening
from peergate.errors import Unavailable
from peergate.model.change import ObjectRef
from peergate.model.decision import Allow, Code, Deny, State
from peergate.model.wire import format_instant
from peergate.observe.metrics import Metrics

WEB = thing("Deployment")
KEY = ("shop", change_id(change_digest(DELETION)))


class Replica:
    """What one replica admitted, holds in its cache, and writes."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, str], Any] = {}
        self.written: list[dict[str, Any]] = []
        self.told: list[Happening] = []
        self.woken = 0
        self.is_away = False
        self.now = NOW + timedelta(seconds=90)
        self.metrics = Metrics()
        self.marker = Marker(
            SimpleNamespace(clock=SimpleNamespace(now=lambda: self.now), patch=self.patch),  # type: ignore[arg-type]
            SimpleNamespace(  # type: ignore[arg-type]
                snapshot=snapshot,
                caches=SimpleNamespace(requests=SimpleNamespace(get=self.held.get)),
            ),
            metrics=self.metrics,
            poster=SimpleNamespace(post=self.told.append),  # type: ignore[arg-type]
        )
        self.marker.on_work(self.wake)

    def wake(self) -> None:
        self.woken += 1

    async def patch(self, _: Any, **call: Any) -> Any:
        if self.is_away:
            raise Unavailable("no answer")
        self.written.append(call)
        return {}

    def file(self, **status: Any) -> None:
        document = recorded(DELETION, annotations={"approval.peergate.dev/v1.a": "{}"}, status=status)
        self.held[KEY] = Held(uid="uid-of-request", value=read_request_record(document))

    def admit(self, decision: Any = None, *, dry_run: bool = False, change: Any = DELETION) -> None:
        self.marker.tell(review("DELETE", old=WEB, dry_run=dry_run), decision or admission(change))

    def decided(self) -> float:
        name = "peergate_change_request_decision_seconds_count"
        return self.metrics.registry.get_sample_value(name, {"outcome": "Used"}) or 0.0


def admission(change: Any = DELETION, *numbers: int) -> Allow:
    allowed = approved(*(claim(number) for number in numbers or (1,)))
    digest = change_digest(change)
    facts = dataclasses.replace(
        allowed.facts, change=change, change_digest=digest, change_id=change_id(digest)
    )
    return Allow("approved", facts=facts)


async def test_an_admitted_change_marks_its_request():
    replica = Replica()
    replica.file(state="Approved", missing="", progress="1/1")
    replica.admit()
    assert replica.woken == 1
    assert await replica.marker.step() is False
    [call] = replica.written
    assert (call["namespace"], call["name"], call["subresource"]) == (*KEY, "status")
    body = call["body"]
    assert body["metadata"] == {"uid": "uid-of-request"}
    assert (body["status"]["state"], body["status"]["missing"]) == ("Used", "")
    conditions = {
        one["type"]: (one["status"], one["reason"], one["lastTransitionTime"])
        for one in body["status"]["conditions"]
    }
    then = format_instant(replica.now)
    assert conditions == {"Approved": ("True", "Used", then), "Decided": ("True", "Used", then)}
    # Once: what was marked does not wait on.
    await replica.marker.step()
    assert len(replica.written) == 1


async def test_whoever_approved_is_told_once_in_order():
    replica = Replica()
    replica.admit(admission(DELETION, 2, 1))
    [told] = replica.told
    assert (told.reason, told.note, told.is_warning) == (
        "ChangeAdmitted",
        "Admitted with the approval of peer1@example.com, peer2@example.com.",
        False,
    )
    assert (told.request, told.requester) == (KEY, "system:serviceaccount:agents:bot")
    assert (told.target["kind"], told.target["name"]) == ("Deployment", "web")


NOT_MARKED = {
    "a refusal": Deny(Code.EXPIRED, State.EXPIRED, ""),
    "what no approval was asked for": Allow("exempt"),
    "what was only watched": dataclasses.replace(admission(), reason="audit"),
    "what counted no approval": dataclasses.replace(
        admission(), facts=dataclasses.replace(admission().facts, counted=())
    ),
    "what names no change": dataclasses.replace(
        admission(), facts=dataclasses.replace(admission().facts, change=None)
    ),
}


@pytest.mark.parametrize("decision", NOT_MARKED.values(), ids=NOT_MARKED)
async def test_marks_nothing(decision):
    replica = Replica()
    replica.file(state="Approved")
    replica.admit(decision)
    await replica.marker.step()
    assert (replica.woken, replica.told, replica.written) == (0, [], [])


async def test_a_dry_run_marks_nothing():
    replica = Replica()
    replica.file(state="Approved")
    replica.admit(dry_run=True)
    await replica.marker.step()
    assert (replica.woken, replica.told, replica.written) == (0, [], [])


async def test_a_cluster_scoped_change_is_marked_in_the_operators_namespace():
    node = dataclasses.replace(DELETION, object=ObjectRef("", "v1", "nodes", "", "", "n1", "u9"))
    replica = Replica()
    key = ("peergate-system", change_id(change_digest(node)))
    document = recorded(node, namespace="peergate-system", annotations={"approval.peergate.dev/v1.a": "{}"})
    replica.held[key] = Held(uid="uid-of-request", value=read_request_record(document))
    replica.admit(change=node)
    await replica.marker.step()
    assert [(call["namespace"], call["name"]) for call in replica.written] == [key]


STATES = {
    None: ("Used", 1),
    "Pending": ("Used", 1),
    "Approved": ("Used", 0),
    "Expired": ("Used", 1),
    "Stale": ("Used", 1),
    "Rejected": ("Used", 1),
    "Used": (None, 0),
}


@pytest.mark.parametrize("state", STATES)
async def test_a_request_that_is(state):
    """An approval may outlive its request; what was approved was decided and counted before."""
    want, counted = STATES[state]
    replica = Replica()
    replica.file(**({"state": state} if state else {}))
    replica.admit()
    await replica.marker.step()
    assert [call["body"]["status"]["state"] for call in replica.written] == ([want] if want else [])
    assert replica.decided() == counted


UNKNOWN = {
    "one that was never filed": None,
    "one that has ended and carries nothing": {"state": "Used"},
}


@pytest.mark.parametrize("status", UNKNOWN.values(), ids=UNKNOWN)
async def test_nothing_is_written_of(status):
    replica = Replica()
    if status is not None:
        document = recorded(DELETION, status=status)
        replica.held[KEY] = Held(uid="u", value=read_request_record(document))
    replica.admit()
    await replica.marker.step()
    assert replica.written == []


async def test_what_could_not_be_written_waits_on():
    replica = Replica()
    replica.file(state="Approved")
    replica.is_away = True
    replica.admit()
    with pytest.raises(Unavailable):
        await replica.marker.step()
    assert replica.decided() == 0
    replica.is_away = False
    await replica.marker.step()
    assert len(replica.written) == 1


async def test_what_waits_is_bounded():
    """A thousand wait; more are told by the ledger alone, and end as stale."""
    replica = Replica()
    replica.is_away = True
    for number in range(1001):
        target = ObjectRef("apps", "v1", "deployments", "", "shop", f"web-{number}", "u1")
        replica.admit(change=dataclasses.replace(DELETION, object=target))
    assert (len(replica.told), replica.woken) == (1000, 1000)


async def test_the_same_change_admitted_twice_is_marked_once():
    replica = Replica()
    replica.file(state="Approved")
    replica.admit()
    replica.admit()
    await replica.marker.step()
    assert len(replica.written) == 1
