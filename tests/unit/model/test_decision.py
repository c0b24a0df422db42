"""The vocabulary of refusals: every code has a state, every state a reason."""

from __future__ import annotations

import pytest

from peergate.model.decision import STATE_OF, STATUS_REASON_OF, Code, Deny, State


@pytest.mark.parametrize("code", list(Code))
def test_every_code_belongs_to_one_state(code):
    deny = Deny(code=code, state=STATE_OF[code], message="")
    assert deny.http_code == (503 if deny.state is State.UNAVAILABLE else 403)
    assert deny.status_reason == STATUS_REASON_OF[deny.state]


def test_every_state_has_a_reason():
    assert STATUS_REASON_OF.keys() == set(State)
    assert set(STATE_OF.values()) == set(State) - {State.DRY_RUN}
