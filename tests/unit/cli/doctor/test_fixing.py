"""The RBAC that --fix prints: no door is left in it, and ordinary work stays."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.support.doctor import account, binding, cluster_binding, cluster_role

from peergate.cli.agent_rights import rules_of
from peergate.cli.doctor.agents import Known
from peergate.cli.doctor.fixing import narrowed, rights_fixes
from peergate.cli.doctor.rbac import Rbac, grants
from peergate.cli.doctor.screen import manifests_of
from peergate.gate.access import Right, Subject, account_subject
from peergate.gate.doors import DOORS, Weight

_CLOSED = [
    Right(verb, ask.group, resource)
    for door in DOORS
    for ask in door.asks
    if ask.weight is not Weight.WORK
    for resource in ask.resources
    for verb in ask.verbs
]


def _rule(group, resources, verbs, **rest):
    return {"apiGroups": [group], "resources": resources, "verbs": verbs, **rest}


RULES = {
    "what opens nothing stays as it is": (
        [_rule("", ["pods", "configmaps"], ["get", "delete"])],
        [_rule("", ["pods", "configmaps"], ["get", "delete"])],
    ),
    "one verb goes": (
        [_rule("apps", ["deployments"], ["delete", "deletecollection"])],
        [_rule("apps", ["deployments"], ["delete"])],
    ),
    "one resource goes": (
        [_rule("", ["pods", "pods/exec"], ["create"])],
        [_rule("", ["pods"], ["create"])],
    ),
    "a rule goes": ([_rule("", ["secrets"], ["get", "list"])], []),
    "every verb becomes the ordinary ones": (
        [_rule("apps", ["deployments"], ["*"])],
        [_rule("apps", ["deployments"], ["get", "list", "watch", "create", "update", "patch", "delete"])],
    ),
    "names stay": (
        [_rule("apps", ["deployments"], ["get", "deletecollection"], resourceNames=["web"])],
        [_rule("apps", ["deployments"], ["get"], resourceNames=["web"])],
    ),
    "everything becomes an operator": (
        [_rule("*", ["*"], ["*"])],
        rules_of("operator"),
    ),
    "reading everything becomes a viewer": (
        [_rule("*", ["*"], ["get", "list", "watch"])],
        rules_of("viewer"),
    ),
    "everything in a group that has doors becomes what an operator has of it": (
        [_rule("", ["*"], ["*"])],
        [rule for rule in rules_of("operator") if rule["apiGroups"] == [""]],
    ),
    "everything in another group stays, with the ordinary verbs": (
        [_rule("example.com", ["*"], ["*"])],
        [_rule("example.com", ["*"], ["get", "list", "watch", "create", "update", "patch", "delete"])],
    ),
    "every impersonation goes": (
        [_rule("", ["serviceaccounts"], ["get", "impersonate", "impersonate:more"])],
        [_rule("", ["serviceaccounts"], ["get"])],
    ),
    "paths stay": (
        [{"nonResourceURLs": ["/metrics"], "verbs": ["*"]}],
        [{"nonResourceURLs": ["/metrics"], "verbs": ["*"]}],
    ),
}


@pytest.mark.parametrize(("rules", "expected"), RULES.values(), ids=RULES)
def test_narrowed(rules, expected):
    assert narrowed(rules) == expected


_GROUPS = sorted({right.group for right in _CLOSED} | {"apps", "batch", "example.com"})
_RESOURCES = sorted({right.resource for right in _CLOSED} | {"deployments", "widgets", "*/exec"})
_VERBS = sorted({right.verb for right in _CLOSED} | {"get", "use", "*"})
_ANY_RULE = st.fixed_dictionaries(
    {
        "apiGroups": st.lists(st.sampled_from(_GROUPS), min_size=1, max_size=3),
        "resources": st.lists(st.sampled_from(_RESOURCES), min_size=1, max_size=4),
        "verbs": st.lists(st.sampled_from(_VERBS), min_size=1, max_size=4),
    }
)


@given(st.lists(_ANY_RULE, max_size=4))
def test_whatever_the_rules_were_no_door_is_left(rules):
    after = narrowed(rules)
    assert not [right for right in _CLOSED if grants(after, right)]
    assert narrowed(after) == after


def _known(name):
    return Known(display=f"ops/{name}", subject=account_subject("ops", name, uid=name), tag="label")


_SECRETS = [_rule("", ["secrets", "pods"], ["get"])]
_LESS = [_rule("", ["pods"], ["get"])]


def test_a_role_that_only_agents_have_is_narrowed_in_place():
    rbac = Rbac(
        cluster_roles=[cluster_role("bots", _SECRETS)],
        bindings=[binding("shop", "b", "ClusterRole/bots", account("ops", "bot"), account("ops", "two"))],
    )
    [fix] = rights_fixes(rbac, agents=[_known("bot"), _known("two")], closing=[_known("bot")])
    [manifest] = fix.manifests
    assert (manifest["kind"], manifest["metadata"], manifest["rules"]) == (
        "ClusterRole",
        {"name": "bots"},
        _LESS,
    )


def test_of_a_role_that_others_have_the_agent_gets_a_narrowed_copy():
    person = {"kind": "User", "name": "alice"}
    rbac = Rbac(
        cluster_roles=[cluster_role("ops", _SECRETS)],
        cluster_bindings=[cluster_binding("b", "ops", account("ops", "bot"), person)],
    )
    [fix] = rights_fixes(rbac, agents=[_known("bot")], closing=[_known("bot")])
    copy, bound, left = fix.manifests
    assert (copy["metadata"]["name"], copy["rules"]) == ("ops-narrowed", _LESS)
    assert (bound["metadata"]["name"], bound["roleRef"]["name"]) == ("b-narrowed", "ops-narrowed")
    assert bound["subjects"] == [account("ops", "bot")]
    assert (left["metadata"]["name"], left["roleRef"]["name"], left["subjects"]) == ("b", "ops", [person])


def test_a_role_that_the_api_server_puts_back_is_never_edited():
    role = cluster_role("edit", _SECRETS, labels={"kubernetes.io/bootstrapping": "rbac-defaults"})
    rbac = Rbac(cluster_roles=[role], cluster_bindings=[cluster_binding("b", "edit", account("ops", "bot"))])
    [fix] = rights_fixes(rbac, agents=[_known("bot")], closing=[_known("bot")])
    assert [one["metadata"]["name"] for one in fix.manifests] == ["edit-narrowed", "b-narrowed", "b"]


def test_what_a_group_of_others_has_is_told_and_not_printed():
    rbac = Rbac(
        cluster_roles=[cluster_role("wide", _SECRETS)],
        cluster_bindings=[cluster_binding("b", "wide", {"kind": "Group", "name": "system:authenticated"})],
    )
    [fix] = rights_fixes(rbac, agents=[_known("bot")], closing=[_known("bot")])
    assert fix.manifests == ()
    assert "bind those who need it by name" in fix.comment


def test_the_group_of_agents_is_narrowed_like_an_agent():
    group = Known(display="group ai", subject=Subject("", groups=("ai", "system:authenticated")), tag="group")
    rbac = Rbac(
        cluster_roles=[cluster_role("ai", _SECRETS)],
        cluster_bindings=[cluster_binding("b", "ai", {"kind": "Group", "name": "ai"})],
    )
    [fix] = rights_fixes(rbac, agents=[group], closing=[group])
    assert [one["kind"] for one in fix.manifests] == ["ClusterRole"]


def test_ordinary_work_needs_no_fix():
    rbac = Rbac(
        cluster_roles=[cluster_role("bots", rules_of("operator"))],
        cluster_bindings=[cluster_binding("b", "bots", account("ops", "bot"))],
    )
    assert rights_fixes(rbac, agents=[_known("bot")], closing=[_known("bot")]) == []


@pytest.mark.parametrize("line_break", ["\n", "\r", "\x85", "\u2028", "\u2029"])
def test_a_name_of_an_agents_choice_is_no_manifest_of_its_own(line_break):
    """An agent names its roles, and a person applies what is printed."""
    name = f'x{line_break}{{"kind":"Evil"}}{line_break}---{line_break}'
    rbac = Rbac(
        cluster_roles=[cluster_role(name, rules=[_rule("", ["secrets", "pods"], ["get"])])],
        cluster_bindings=[cluster_binding("b", name, account("ops", "bot"))],
    )
    printed = manifests_of(rights_fixes(rbac, agents=[_known("bot")], closing=[_known("bot")]))
    found = [document for document in yaml.safe_load_all(printed) if document is not None]
    assert {document["kind"] for document in found} <= {"ClusterRole", "ClusterRoleBinding"}
    assert found[0]["metadata"]["name"] == name
