"""An approval goes into a slot that is nobody else's, and nothing else is written."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from tests.support.gate import NOW
from tests.support.peers import sign

from peergate.approval.carriers import MAX_SLOTS
from peergate.cli.carrier import Carrier, carry
from peergate.cli.envelopes import read_value
from peergate.cli.flags import Globals
from peergate.cli.kube import ApiError
from peergate.cli.output import Output
from peergate.errors import CommandError
from peergate.model.change import Change, ObjectRef, Requester
from peergate.model.names import Digest

_KEY = "approval.peergate.dev/v1."
_CHANGE = Change(
    audience="k8s:6f2c0d8e-7c42-4a58-9a0a-2d7b5d0c8f11",
    operation="DELETE",
    object=ObjectRef("", "v1", "configmaps", "", "shop", "cm", "0a6b2a52"),
    requester=Requester("system:serviceaccount:agents:bot", "b7a2c1d0"),
    projection="k8s-projection/v1",
    from_=Digest("0" * 64),
    to=None,
    options={},
)


class _Server:
    """Keeps one object; somebody else may write in between."""

    def __init__(self, annotations: dict[str, str], *, meanwhile: dict[str, str] | None = None) -> None:
        self.live: dict[str, Any] = {"metadata": {"annotations": annotations, "resourceVersion": "1"}}
        self.seen = copy.deepcopy(self.live)
        if meanwhile:
            self.live["metadata"]["annotations"].update(meanwhile)
            self.live["metadata"]["resourceVersion"] = "2"

    def get(self, _: str) -> dict[str, Any]:
        return copy.deepcopy(self.live)

    def patch(self, _: str, body: dict[str, Any]) -> None:
        metadata = body["metadata"]
        if metadata["resourceVersion"] != self.live["metadata"]["resourceVersion"]:
            raise ApiError("conflict", status=409, message="conflict")
        self.live["metadata"]["annotations"].update(metadata["annotations"])


def _carry(
    server: _Server,
    value: str,
    *,
    appends: bool = True,
    slot: str | None = None,
    idle: frozenset[str] = frozenset(),
) -> str:
    carrier = Carrier(
        path="/x", live=server.seen, shown="shop/cr-x", quoted="chreq/cr-x", idle=idle, appends=appends
    )
    return carry(Output(Globals()), cluster=server, carrier=carrier, approval=read_value(value), slot=slot)


def _alice(nonce: str = "") -> str:
    return sign(_CHANGE, by="alice", issued_at=NOW, nonce=nonce)


def test_the_slot_is_the_short_name_of_the_approver():
    server = _Server({})
    assert _carry(server, _alice()) == f"{_KEY}alice"
    assert server.live["metadata"]["annotations"] == {f"{_KEY}alice": _alice()}


def test_the_same_bytes_are_not_written_twice():
    server = _Server({f"{_KEY}a1": "x", f"{_KEY}alice-2": _alice()})
    assert _carry(server, _alice()) == f"{_KEY}alice-2"
    assert server.live == server.seen


def test_on_a_request_an_occupied_slot_is_left_alone_whoever_filled_it():
    server = _Server({f"{_KEY}alice": "squatted", f"{_KEY}alice-2": _alice("earlier")})
    assert _carry(server, _alice()) == f"{_KEY}alice-3"
    assert server.live["metadata"]["annotations"][f"{_KEY}alice"] == "squatted"


def test_on_an_object_the_approvers_own_earlier_one_is_replaced():
    server = _Server({f"{_KEY}alice": _alice("earlier")})
    assert _carry(server, _alice(), appends=False) == f"{_KEY}alice"
    assert server.live["metadata"]["annotations"] == {f"{_KEY}alice": _alice()}


def test_a_request_full_of_what_is_no_approval_still_takes_one():
    server = _Server({f"{_KEY}s{number}": "junk" for number in range(MAX_SLOTS)})
    assert _carry(server, _alice()) == f"{_KEY}s0"
    assert len(server.live["metadata"]["annotations"]) == MAX_SLOTS


def test_a_request_full_of_what_does_not_count_still_takes_one():
    server = _Server({f"{_KEY}s{number}": sign(_CHANGE, by=f"p{number}") for number in range(MAX_SLOTS)})
    assert _carry(server, _alice(), idle=frozenset({"s5"})) == f"{_KEY}s5"


def test_where_eight_others_approved_there_is_no_room():
    server = _Server({f"{_KEY}s{number}": sign(_CHANGE, by=f"p{number}") for number in range(MAX_SLOTS)})
    with pytest.raises(CommandError, match="no room; shop/cr-x carries 8 approvals") as caught:
        _carry(server, _alice())
    assert caught.value.exit_code == 3
    assert server.live == server.seen


def test_a_slot_that_fills_at_the_same_moment_is_not_overwritten():
    server = _Server({}, meanwhile={f"{_KEY}alice": sign(_CHANGE, by="bob")})
    assert _carry(server, _alice()) == f"{_KEY}alice-2"
    assert server.live["metadata"]["annotations"][f"{_KEY}alice"] == sign(_CHANGE, by="bob")


def test_a_slot_that_was_asked_for_is_the_one():
    server = _Server({})
    assert _carry(server, _alice(), slot="mine") == f"{_KEY}mine"
