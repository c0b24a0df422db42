"""Which reviews have their approvals opened ahead: those that attach them."""

from __future__ import annotations

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
VALUE = approve(update_target(), key=KEY)
HARMLESS = Allow(reason="harmless")


def review(**changes):
    return parse_review(decode(review_body(**changes)), gate=Gate.NAMESPACED)


def attaching(**members):
    old = request_of()["oldObject"]
    annotations = {f"{APPROVAL_SLOT_PREFIX}alice": VALUE}
    new = {**old, "metadata": {**old["metadata"], "annotations": annotations}}
    return review(**{"operation": "UPDATE", "object": new, **members})


@pytest.fixture
def ring():
    return keyring(approver(ALICE, KEY))


def tell(ring, asked, decision: Decision):
    source = Source()
    known = replace(source.snapshot(), keyring=ring)
    source.snapshot = lambda: known
    Opener(source).tell(asked, decision)
    return list(ring.seen)


def test_an_attached_approval_is_opened(ring):
    assert tell(ring, attaching(), HARMLESS) == [VALUE]


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
def test_everything_else_is_left(ring, asked, decision):
    assert tell(ring, asked, decision) == []
