"""What policies change: modes, the built-in rule, several policies at once, fields, invalid ones."""

from __future__ import annotations

import contextlib
import copy
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from tests.harness.namespaces import fresh_namespace
from tests.harness.waiting import wait_until
from tests.support.changes import (
    BACKGROUND,
    DRY_DELETE,
    config_map,
    guarded,
    path_of,
    policy,
    reported,
    sign,
    slots,
    wait_rule,
)

POLICIES = "/apis/peergate.dev/v1alpha1/protectionpolicies"
MERGE = {"content_type": "application/merge-patch+json"}
ANYBODY = {"required": 1, "minHumans": 0}
TWO = {"required": 2, "minHumans": 0}


def settings(namespace: str) -> str:
    return path_of("configmaps", "settings", namespace=namespace)


def condition(desk, name: str, kind: str) -> dict[str, Any]:
    """Return a condition of a policy; empty as long as it has none for what it says now."""
    live = desk.get(f"{POLICIES}/{name}")
    for one in live.get("status", {}).get("conditions", []):
        if one["type"] == kind and one["observedGeneration"] == live["metadata"]["generation"]:
            return dict(one)
    return {}


def wait_condition(desk, name: str, kind: str, reason: str) -> dict[str, Any]:
    wait_until(f"{name} is {reason}", lambda: condition(desk, name, kind).get("reason") == reason)
    return condition(desk, name, kind)


def rule_of(agent, path: str) -> str:
    """Return the rule that refuses the deletion; empty when it is admitted."""
    return named_rule(agent.request("DELETE", path, body=DRY_DELETE))


def named_rule(reply) -> str:
    """Return the rule that a refusal names; empty when there is none."""
    return reply.body["message"].partition(" rule=")[2].split()[0] if reply.code == 403 else ""


def of_gate(event) -> dict[str, str]:
    gate = "namespaced.gate.peergate.dev/"
    return {key.removeprefix(gate): value for key, value in event.annotations.items() if gate in key}


def test_mode_warn_admits_with_a_warning(desk, agent, cluster):
    with guarded(desk, {"mode": "Warn"}, wait=False) as (namespace, (name,)):
        path = settings(namespace)
        desk.create(path, config_map(namespace))
        wait_until("the policy counts", lambda: rule_of(agent, path) == "")
        done = agent.kubectl("-n", namespace, "delete", "configmap", "settings").must()
        assert f"Warning: peergate: would need approval: rule {name}/0, 0/1" in done.err
        assert not desk.there(path)
        event = cluster.wait_for_audit(
            lambda event: (event.verb, event.namespace, event.code) == ("delete", namespace, 200)
        )
        noted = of_gate(event)
        assert (noted["decision"], noted["code"], noted["rule"]) == ("allow", "ApprovalMissing", f"{name}/0")


def test_mode_audit_admits_without_a_word(desk, agent, cluster):
    with guarded(desk, {"mode": "Audit"}, wait=False) as (namespace, (name,)):
        path = settings(namespace)
        desk.create(path, config_map(namespace))
        wait_until("the policy counts", lambda: rule_of(agent, path) == "")
        patch = ("-n", namespace, "patch", "configmap", "settings", "-p", '{"data":{"colour":"red"}}')
        assert "peergate" not in agent.kubectl(*patch).must().err
        assert desk.get(path)["data"] == {"colour": "red"}
        event = cluster.wait_for_audit(
            lambda event: event.verb == "patch" and event.namespace == namespace and bool(of_gate(event))
        )
        noted = of_gate(event)
        assert (noted["decision"], noted["code"], noted["rule"]) == ("allow", "ApprovalMissing", f"{name}/0")


def test_no_mode_frees_what_is_forbidden(desk, agent):
    with guarded(desk, {"mode": "Audit"}, wait=False) as (namespace, _):
        path = settings(namespace)
        desk.create(path, config_map(namespace))
        wait_until("the policy counts", lambda: rule_of(agent, path) == "")
        account = path_of("serviceaccounts", "default", namespace=namespace)
        before = desk.get(account)
        reply = agent.request("DELETE", account)
        assert (reply.code, reported(reply)) == (403, "NotApprovable")
        assert desk.get(account) == before


