"""What is kept of a signed value: as long as its keyring, for its very text, and never a verdict."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.support.approvals import (
    ALICE,
    NOW,
    approve,
    approver,
    delete_target,
    keyring,
    make_key,
    terms,
    update_target,
)

from peergate.approval.signed import Signed, Unsigned, open_ahead, open_signed
from peergate.approval.verify import Refused, Verified, verify_approval
from peergate.model.decision import Code
from peergate.model.names import APPROVAL_SLOT_PREFIX

KEY = make_key("ed25519")
OTHER = make_key("ed25519", "another")


def ring_of(*keys, **members):
    return keyring(approver(ALICE, *(key.record(**members) for key in keys)))


def judged(value, ring, *, target=None, now=NOW):
    return verify_approval(
        value, slot="s", target=target or update_target(), keyring=ring, terms=terms(), now=now
    )


def test_a_value_is_opened_once_for_a_keyring():
    ring, value = ring_of(KEY), approve(update_target(), key=KEY)
    assert open_signed(value, keyring=ring) is open_signed(value, keyring=ring)


def test_another_keyring_opens_it_anew():
    value = approve(update_target(), key=KEY)
    assert isinstance(open_signed(value, keyring=ring_of(KEY)), Signed)
    found = open_signed(value, keyring=ring_of(OTHER))
    assert isinstance(found, Unsigned)
    assert found.code is Code.SIGNATURE_INVALID


def test_a_key_that_was_disabled_meanwhile_counts_as_such():
    value = approve(update_target(), key=KEY)
    assert isinstance(judged(value, ring_of(KEY)), Verified)
    found = judged(value, ring_of(KEY, disabled=True))
    assert isinstance(found, Refused)
    assert found.code is Code.KEY_REVOKED


def test_what_was_opened_is_weighed_again_for_every_change_and_moment():
    ring, value = ring_of(KEY), approve(update_target(), key=KEY)
    assert isinstance(judged(value, ring), Verified)
    other = judged(value, ring, target=delete_target())
    late = judged(value, ring, now=NOW + timedelta(days=2))
    assert [found.code for found in (other, late) if isinstance(found, Refused)] == [
        Code.WRONG_OPERATION,
        Code.EXPIRED,
    ]


def test_a_value_that_differs_in_one_character_is_another():
    ring, value = ring_of(KEY), approve(update_target(), key=KEY)
    open_signed(value, keyring=ring)
    at = value.rindex('"sig"') + 20
    spoilt = value[:at] + ("A" if value[at] != "A" else "B") + value[at + 1 :]
    assert isinstance(open_signed(spoilt, keyring=ring), Unsigned)


@pytest.mark.parametrize(
    "value", ["", "{}", approve(update_target(), key=OTHER)], ids=["empty", "no", "other"]
)
def test_what_nobody_registered_signed_is_not_kept(value: str):
    ring = ring_of(KEY)
    assert isinstance(open_signed(value, keyring=ring), Unsigned)
    assert not ring.seen


def test_what_is_kept_is_bounded_and_the_oldest_goes_first():
    ring = ring_of(KEY)
    values = [approve(update_target(), key=KEY, changes={"predicate.reason": f"r{n}"}) for n in range(515)]
    for value in values:
        assert isinstance(open_signed(value, keyring=ring), Signed)
    assert list(ring.seen) == values[3:]
    assert isinstance(judged(values[0], ring), Verified)


def test_a_carrier_is_opened_ahead_within_its_limit():
    ring = ring_of(KEY)
    values = [approve(update_target(), key=KEY, changes={"predicate.reason": f"r{n}"}) for n in range(9)]
    slots = {f"{APPROVAL_SLOT_PREFIX}s{number}": value for number, value in enumerate(values)}
    open_ahead(slots, keyring=ring)
    assert not ring.seen  # nine are too many, so none of them is read (V6)
    slots.popitem()
    open_ahead({**slots, "kubectl.kubernetes.io/note": values[8]}, keyring=ring)
    assert list(ring.seen) == values[:8]
    open_ahead(None, keyring=ring)
