"""The doctor finds the doors of real agents on a real API server, and what it prints closes them."""

from __future__ import annotations

import secrets

import pytest
import yaml
from tests.support.doctor import account

_RBAC = "rbac.authorization.k8s.io/v1"


@pytest.fixture
def bot(ward, place):
    """An agent without any rights; return its namespace and name."""
    name = f"bot-{secrets.token_hex(3)}"
    ward.cluster.admin.apply(
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {
                "name": name,
                "namespace": place,
                "labels": {"peergate.dev/agent": "true"},
                "annotations": {"peergate.dev/owner": "team-x"},
            },
        }
    )
    return place, name


def _grant(ward, bot, rules, *, kind="ClusterRole", others=()):
    namespace, name = bot
    metadata = {"name": name} | ({"namespace": namespace} if kind == "Role" else {})
    ward.cluster.admin.apply(
        {"apiVersion": _RBAC, "kind": kind, "metadata": metadata, "rules": rules},
        {
            "apiVersion": _RBAC,
            "kind": f"{kind}Binding",
            "metadata": metadata,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
            "subjects": [account(namespace, name), *others],
        },
    )


def _findings(ward, bot):
    """Return what is said about one agent, asked about in its own namespace and cluster-wide."""
    return ward.findings("-n", bot[0], "--no-canary", about="/".join(bot))


def _levels(findings):
    return {(finding["check"], finding["level"]) for finding in findings}


def test_an_agent_with_the_rights_of_an_operator_has_doors(ward):
    found = ward.findings("-n", "default", "--no-canary", about=ward.agent)
    assert {("SAR7", "fail"), ("SAR10", "fail"), ("SAR5", "warn"), ("SAR16", "warn")} <= _levels(found)
    assert all(
        "ClusterRoleBinding operator-level-agents-demo-agent -> ClusterRole operator-level"
        in finding["givenBy"]
        for finding in found
        if finding["theme"] == "rights"
    )


def test_an_agent_of_agent_create_has_none(ward, place, tmp_path):
    done = ward.run(
        *("-n", place, "agent", "create", "least", "--owner", "team-x", "--profile", "operator"),
        *("--kubeconfig-out", str(tmp_path / "kubeconfig")),
    )
    assert done.status == 0, done.err
    found = [one for one in _findings(ward, (place, "least")) if one["theme"] == "rights"]
    assert found
    assert {finding["level"] for finding in found} == {"ok"}


def test_a_right_in_one_protected_namespace_is_found(ward, bot):
    _grant(ward, bot, [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}], kind="Role")
    [finding] = [one for one in _findings(ward, bot) if one["check"] == "SAR7"]
    assert finding["what"] == f"{bot[0]}/{bot[1]} may read Secrets in {bot[0]}: list secrets."


def test_a_right_on_the_gate_alone_is_found(ward, bot):
    """Asked for the resource as a whole, the authorizer says no; the gate can be deleted all the same."""
    rule = {
        "apiGroups": ["admissionregistration.k8s.io"],
        "resources": ["validatingwebhookconfigurations"],
        "resourceNames": ["peergate"],
        "verbs": ["delete"],
    }
    _grant(ward, bot, [rule])
    [finding] = [one for one in _findings(ward, bot) if one["check"] == "SAR1"]
    assert finding["level"] == "fail"
    assert "delete validatingwebhookconfigurations/peergate" in finding["what"]
    done = ward.run("doctor", "-n", bot[0], "--no-canary", "--fix")
    mine = [one for one in yaml.safe_load_all(done.out) if one and one["metadata"]["name"] == bot[1]]
    ward.cluster.admin.kubectl("apply", "-f", "-", input=mine).must()
    assert "SAR1" not in {one["check"] for one in _findings(ward, bot)}


def test_constrained_impersonation_is_found_when_both_halves_are_there(ward, bot):
    half = {
        "apiGroups": ["authentication.k8s.io"],
        "resources": ["users"],
        "verbs": ["impersonate:user-info"],
    }
    _grant(ward, bot, [half])
    assert ("SAR3", "warn") in _levels(_findings(ward, bot))
    other = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["impersonate-on:user-info:delete"]}
    _grant(ward, bot, [half, other])
    assert {("SAR3", "fail"), ("SAR4", "fail")} <= _levels(_findings(ward, bot))


def test_any_identity_can_be_looked_at(ward):
    name = f"carol-{secrets.token_hex(3)}"
    assert {
        finding["check"]
        for finding in ward.findings("-n", "default", "--no-canary", "--as", name, about=f"user {name}")
    } == set()
    found = ward.findings(
        "-n", "default", "--no-canary", "--as", name, "--as-group", "system:masters", about=f"user {name}"
    )
    assert {finding["check"] for finding in found} == {"everything"}
    assert found[0]["givenBy"] == [
        "ClusterRoleBinding cluster-admin -> ClusterRole cluster-admin",
    ]


def test_what_fix_prints_is_accepted_and_closes_the_doors(ward, bot):
    person = {"kind": "User", "name": "alice", "apiGroup": "rbac.authorization.k8s.io"}
    _grant(ward, bot, [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}], others=[person])
    assert _levels(_findings(ward, bot)) == {("everything", "fail")}
    done = ward.run("doctor", "-n", bot[0], "--no-canary", "--fix")
    assert done.status == 3
    assert ward.cluster.admin.kubectl("apply", "--dry-run=server", "-f", "-", input=done.out).must()
    # Of all that it prints only what is about this agent, as a person who reads it may choose.
    mine = [
        document
        for document in yaml.safe_load_all(done.out)
        if document and document["metadata"]["name"].removesuffix("-narrowed") == bot[1]
    ]
    assert len(mine) == 3
    ward.cluster.admin.kubectl("apply", "-f", "-", input=mine).must()
    after = _findings(ward, bot)
    assert {finding["level"] for finding in after} == {"ok"}
    can = ward.cluster.admin.kubectl(
        "auth", "can-i", "delete", "validatingwebhookconfigurations", "--as=alice"
    )
    assert can.out.strip() == "yes"


def test_the_number_of_questions_is_bounded(ward):
    [finding] = ward.findings("--no-canary", "--max-reviews", "40", check="partial")
    assert "were not asked" in finding["what"]