def test_the_first_policy_replaces_the_built_in_rule_and_says_so(desk, agent, people):
    with fresh_namespace(desk.cluster, protected=True) as namespace:
        path = settings(namespace)
        desk.create(path, config_map(namespace))
        before = desk.attach(path, slots(sign(desk.deletion(path), by=people["robot"])))
        reply = agent.request("DELETE", path, body=BACKGROUND)
        assert (reply.code, reported(reply)) == (403, "QuorumNotMet")
        assert named_rule(reply) == "built-in"
        assert desk.get(path) == before
        name = f"first-{namespace}"
        body = policy(name, namespace, rules=[{"approvals": ANYBODY}])
        assert desk.cluster.admin.request("POST", POLICIES, body=body).code == 201
        try:
            wait_rule(desk, namespace, f"{name}/0")
            wait_until(
                "its status names the namespace",
                lambda: desk.get(f"{POLICIES}/{name}").get("status", {}).get("namespaces") == [namespace],
            )
            wait_condition(desk, name, "Ready", "Valid")
            assert agent.request("DELETE", path, body=BACKGROUND).code == 200
            assert not desk.there(path)
        finally:
            desk.cluster.admin.request("DELETE", f"{POLICIES}/{name}")


LOOSER = {
    "one approval instead of two": {"rules": [{"approvals": ANYBODY}]},
    "an exempt field": {"rules": [{"exempt": ["/data/colour"], "approvals": ANYBODY}]},
    "other kinds alone": {"rules": [{"resources": [{"apiGroups": [""], "resources": ["secrets"]}]}]},
    "mode Warn": {"mode": "Warn"},
    "mode Audit": {"mode": "Audit"},
}


@pytest.mark.parametrize("spec", LOOSER.values(), ids=LOOSER.keys())
def test_a_policy_beside_another_never_loosens_it(spec, desk, agent, people):
    with guarded(desk, {"rules": [{"approvals": TWO}]}, spec) as (namespace, (strict, _)):
        path = settings(namespace)
        desk.create(path, config_map(namespace))
        wanted = config_map(namespace, data={"colour": "red"})
        approvals = slots(
            sign(desk.deletion(path), by=people["alice"]),
            sign(desk.update(path, desk.dry_run("PUT", path, wanted)), by=people["alice"]),
        )
        before = desk.attach(path, approvals)
        for reply in (
            agent.request("DELETE", path, body=BACKGROUND),
            agent.request("PUT", path, body=wanted),
        ):
            assert (reply.code, reported(reply)) == (403, "QuorumNotMet")
            assert named_rule(reply) == f"{strict}/0"
        assert desk.get(path) == before


def test_every_matching_rule_must_be_satisfied(desk, agent, people):
    sre = {"approvals": {**ANYBODY, "fromGroups": ["sre"]}}
    with guarded(desk, {"rules": [{"approvals": TWO}, sre]}) as (namespace, _):
        path = settings(namespace)
        desk.create(path, config_map(namespace))
        change = desk.deletion(path)
        others = slots(sign(change, by=people["bob"]), sign(change, by=people["dora"]))
        before = desk.attach(path, others)
        reply = agent.request("DELETE", path, body=BACKGROUND)
        assert (reply.code, reported(reply)) == (403, "QuorumNotMet")
        assert desk.get(path) == before
        desk.attach(path, {"alice": sign(change, by=people["alice"])})
        assert agent.request("DELETE", path, body=BACKGROUND).code == 200
        assert not desk.there(path)


def test_exempt_fields_are_free_and_no_others(desk, agent):
    rule = {"exempt": ["/data/colour", "/metadata/labels/tier"]}
    with guarded(desk, {"rules": [rule]}) as (namespace, _):
        path = settings(namespace)
        desk.create(path, config_map(namespace, data={"colour": "blue", "size": "small"}))

        def patch(body: dict[str, Any]):
            return agent.request("PATCH", path, body=body, **MERGE)

        assert patch({"data": {"colour": "red"}}).code == 200
        assert patch({"metadata": {"labels": {"tier": "front"}}}).code == 200
        before = desk.get(path)
        assert before["data"] == {"colour": "red", "size": "small"}
        for what, body in {
            "another field": {"data": {"size": "large"}},
            "an exempt one and another": {"data": {"colour": "green", "size": "large"}},
            "another label": {"metadata": {"labels": {"team": "shop"}}},
            "all of it": {"data": None},
        }.items():
            reply = patch(body)
            assert (what, reply.code, reported(reply)) == (what, 403, "ApprovalMissing")
            assert desk.get(path) == before
        assert reported(agent.request("DELETE", path, body=BACKGROUND)) == "ApprovalMissing"
        assert desk.get(path) == before


