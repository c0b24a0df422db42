"""Policies, compiled: valid ones as written, unreadable ones at their strictest."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.support.gate import changed, policy

from peergate.gate.policies import BASELINE, BUILT_IN, PolicyIndex, compile_policy, covers, policy_digest
from peergate.model.policy import EVERYTHING, LabelSelector


def names(rules):
    return [rule.name for rule in rules]


def in_shop(*documents, operation="Delete", resource="deployments", group="apps"):
    index = PolicyIndex.build(compile_policy(document) for document in documents)
    return names(
        index.namespaced(
            namespace="shop",
            labels={"team": "shop"},
            operation=operation,
            group=group,
            resource=resource,
        ),
    )


SHOP = {"selector": {"matchLabels": {"team": "shop"}}}
OTHER = {"selector": {"matchLabels": {"team": "other"}}}

NAMESPACED = {
    "no policy: the built-in rule": ((), ["built-in"]),
    "a policy that selects replaces it": ((policy("a", namespaces=SHOP),), ["a/0"]),
    "a policy that does not select leaves it": ((policy("a", namespaces=OTHER),), ["built-in"]),
    "an Audit policy replaces it too": ((policy("a", mode="Audit"),), ["a/0"]),
    "all selecting policies add up, by name": (
        (policy("b"), policy("a", rules=[{}, {}])),
        ["a/0", "a/1", "b/0"],
    ),
    "an unreadable policy selects everything": ((policy("bad", namespaces={"selector": 1}),), ["bad/0"]),
    "an unreadable policy keeps a readable scope": (
        (policy("bad", namespaces=OTHER, mode="Typo"),),
        ["built-in"],
    ),
    "a policy without spec is unreadable": (({"metadata": {"name": "bad"}},), ["bad/0"]),
}


@pytest.mark.parametrize(("documents", "want"), NAMESPACED.values(), ids=NAMESPACED.keys())
def test_namespaced(documents, want):
    assert in_shop(*documents) == want


def at_cluster(*documents, resource="priorityclasses", group="scheduling.k8s.io", baseline=True):
    index = PolicyIndex.build(compile_policy(document) for document in documents)
    return names(index.cluster(operation="Delete", group=group, resource=resource, baseline=baseline))


LISTING = [{"apiGroups": ["example.com"], "resources": ["widgets"]}]
CLUSTER = {
    "the baseline guards foundations": ((), {}, ["baseline"]),
    "and nothing else": ((), {"resource": "widgets", "group": "example.com"}, []),
    "not an unprotected namespace": ((), {"resource": "namespaces", "group": "", "baseline": False}, []),
    "a policy adds what it lists": (
        (policy("a", clusterResources=LISTING),),
        {"resource": "widgets", "group": "example.com"},
        ["a/0"],
    ),
    "an unreadable policy keeps what it lists": (
        (policy("a", clusterResources=LISTING, mode="Typo"),),
        {"resource": "widgets", "group": "example.com"},
        ["a/0"],
    ),
    "with an unreadable list it guards everything": (
        (policy("a", clusterResources="all"),),
        {"resource": "widgets", "group": "example.com"},
        ["a/0"],
    ),
    "without any list it guards nothing there": (
        (policy("a", mode="Typo"),),
        {"resource": "widgets", "group": "example.com"},
        [],
    ),
}


@pytest.mark.parametrize(("documents", "request_", "want"), CLUSTER.values(), ids=CLUSTER.keys())
def test_cluster(documents, request_, want):
    assert at_cluster(*documents, **request_) == want


def test_an_unreadable_policy_says_why_and_admits_nothing():
    compiled = compile_policy(policy("bad", rules=[{"maxTTL": "soon"}]))
    (rule,) = compiled.rules
    assert compiled.problem.startswith("spec.rules.0.maxTTL: ")
    assert (compiled.mode, rule.mode, rule.problem) == ("Enforce", "Enforce", compiled.problem)
    assert rule.rule.resources == EVERYTHING
    assert compiled.namespaces == LabelSelector()
    assert compiled.digest is None


def test_a_readable_policy_has_its_values():
    compiled = compile_policy(
        policy("a", rules=[{"maxTTL": "1h", "hold": "30s"}], allowConnect=["pods/portforward"])
    )
    assert compiled.rules[0].rule.max_ttl == timedelta(hours=1)
    assert compiled.allow_connect == {"pods/portforward"}


def test_a_policys_digest_is_of_what_it_says_and_not_of_its_status():
    document = policy("a")
    assert policy_digest(changed(document, "status", to={"x": 1})) == policy_digest(document)
    assert policy_digest(changed(document, "spec", "mode", to="Warn")) != policy_digest(document)


def test_policies_answer_alike_in_any_order():
    one, two = compile_policy(policy("a")), compile_policy(policy("b", namespaces=SHOP))
    assert PolicyIndex.build([one, two]) == PolicyIndex.build([two, one])


def test_answers_are_remembered_and_the_memory_is_bounded():
    index = PolicyIndex.build([compile_policy(policy("a"))])

    def ask(number):
        return index.namespaced(
            namespace=f"n{number}",
            labels={},
            operation="Delete",
            group="apps",
            resource="deployments",
        )

    assert ask(0) is ask(0)
    first = ask(0)
    for number in range(1, 20_001):
        ask(number)
    assert ask(0) == first
    assert ask(0) is not first


def test_the_rules_that_are_always_there():
    assert BUILT_IN.rule.approvals.min_humans == BASELINE.rule.approvals.min_humans == 1
    assert covers(BASELINE.rule.resources, group="apiextensions.k8s.io", resource="customresourcedefinitions")
    assert covers(BASELINE.rule.resources, group="storage.k8s.io", resource="volumeattachments")
    assert covers(BASELINE.rule.resources, group="resource.k8s.io", resource="devicetaintrules")
    assert not covers(BASELINE.rule.resources, group="apps", resource="deployments")
