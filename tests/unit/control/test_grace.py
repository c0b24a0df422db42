"""Names leave the webhook's condition two minutes after they are first seen missing (I2, I6)."""

from __future__ import annotations

import pytest

from peergate.control.grace import Grace
from peergate.settings import Settings
from peergate.shipped.listed import Listed, listed_in
from peergate.shipped.webhookconfig import exact_condition

CASES = {
    "who is tagged is listed": [(0, {"a"}, set(), {"a"})],
    "who is untagged stays for two minutes": [
        (0, {"a"}, set(), {"a"}),
        (10, set(), {"a"}, {"a"}),
        (129, set(), {"a"}, {"a"}),
        (130, set(), {"a"}, set()),
    ],
    "the time runs from the first look without the tag, not from the last with it": [
        (0, {"a"}, set(), {"a"}),
        (100, {"a"}, {"a"}, {"a"}),
        (160, set(), {"a"}, {"a"}),
        (279, set(), {"a"}, {"a"}),
        (280, set(), {"a"}, set()),
    ],
    "what a former leader listed stays for two minutes": [
        (0, {"b"}, {"a", "b"}, {"a", "b"}),
        (119, {"b"}, {"a", "b"}, {"a", "b"}),
        (120, {"b"}, {"a", "b"}, {"b"}),
    ],
    "a write that fails does not start the time anew": [
        (0, set(), {"a"}, {"a"}),
        (120, set(), {"a"}, set()),
        (200, set(), {"a"}, set()),
        (400, set(), {"a"}, set()),
    ],
    "a name that comes back is listed without end": [
        (0, {"a"}, set(), {"a"}),
        (10, set(), {"a"}, {"a"}),
        (20, {"a"}, {"a"}, {"a"}),
        (500, {"a"}, {"a"}, {"a"}),
        (510, set(), {"a"}, {"a"}),
        (629, set(), {"a"}, {"a"}),
        (630, set(), {"a"}, set()),
    ],
    "a name that a hand puts back after its time gets two minutes more": [
        (0, set(), {"a"}, {"a"}),
        (120, set(), {"a"}, set()),
        (121, set(), set(), set()),
        (130, set(), {"a"}, {"a"}),
        (250, set(), {"a"}, set()),
    ],
}


@pytest.mark.parametrize("steps", CASES.values(), ids=CASES.keys())
def test_names_leave_after_their_grace(steps):
    grace = Grace(120)
    for now, wanted, listed, want in steps:
        assert grace.update(wanted=wanted, listed=listed, now=now) == want, now


def test_what_is_written_is_read_back():
    settings = Settings.model_validate({"agents": {"namespaces": ["bots"], "usernames": ["oidc:*"]}})
    accounts = {"system:serviceaccount:ns:a", "system:serviceaccount:other:b.c"}
    condition = exact_condition(settings, accounts=accounts, namespaces=["labelled"])
    assert listed_in(condition.expression) == Listed(
        accounts=frozenset(accounts), namespaces=frozenset({"bots", "labelled"})
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "true",
        "request.userInfo.username.substring(22) in [1, 2]",
        'request.userInfo.username.substring(22) in ["no-colon", "a:b:c", "x:\\u0041"]',
        "request.userInfo.username.substring(22) in [broken]",
    ],
)
def test_what_others_write_lists_nobody(text):
    assert listed_in(text).accounts == frozenset()