def test_an_approval_may_leave_open_what_every_rule_lets_it(desk, agent, alice):
    with guarded(desk, {"rules": [{"ignore": ["/data/colour"]}]}) as (namespace, _):
        path = settings(namespace)
        desk.create(path, config_map(namespace, data={"colour": "blue", "size": "small"}))
        change = desk.deletion(path, ignore=("/data/colour",))
        desk.attach(path, slots(sign(change, by=alice, ignore=("/data/colour",))))
        admin = desk.cluster.admin
        assert admin.request("PATCH", path, body={"data": {"size": "large"}}, **MERGE).code == 200
        reply = agent.request("DELETE", path, body=BACKGROUND)
        assert (reply.code, reported(reply)) == (403, "ObjectChanged")
        assert desk.there(path)
        back = {"data": {"size": "small", "colour": "green"}}
        assert admin.request("PATCH", path, body=back, **MERGE).code == 200
        assert agent.request("DELETE", path, body=BACKGROUND).code == 200
        assert not desk.there(path)


UNGRADED = {"matchExpressions": [{"key": "grade", "operator": "DoesNotExist"}]}


def test_a_rule_guards_what_it_selects(desk, agent):
    rule = {
        "operations": ["Delete"],
        "selector": {"matchLabels": {"grade": "gold"}},
        "excludeResources": [{"apiGroups": [""], "resources": ["secrets"]}],
    }
    catch = {"resources": [{"apiGroups": [""], "resources": ["configmaps"]}], "selector": UNGRADED}
    with guarded(desk, {"rules": [catch, rule]}) as (namespace, _):
        gold, plain = (path_of("configmaps", name, namespace=namespace) for name in ("gold", "plain"))
        desk.create(gold, config_map(namespace, "gold", metadata={"labels": {"grade": "gold"}}))
        desk.create(plain, config_map(namespace, "plain", metadata={"labels": {"grade": "silver"}}))
        secret = path_of("secrets", "gold", namespace=namespace)
        metadata = {"name": "gold", "labels": {"grade": "gold"}}
        desk.create(secret, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata})
        assert agent.request("PATCH", gold, body={"data": {"colour": "red"}}, **MERGE).code == 200
        before = desk.get(gold)
        assert before["data"] == {"colour": "red"}
        assert reported(agent.request("DELETE", gold, body=BACKGROUND)) == "ApprovalMissing"
        assert desk.get(gold) == before
        for path in (plain, secret):
            assert agent.request("DELETE", path, body=BACKGROUND).code == 200
            assert not desk.there(path)


def test_an_approval_bound_to_a_policy_ends_with_it(desk, agent, alice):
    with guarded(desk, {"rules": [{}]}) as (namespace, (name,)):
        path = settings(namespace)
        desk.create(path, config_map(namespace))
        live = desk.get(f"{POLICIES}/{name}")
        before = desk.attach(path, slots(sign(desk.deletion(path), by=alice, policy=live)))
        assert agent.request("DELETE", path, body=DRY_DELETE).code == 200
        admin = desk.cluster.admin
        patch = {"spec": {"rules": [{"maxTTL": "14m"}]}}
        assert admin.request("PATCH", f"{POLICIES}/{name}", body=patch, **MERGE).code == 200
        wait_until(
            "the policy is another one",
            lambda: reported(agent.request("DELETE", path, body=DRY_DELETE)) == "PolicyChanged",
        )
        reply = agent.request("DELETE", path, body=BACKGROUND)
        assert (reply.code, reported(reply)) == (403, "PolicyChanged")
        assert desk.get(path) == before


def test_a_policy_for_an_unprotected_namespace_says_that_it_has_no_effect(desk, agent):
    with fresh_namespace(desk.cluster, protected=False) as namespace:
        name = f"lost-{namespace}"
        body = policy(name, namespace)
        assert desk.cluster.admin.request("POST", POLICIES, body=body).code == 201
        try:
            found = wait_condition(desk, name, "NamespaceNotProtected", "Unprotected")
            assert found["status"] == "True"
            assert namespace in found["message"]
            path = settings(namespace)
            desk.create(path, config_map(namespace))
            assert agent.request("DELETE", path).code == 200
            assert not desk.there(path)
        finally:
            desk.cluster.admin.request("DELETE", f"{POLICIES}/{name}")


