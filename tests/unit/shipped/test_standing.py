"""What is told of the companion policies that a cluster has."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from peergate.settings import AgentSettings, Settings
from peergate.shipped.companions import companion_policies
from peergate.shipped.standing import Companion, Standing, compare_companions

NAME = "namespace-labels.peergate.dev"
EXPECTED = tuple(
    document
    for document in companion_policies(Settings(agents=AgentSettings(namespaces=("ai-agents",))))
    if document["metadata"]["name"] == NAME
)
Documents = list[dict[str, Any]]


def as_the_api_shows_it() -> Documents:
    """Return what a list of each kind holds: defaults filled in, kinds left out."""
    policy, binding = copy.deepcopy(list(EXPECTED))
    policy["spec"]["matchConstraints"] |= {"namespaceSelector": {}, "objectSelector": {}}
    for document in (policy, binding):
        document["metadata"] |= {"uid": "u", "generation": 1, "resourceVersion": "7"}
        del document["kind"], document["apiVersion"]
    policy["status"] = {"observedGeneration": 1}
    return [policy, binding]


def edit(index: int, *path: str, to: Any) -> Callable[[Documents], None]:
    def change(documents: Documents) -> None:
        parent = documents[index]
        for member in path[:-1]:
            parent = parent.setdefault(member, {})
        parent[path[-1]] = to

    return change


def remove(index: int) -> Callable[[Documents], None]:
    def change(documents: Documents) -> None:
        del documents[index]

    return change


BOUND = (Standing.BOUND, "")
ABSENT = (Standing.ABSENT, "there is no such policy")
UNBOUND = (Standing.UNBOUND, "no binding makes it refuse")
SELECTOR = {"matchLabels": {"a": "b"}}

CASES: dict[str, tuple[Callable[[Documents], None], tuple[Standing, str]]] = {
    "as it was applied": (lambda _: None, BOUND),
    "with labels of somebody": (edit(0, "metadata", "labels", to={"a": "b"}), BOUND),
    "bound under another name": (edit(1, "metadata", "name", to="other"), BOUND),
    "bound with an empty selector": (edit(1, "spec", "matchResources", "namespaceSelector", to={}), BOUND),
    "gone": (remove(0), ABSENT),
    "under another name": (edit(0, "metadata", "name", to="other"), ABSENT),
    "going": (
        edit(0, "metadata", "deletionTimestamp", to="2026-11-26T10:00:00Z"),
        (Standing.ABSENT, "it is being deleted"),
    ),
    "that fails open": (
        edit(0, "spec", "failurePolicy", to="Ignore"),
        (Standing.CHANGED, "differs in failurePolicy"),
    ),
    "with one condition more": (
        lambda documents: documents[0]["spec"]["matchConditions"].append(
            {"name": "x", "expression": "false"}
        ),
        (Standing.CHANGED, "differs in matchConditions"),
    ),
    "that validates nothing": (
        edit(0, "spec", "validations", to=[{"expression": "true"}]),
        (Standing.CHANGED, "differs in validations"),
    ),
    "whose variables lie": (
        edit(0, "spec", "variables", to=[]),
        (Standing.CHANGED, "differs in variables"),
    ),
    "that selects by a label": (
        edit(0, "spec", "matchConstraints", "objectSelector", to=SELECTOR),
        (Standing.CHANGED, "differs in matchConstraints"),
    ),
    "that leaves something out": (
        edit(0, "spec", "matchConstraints", "excludeResourceRules", to=[{"apiGroups": ["*"]}]),
        (Standing.CHANGED, "differs in matchConstraints"),
    ),
    "that takes parameters": (
        edit(0, "spec", "paramKind", to={"apiVersion": "v1", "kind": "ConfigMap"}),
        (Standing.CHANGED, "differs in paramKind"),
    ),
    "without a spec": (
        edit(0, "spec", to=None),
        (Standing.CHANGED, "differs in matchConditions, matchConstraints, validations, variables"),
    ),
    "without a binding": (remove(1), UNBOUND),
    "whose binding is another's": (edit(1, "spec", "policyName", to="other"), UNBOUND),
    "whose binding only warns": (edit(1, "spec", "validationActions", to=["Warn"]), UNBOUND),
    "whose binding selects by a label": (
        edit(1, "spec", "matchResources", "namespaceSelector", to=SELECTOR),
        UNBOUND,
    ),
    "whose binding is going": (
        edit(1, "metadata", "deletionTimestamp", to="2026-11-26T10:00:00Z"),
        UNBOUND,
    ),
}


@pytest.mark.parametrize(("change", "told"), CASES.values(), ids=CASES.keys())
def test_a_policy(change: Callable[[Documents], None], told: tuple[Standing, str]) -> None:
    live = as_the_api_shows_it()
    change(live)
    assert compare_companions(EXPECTED, live=live) == (Companion(NAME, *told),)


def test_the_order_is_that_of_what_is_expected() -> None:
    everything = companion_policies(Settings(agents=AgentSettings(strict=True)))
    assert compare_companions(everything, live=reversed(everything)) == (
        Companion("admission-configuration.peergate.dev", Standing.BOUND),
        Companion(NAME, Standing.BOUND),
    )
