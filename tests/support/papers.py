"""What one version leaves to the next: approvals, requests, rejections, records of use; and what they do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.harness.clients import Reply
from tests.harness.waiting import wait_until
from tests.support.changes import BACKGROUND, DRY_DELETE, SLOT, Peer, reported, sign, slots, use_path
from tests.support.requests_of import named, rejection, request_path, wait_filed
from tests.support.world import MERGE, World, victim

from peergate.model.change import Change
from peergate.model.wire import parse_instant

__all__ = ["Papers", "put", "refused", "reject", "turn"]


def refused(town: World, path: str) -> Change:
    """Have the agent's deletion of an object refused and filed; return the change."""
    change = town.desk.deletion(path)
    reply = town.delete(town.agent, path)
    assert (reply.code, reported(reply)) == (403, "ApprovalMissing"), reply.body
    wait_filed(town.desk, change)
    return change


def put(town: World, change: Change, *, by: Peer) -> None:
    """Put somebody's approval of a change on its request, once it is there: it may just be replaced."""
    body = {"metadata": {"annotations": {f"{SLOT}{by.name}": sign(change, by=by)}}}

    def is_on_it() -> bool:
        reply = town.admin.request("PATCH", request_path(change), body=body, content_type=MERGE)
        assert reply.code in {200, 404}, reply.body
        return reply.code == 200

    wait_until("the approval is on the request", is_on_it)


def reject(town: World, change: Change, *, by: Peer) -> None:
    """Have somebody reject a change, under the user name that is as their own."""
    reply = town.admin.request(
        "PATCH",
        f"{request_path(change)}/status",
        body=rejection(by.identity),
        content_type=MERGE,
        headers={"Impersonate-User": by.name, "Impersonate-Group": "system:masters"},
    )
    assert reply.code == 200, reply.body


def turn(town: World, path: str, colour: str, *, person: bool = False) -> Reply:
    """Give a ConfigMap another colour, as the agent or as a person."""
    client = town.admin if person else town.agent
    return client.request("PATCH", path, body={"data": {"colour": colour}}, content_type=MERGE)


class Papers:
    """What was signed, filed, rejected and used under one version.

    ``strict`` is a namespace where two have to sign. ``bob`` rejects by a user name that is his object's.
    """

    def __init__(self, town: World, *, alice: Peer, bob: Peer, strict: str) -> None:
        self._town = town
        self._alice, self._bob = alice, bob
        self._on_object = town.approved(town.victim(), alice)
        self._on_request = town.victim()
        put(town, refused(town, self._on_request), by=alice)
        self._asked = town.victim()
        self._asked_change = refused(town, self._asked)
        self._half = victim(town.admin, strict)
        self._half_change = refused(town, self._half)
        put(town, self._half_change, by=alice)
        self._rejected = town.victim()
        change = refused(town, self._rejected)
        town.desk.attach(self._rejected, slots(sign(change, by=alice)))
        reject(town, change, by=bob)
        self._wait_told(self._rejected, "ChangeRejected")
        self._unused, self._approval = self._approved_update()
        self._used, spent = self._approved_update()
        assert turn(town, self._used, "red").code == 200
        self._give_back(self._used, spent)

    def are_honoured(self) -> None:
        """Fail where one of them does not do what it was made for."""
        town = self._town
        for path in (self._on_object, self._on_request):
            assert town.delete(town.agent, path).code == 200
            assert not town.desk.there(path)
        reply = town.delete(town.agent, self._rejected)
        assert (reply.code, reported(reply)) == (403, "ChangeRejected")
        assert town.desk.there(self._rejected)
        self._is_spent(self._used)
        assert turn(town, self._unused, "red").code == 200
        assert town.desk.get(self._unused)["data"] == {"colour": "red"}
        self._give_back(self._unused, self._approval)
        self._is_spent(self._unused)
        reply = town.delete(town.agent, self._asked)
        assert named(reply) == f"{town.namespace}/{request_path(self._asked_change).rpartition('/')[2]}"
        put(town, self._asked_change, by=self._alice)
        self._wait_admitted(self._asked, self._asked_change)
        reply = town.delete(town.agent, self._half)
        assert (reply.code, reported(reply)) == (403, "QuorumNotMet"), "one of two is there"
        put(town, self._half_change, by=self._bob)
        self._wait_admitted(self._half, self._half_change)

    def _approved_update(self) -> tuple[str, str]:
        town, path = self._town, self._town.victim()
        red: Any = {"data": {"colour": "red"}}
        wanted = town.desk.dry_run("PATCH", path, red, content_type=MERGE)
        approval = sign(town.desk.update(path, wanted), by=self._alice)
        town.desk.attach(path, slots(approval))
        return path, approval

    def _give_back(self, path: str, approval: str) -> None:
        """Have a person take the update back; return once the approval is no repetition any more."""
        used = parse_instant(self._town.desk.get(use_path(approval))["metadata"]["creationTimestamp"])
        assert turn(self._town, path, "blue", person=True).code == 200
        window = self._town.installation.settings.approvals.retry_window
        wait_until("the retry window is over", lambda: datetime.now(UTC) > used + window)

    def _is_spent(self, path: str) -> None:
        reply = turn(self._town, path, "red")
        assert (reply.code, reported(reply)) == (403, "AlreadyUsed")
        assert self._town.desk.get(path)["data"] == {"colour": "blue"}

    def _wait_told(self, path: str, code: str) -> None:
        agent = self._town.agent
        wait_until(code, lambda: reported(agent.request("DELETE", path, body=DRY_DELETE)) == code)

    def _wait_admitted(self, path: str, change: Change) -> None:
        agent, last = self._town.agent, None

        def is_admitted() -> bool:
            nonlocal last
            last = agent.request("DELETE", path, body=BACKGROUND)
            return last.code == 200

        try:
            wait_until("it is admitted", is_admitted)
        except TimeoutError as error:
            request = self._town.admin.request("GET", request_path(change))
            error.add_note(f"answered last: {last}; its request: {request}")
            raise
        assert not self._town.desk.there(path)