def test_a_policy_that_nobody_can_satisfy_says_so(desk, agent, alice):
    rule = {"approvals": {"required": 1, "fromGroups": [f"nobody-{secrets.token_hex(4)}"]}}
    with guarded(desk, {"rules": [rule]}) as (namespace, (name,)):
        found = wait_condition(desk, name, "Ready", "Unsatisfiable")
        assert found["status"] == "False"
        assert "there are 0" in found["message"]
        path = settings(namespace)
        desk.create(path, config_map(namespace))
        before = desk.attach(path, slots(sign(desk.deletion(path), by=alice)))
        reply = agent.request("DELETE", path, body=BACKGROUND)
        assert (reply.code, reported(reply)) == (403, "ApproverNotEligible")
        assert desk.get(path) == before


_CONTROLLER = "system:serviceaccount:kube-system:some-controller"


@contextlib.contextmanager
def looser_schema(admin, invalid: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Let the API server take any mode for a while, as an earlier schema might have.

    Yields how to write what the resources gate would refuse: as one whom it is not asked about.
    """
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/protectionpolicies.peergate.dev"
    live = admin.request("GET", path).body
    loose = copy.deepcopy(live["spec"]["versions"])
    for version in loose:
        del version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["mode"]["enum"]

    unseen = {"Impersonate-User": _CONTROLLER, "Impersonate-Group": "system:masters"}

    def put(versions: list[Any], *, code: int) -> None:
        done = admin.request("PATCH", path, body={"spec": {"versions": versions}}, **MERGE)
        assert done.code == 200, done.body
        wait_until(
            f"an invalid policy meets {code}",
            lambda: (
                code
                == admin.request("POST", POLICIES, body=invalid, query={"dryRun": "All"}, headers=unseen).code
            ),
        )

    try:
        put(loose, code=201)
        yield unseen
    finally:
        put(live["spec"]["versions"], code=422)


def test_a_policy_that_cannot_be_read_admits_nothing_and_says_why(desk, agent, alice):
    admin = desk.cluster.admin
    with fresh_namespace(desk.cluster, protected=True) as namespace:
        name = f"typo-{namespace}"
        invalid = policy(name, namespace, mode="Enforced")
        path = settings(namespace)
        desk.create(path, config_map(namespace))
        before = desk.attach(path, slots(sign(desk.deletion(path), by=alice)))
        assert agent.request("DELETE", path, body=DRY_DELETE).code == 200
        with looser_schema(admin, {**invalid, "metadata": {"name": f"{name}-probe"}}) as unseen:
            seen = admin.request("POST", POLICIES, body=invalid)
            assert seen.code == 403
            assert "resources.gate.peergate.dev" in seen.body["message"]
            assert admin.request("POST", POLICIES, body=invalid, headers=unseen).code == 201
        try:
            wait_until(
                "the policy counts",
                lambda: reported(agent.request("DELETE", path, body=DRY_DELETE)) == "NotApprovable",
            )
            reply = agent.request("DELETE", path, body=BACKGROUND)
            assert (reply.code, reported(reply)) == (403, "NotApprovable")
            assert f"policy {name}, which cannot be read and so admits nothing" in reply.body["message"]
            assert desk.get(path) == before
            found = wait_condition(desk, name, "Ready", "Invalid")
            assert found["status"] == "False"
            assert found["message"].startswith("spec.mode: ")
        finally:
            assert admin.request("DELETE", f"{POLICIES}/{name}").code == 200
        wait_until(
            "the built-in rule is back",
            lambda: agent.request("DELETE", path, body=DRY_DELETE).code == 200,
        )
        assert agent.request("DELETE", path, body=BACKGROUND).code == 200
        assert not desk.there(path)


def test_the_schema_catches_what_it_can(desk):
    with fresh_namespace(desk.cluster, protected=True) as namespace:
        for spec in ({"mode": "Enforced"}, {"rules": []}, {"rules": [{"maxTTL": "25h"}]}):
            reply = desk.cluster.admin.request("POST", POLICIES, body=policy(namespace, namespace, **spec))
            assert reply.code == 422
            assert not desk.there(f"{POLICIES}/{namespace}")


@pytest.mark.parametrize("by", ["robot", "alice"])
def test_without_a_policy_it_takes_a_person(by, desk, agent, people, namespace):
    path = settings(namespace)
    desk.create(path, config_map(namespace))
    before = desk.attach(path, slots(sign(desk.deletion(path), by=people[by])))
    reply = agent.request("DELETE", path, body=BACKGROUND)
    if by == "alice":
        assert reply.code == 200
        assert not desk.there(path)
    else:
        assert (reply.code, reported(reply)) == (403, "QuorumNotMet")
        assert "1 more is needed (human)" in reply.body["message"]
        assert desk.get(path) == before
