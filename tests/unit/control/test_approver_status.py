"""An Approver says which of its keys can't be used, and why."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.approvals import make_key
from tests.support.gate import NOW

from peergate.approval.keyring import build_keyring
from peergate.cluster.caches import read_approver
from peergate.cluster.clock import ClusterClock
from peergate.cluster.reflector import Held
from peergate.control.approvers import ApproverStatuses, approver_status
from peergate.model.wire import format_instant
from peergate.observe.metrics import Metrics

GOOD = make_key("ssh-ed25519", "good").record().model_dump(by_alias=True, mode="json", exclude_none=True)
BAD = {"type": "ssh", "publicKey": "ssh-ed25519 AAAA"}
ENDED = {**GOOD, "notAfter": format_instant(NOW - timedelta(days=1))}


def status(*keys, now=NOW, others=None, **spec):
    document = {
        "metadata": {"name": "alice", "generation": 2},
        "spec": {"identity": "alice@example.com", "class": "human", "keys": list(keys), **spec},
    }
    record = read_approver(document)
    specs = {"alice": record.spec} if record.spec is not None else {}
    return approver_status("alice", record, keyring=build_keyring(specs | (others or {})), now=now)


CASES = {
    "a good key is enough": (status(GOOD), "True", "Valid", 1),
    "a bad key beside a good one is told": (status(GOOD, BAD), "True", "SomeKeysUnusable", 1),
    "a bad key alone is not enough": (status(BAD), "False", "NoUsableKey", 0),
    "an expired key is not enough": (status(ENDED), "False", "NoUsableKey", 1),
    "a disabled key is not enough": (status({**GOOD, "disabled": True}), "False", "NoUsableKey", 1),
    "a disabled approver is not ready": (status(GOOD, disabled=True), "False", "Disabled", 1),
    "an unknown member makes it invalid": (status(GOOD, colour="red"), "False", "Invalid", 0),
    "an agent without owner is not used": (status(GOOD, **{"class": "agent"}), "False", "NoUsableKey", 0),
    "an identity used twice is used by neither": (
        status(
            GOOD,
            others={
                "other": read_approver(
                    {
                        "metadata": {},
                        "spec": {
                            "identity": "alice@example.com",
                            "class": "human",
                            "keys": [make_key("ssh-ed25519", "else").record().model_dump(by_alias=True)],
                        },
                    }
                ).spec
            },
        ),
        "False",
        "NoUsableKey",
        0,
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_an_approver_is_ready_or_says_why_not(case):
    found, ready, reason, fingerprints = case
    [condition] = found["conditions"]
    assert (condition["status"], condition["reason"]) == (ready, reason)
    assert len(found["fingerprints"]) == fingerprints
    assert bool(condition["message"]) == (reason != "Valid")
    assert condition["observedGeneration"] == 2


class Scene:
    """One leader's statuses, and what they are given and write."""

    def __init__(self) -> None:
        self.known: dict[str, Any] = {}
        self.held: dict[tuple[str, str], Any] = {}
        self.keyring = build_keyring({})
        self.caches = SimpleNamespace(approvers=SimpleNamespace(changes=0, items=lambda: dict(self.held)))
        self.synced = True
        self.written: list[dict[str, Any]] = []
        self.told: list[str] = []
        self.statuses = ApproverStatuses(
            SimpleNamespace(patch=self.patch, clock=ClusterClock()),  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
            leads=lambda: True,
            metrics=Metrics(),
            tell=lambda happening: self.told.append(happening.note.splitlines()[0]),
        )

    def snapshot(self) -> Any:
        return SimpleNamespace(keyring=self.keyring)

    def knows_approver(self, name: str, *, uid: str, generation: int) -> bool:
        return self.known.get(name) == (uid, generation)

    async def patch(self, *_: Any, body: dict[str, Any], **__: Any) -> Any:
        self.written.append(body["status"])
        return {}

    async def register(self) -> None:
        spec = {"identity": "alice@example.com", "class": "human", "keys": [GOOD]}
        record = read_approver({"metadata": {"name": "alice", "generation": 1}, "spec": spec})
        self.held[("", "alice")] = Held(uid="u", value=record)
        self.caches.approvers.changes += 1
        await self.statuses.step()


async def test_nothing_is_said_of_an_approver_before_the_keyring_knows_it():
    scene = Scene()
    await scene.register()
    assert (scene.written, scene.told) == ([], [])
    scene.known["alice"] = ("u", 1)
    scene.keyring = build_keyring({"alice": scene.held[("", "alice")].value.spec})
    await scene.statuses.step()
    [status] = scene.written
    assert status["conditions"][0]["status"] == "True"
    [key] = status["fingerprints"]
    said = f"Approver alice was registered: alice@example.com, human, no owner; keys {key}. Valid."
    assert scene.told == [said]
    scene.held.clear()
    scene.caches.approvers.changes += 1
    await scene.statuses.step()
    assert scene.told[1:] == ["Approver alice was removed: nothing that it signed counts any more."]
