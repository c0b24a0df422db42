"""Which binding gives what to whom."""

from __future__ import annotations

import pytest
from tests.support.doctor import account, binding, cluster_binding, cluster_role, role

from peergate.cli.doctor.rbac import Rbac, grants
from peergate.gate.access import Right, Subject, account_subject

_OPS = {"kind": "Group", "name": "system:serviceaccounts:ops"}
BOT = account_subject("ops", "bot", uid="u")


def _rule(group, resource, verb, **rest):
    return {"apiGroups": [group], "resources": [resource], "verbs": [verb], **rest}


RULES = {
    "the resource by name": ([_rule("", "pods", "get")], Right("get", "", "pods"), True),
    "another verb": ([_rule("", "pods", "get")], Right("list", "", "pods"), False),
    "another group": ([_rule("apps", "pods", "get")], Right("get", "", "pods"), False),
    "everything": ([_rule("*", "*", "*")], Right("delete", "apps", "deployments"), True),
    "every resource takes in subresources": (
        [_rule("", "*", "create")],
        Right("create", "", "pods/exec"),
        True,
    ),
    "a resource does not take in its subresources": (
        [_rule("", "pods", "create")],
        Right("create", "", "pods/exec"),
        False,
    ),
    "a subresource of everything": ([_rule("", "*/exec", "create")], Right("create", "", "pods/exec"), True),
    "one resource is not every resource": (
        [_rule("", "pods", "deletecollection")],
        Right("deletecollection", "*", "*"),
        False,
    ),
    "every resource of one group is not every resource": (
        [_rule("", "*", "deletecollection")],
        Right("deletecollection", "*", "*"),
        False,
    ),
    "paths are no resources": (
        [{"nonResourceURLs": ["*"], "verbs": ["*"]}],
        Right("get", "", "pods"),
        False,
    ),
    "named objects count": (
        [_rule("", "secrets", "get", resourceNames=["a"])],
        Right("get", "", "secrets"),
        True,
    ),
    "no rules": ([], Right("get", "", "pods"), False),
}


@pytest.mark.parametrize(("rules", "right", "expected"), RULES.values(), ids=RULES)
def test_rules(rules, right, expected):
    assert grants(rules, right) is expected


def _rbac():
    return Rbac(
        roles=[role("shop", "reader", [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}])],
        cluster_roles=[
            cluster_role("all", [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]),
            cluster_role("edit", [], labels={"kubernetes.io/bootstrapping": "rbac-defaults"}),
        ],
        bindings=[
            binding("shop", "bots", "Role/reader", account("ops", "bot")),
            binding("shop", "lost", "Role/gone", account("ops", "bot")),
            binding(
                "bank", "edits", "ClusterRole/edit", {"kind": "Group", "name": "system:serviceaccounts:ops"}
            ),
        ],
        cluster_bindings=[
            cluster_binding("as-user", "all", {"kind": "User", "name": "system:serviceaccount:ops:other"})
        ],
    )


def test_an_account_has_what_names_it_or_its_groups():
    rbac = _rbac()
    assert [grant.display for grant in rbac.grants_of(BOT)] == [
        "RoleBinding shop/bots -> Role shop/reader",
        "RoleBinding bank/edits -> ClusterRole edit",
    ]
    assert rbac.namespaces_of(BOT) == {"shop", "bank"}
    assert [grant.role.kept for grant in rbac.grants_of(BOT)] == [False, True]


def test_an_account_named_as_a_user_is_the_same():
    other = account_subject("ops", "other", uid="u")
    found = _rbac().given(other, Right("get", "", "secrets"))
    assert [grant.display for grant in found] == ["ClusterRoleBinding as-user -> ClusterRole all"]


def test_a_binding_counts_where_it_is():
    rbac = _rbac()
    assert rbac.given(BOT, Right("get", "", "secrets", "shop"))
    assert not rbac.given(BOT, Right("get", "", "secrets", "bank"))
    assert not rbac.given(BOT, Right("get", "", "secrets"))


def test_equal_rights_are_alike_whatever_the_bindings_are_called():
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    rbac = Rbac(
        cluster_roles=[cluster_role("one", rules), cluster_role("two", rules)],
        cluster_bindings=[
            cluster_binding("a", "one", account("ops", "a")),
            cluster_binding("b", "two", account("ops", "b")),
        ],
        bindings=[binding("shop", "c", "ClusterRole/one", account("ops", "c"))],
    )
    like = {name: rbac.likeness(account_subject("ops", name, uid=name)) for name in "abcd"}
    assert like["a"] == like["b"] != like["c"]
    assert like["d"] == frozenset()


def test_nobody_has_nothing():
    assert Rbac().grants_of(Subject(username="")) == ()
