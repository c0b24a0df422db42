"""An agent is handed out only when every entry that judges agents knows it (design.md §4, condition 4)."""

from __future__ import annotations

import pytest

from peergate.cli.enlisting import _not_listing
from peergate.settings import Settings
from peergate.shipped.webhookconfig import Exact, exact_condition

CASES = {
    "no exact condition: the gate is wide and covers everybody": (None, True),
    "the account is listed": ({"accounts": ["system:serviceaccount:agents:bot"]}, True),
    "its namespace is listed": ({"accounts": [], "namespaces": ["agents"]}, True),
    "another account is listed": ({"accounts": ["system:serviceaccount:agents:bot2"]}, False),
    "an account of another namespace is listed": ({"accounts": ["system:serviceaccount:shop:bot"]}, False),
    "another namespace is listed": ({"accounts": [], "namespaces": ["agents2"]}, False),
}


@pytest.mark.parametrize("sentence", CASES)
def test_listed(sentence):
    given, known = CASES[sentence]
    conditions = []
    if given is not None:
        found = exact_condition(Settings(), **given)
        assert isinstance(found, Exact)
        conditions = [{"name": "agents", "expression": found.expression}]
    configuration = {"webhooks": [{"name": "cluster.gate.peergate.dev", "matchConditions": conditions}]}
    assert (not _not_listing(configuration, namespace="agents", name="bot")) is known
