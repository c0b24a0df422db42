"""Which reviews have their approvals opened ahead: those that attach them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from tests.support.approvals import ALICE, approve, approver, keyring, make_key, update_target
from tests.support.edge import Source, request_of, review_body

from peergate.model.decision import Allow, Code, Decision, Deny, State
from peergate.model.names import APPROVAL_SLOT_PREFIX
from peergate.model.review import Gate, parse_review
from peergate.webhook.ahead import Opener
from peergate.webhook.decode import decode

KEY = make_key("ed25519")
OTHER = make_key("ed25519", "another")
VALUE = approve(update_target(), key=KEY)
JUNK = approve(update_target(), key=OTHER)
HARMLESS = Allow(reason="harmless")


def review(**changes):
    return parse_review(decode(review_body(**changes)), gate=Gate.NAMESPACED)


def attaching(*, slots=None, **members):
    old = request_of()["oldObject"]
    annotations = {
        f"{APPROVAL_SLOT_PREFIX}{slot}": value for slot, value in (slots or {"alice": VALUE}).items()
    }
    new = {**old, "metadata": {**old["metadata"], "annotations": annotations}}
    return review(**{"operation": "UPDATE", "object": new, **members})


@pytest.fixture
def ring():
    return keyring(approver(ALICE, KEY))


class Told:
    """An opener that knows this keyring."""

    def __init__(self, ring) -> None:
        source = Source()
        known = replace(source.snapshot(), keyring=ring)
        source.snapshot = lambda: known
        self.opener = Opener(source)

    async def opened(self, asked, decision: Decision):
        """Tell it of a review; return what is opened when it rests."""
        self.opener.tell(asked, decision)
        async with asyncio.timeout(20):
            while self.opener.waiting:  # noqa: ASYNC110 - it works in turns of the loop
                await asyncio.sleep(0)
        return list(self.opener._source.snapshot().keyring.seen)


async def test_an_attached_approval_is_opened(ring):
    assert await Told(ring).opened(attaching(), HARMLESS) == [VALUE]


async def test_it_is_opened_after_the_turn_that_told_of_it(ring):
    told = Told(ring)
    told.opener.tell(attaching(), HARMLESS)
    assert not ring.seen
    assert told.opener.waiting == 1


async def test_what_is_opened_does_not_wait_again(ring):
    told = Told(ring)
    await told.opened(attaching(), HARMLESS)
    told.opener.tell(attaching(), HARMLESS)
    assert told.opener.waiting == 0


async def test_a_flood_is_bounded_and_others_get_their_turns(ring):
    told, turns = Told(ring), 0
    for number in range(33):
        junk = {f"s{slot}": JUNK + " " * (8 * number + slot) for slot in range(8)}
        told.opener.tell(attaching(slots=junk), HARMLESS)
    assert told.opener.waiting == 256
    told.opener.tell(attaching(), HARMLESS)
    assert told.opener.waiting == 256
    async with asyncio.timeout(60):
        while told.opener.waiting:
            turns += 1
            await asyncio.sleep(0)
    assert turns >= 256  # one value a turn
    assert list(ring.seen) == [VALUE]


async def test_a_failure_stops_this_value_and_none_after_it(ring):
    told = Told(ring)
    source, works = told.opener._source, told.opener._source.snapshot
    told.opener.tell(attaching(slots={"junk": JUNK}), HARMLESS)
    source.snapshot = lambda: 1 / 0
    failed = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context["exception"]))
    await asyncio.sleep(0)
    assert [type(error) for error in failed] == [ZeroDivisionError]
    source.snapshot = works
    assert await told.opened(attaching(), HARMLESS) == [VALUE]


LEFT = {
    "an update that was refused": (
        attaching(),
        Deny(code=Code.APPROVAL_MALFORMED, state=State.INVALID, message="no"),
    ),
    "an update that is more than attaching": (attaching(), Allow(reason="unprotected")),
    "a creation": (attaching(operation="CREATE", oldObject=None), HARMLESS),
    "an update without annotations": (
        review(operation="UPDATE", object={"metadata": {"name": "a"}}),
        HARMLESS,
    ),
    "an update without metadata": (review(operation="UPDATE", object={}), HARMLESS),
}


@pytest.mark.parametrize(("asked", "decision"), LEFT.values(), ids=LEFT)
async def test_everything_else_is_left(ring, asked, decision):
    assert await Told(ring).opened(asked, decision) == []
