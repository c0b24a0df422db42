"""Label selectors, as Kubernetes reads them."""

from __future__ import annotations

import pytest

from peergate.gate.selectors import matches, selected_keys
from peergate.model.policy import LabelSelector

LABELS = {"app": "web", "tier": "front"}
CASES = {
    "an empty selector matches": ({}, True),
    "equal labels match": ({"matchLabels": {"app": "web"}}, True),
    "one unequal label does not": ({"matchLabels": {"app": "web", "tier": "back"}}, False),
    "a missing label does not": ({"matchLabels": {"zone": "a"}}, False),
    "In matches a listed value": (
        {"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]},
        True,
    ),
    "In needs the label": ({"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}, False),
    "In refuses another value": (
        {"matchExpressions": [{"key": "app", "operator": "In", "values": ["a"]}]},
        False,
    ),
    "NotIn matches another value": (
        {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["a"]}]},
        True,
    ),
    "NotIn matches a missing label": (
        {"matchExpressions": [{"key": "z", "operator": "NotIn", "values": ["a"]}]},
        True,
    ),
    "NotIn refuses a listed value": (
        {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]},
        False,
    ),
    "Exists needs the label": ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
    "Exists refuses a missing one": ({"matchExpressions": [{"key": "z", "operator": "Exists"}]}, False),
    "DoesNotExist refuses a present one": (
        {"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]},
        False,
    ),
    "DoesNotExist matches a missing one": (
        {"matchExpressions": [{"key": "z", "operator": "DoesNotExist"}]},
        True,
    ),
}


@pytest.mark.parametrize(("selector", "want"), CASES.values(), ids=CASES.keys())
def test_matches(selector, want):
    assert matches(LabelSelector.model_validate(selector), LABELS) is want


def test_selected_keys_are_those_of_labels_and_expressions():
    selector = LabelSelector.model_validate(
        {"matchLabels": {"app": "x"}, "matchExpressions": [{"key": "tier", "operator": "Exists"}]},
    )
    assert selected_keys(selector) == {"app", "tier"}
