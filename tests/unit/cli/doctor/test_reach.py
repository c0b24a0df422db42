"""How far the gate reaches."""

from __future__ import annotations

import pytest
from tests.support.doctor import (
    PROTECTED,
    account,
    binding,
    cluster_binding,
    cluster_role,
    known,
    levels,
    seen,
)
from tests.support.gate import policy

from peergate.cli.doctor.rbac import Rbac
from peergate.cli.doctor.reach import (
    RESIDUAL,
    decider_findings,
    default_findings,
    look_alike_findings,
    pod_security_findings,
    protection_findings,
    tag_findings,
)
from peergate.cli.doctor.survey import Survey
from peergate.gate.access import Right
from peergate.gate.doors import EVERYTHING

_BOT = known("ops", "bot")
_SHOP = {"shop": PROTECTED, "ops": {}}

PROTECTION = {
    "nothing is protected": (
        {"namespaces": {"ops": {}}, "policies": []},
        [_BOT],
        [("warn", "protected")],
    ),
    "nobody is an agent": (
        {"namespaces": _SHOP, "policies": []},
        [],
        [("warn", "no-agent"), ("ok", "built-in")],
    ),
    "the built-in rule holds": ({"namespaces": _SHOP, "policies": []}, [_BOT], [("ok", "built-in")]),
    "a policy selects it": ({"namespaces": _SHOP, "policies": [policy(rules=[{}])]}, [_BOT], []),
    "what can't be read is not judged": ({"namespaces": _SHOP}, [_BOT], []),
}


@pytest.mark.parametrize(("members", "agents", "expected"), PROTECTION.values(), ids=PROTECTION)
def test_protection(members, agents, expected):
    assert levels(protection_findings(seen(**members), agents=agents)) == expected


TAGS = {
    "on an account that counts": ({"ops/bot": {"tagged": True}}, {}, [("ok", "tags")]),
    "on an account of kube-system": ({"kube-system/bot": {"tagged": True}}, {}, [("fail", "tags")]),
    "on a trusted account": (
        {"ops/bot": {"tagged": True}},
        {"agents": {"trusted": ["system:serviceaccount:ops:bot"]}},
        [("fail", "tags")],
    ),
    "nowhere": ({"ops/bot": {}}, {}, [("ok", "tags")]),
}


@pytest.mark.parametrize(("accounts", "settings", "expected"), TAGS.values(), ids=TAGS)
def test_tags(accounts, settings, expected):
    assert levels(tag_findings(seen(accounts=accounts, settings=settings))) == expected


def _pod(name, *, account="bot", namespace="ops"):
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"serviceAccountName": account}}


LOOKS = {
    "no such pod": ([], [("ok", "look-alikes")]),
    "of a tagged account": ([_pod("p", account="tagged")], [("ok", "look-alikes")]),
    "of an account without a tag": ([_pod("p"), _pod("q")], [("warn", "look-alikes")]),
    "what can't be read is not judged": (None, []),
}


@pytest.mark.parametrize(("pods", "expected"), LOOKS.values(), ids=LOOKS)
def test_pods_that_look_like_agents(pods, expected):
    accounts = {"ops/bot": {}, "ops/tagged": {"tagged": True}}
    found = look_alike_findings(seen(accounts=accounts, look_alikes=pods))
    assert levels(found) == expected
    if expected == [("warn", "look-alikes")]:
        assert found[0].mend == ("kubectl -n ops label serviceaccount bot peergate.dev/agent=true",)


def _rule(resources, verbs):
    return [{"apiGroups": ["", "apps"], "resources": resources, "verbs": verbs}]


_EDIT = cluster_role("edit", _rule(["deployments"], ["get", "delete"]))
_VIEW = cluster_role("view", _rule(["deployments"], ["get", "list"]))
_KEYS = cluster_role("keys", _rule(["secrets"], ["get"]))
_DEFAULT = account("shop", "default")

DEFAULTS = {
    "no rights": (Rbac(), [("ok", "default")]),
    "rights to change": (
        Rbac(cluster_roles=[_EDIT], bindings=[binding("shop", "b", "ClusterRole/edit", _DEFAULT)]),
        [("fail", "default")],
    ),
    "rights in the whole cluster": (
        Rbac(cluster_roles=[_EDIT], cluster_bindings=[cluster_binding("b", "edit", _DEFAULT)]),
        [("fail", "default")],
    ),
    "rights to read": (
        Rbac(cluster_roles=[_VIEW], bindings=[binding("shop", "b", "ClusterRole/view", _DEFAULT)]),
        [("warn", "default")],
    ),
    "rights to read Secrets": (
        Rbac(cluster_roles=[_KEYS], bindings=[binding("shop", "b", "ClusterRole/keys", _DEFAULT)]),
        [("fail", "default")],
    ),
    "in a namespace that nobody protects": (
        Rbac(
            cluster_roles=[_EDIT],
            bindings=[binding("ops", "b", "ClusterRole/edit", account("ops", "default"))],
        ),
        [("ok", "default")],
    ),
    "what can't be read is not judged": (None, []),
}


@pytest.mark.parametrize(("rbac", "expected"), DEFAULTS.values(), ids=DEFAULTS)
def test_default_accounts(rbac, expected):
    accounts = {"shop/default": {}, "ops/default": {}}
    assert levels(default_findings(seen(namespaces=_SHOP, accounts=accounts, rbac=rbac))) == expected


def test_the_binding_without_the_default_account_is_printed():
    person = {"kind": "User", "name": "alice"}
    rbac = Rbac(cluster_roles=[_EDIT], bindings=[binding("shop", "b", "ClusterRole/edit", _DEFAULT, person)])
    [finding] = default_findings(seen(namespaces=_SHOP, accounts={"shop/default": {}}, rbac=rbac))
    [manifest] = finding.manifests
    assert manifest["subjects"] == [person]
    assert manifest["metadata"] == {"name": "b", "namespace": "shop"}


DECIDERS = {
    "none": ({}, [("ok", "deciders")]),
    "in a protected namespace": (
        {"applications.argoproj.io": [{"metadata": {"namespace": "shop"}}]},
        [("ok", "deciders")],
    ),
    "elsewhere": (
        {"applications.argoproj.io": [{"metadata": {"namespace": "ops"}}]},
        [("warn", "deciders")],
    ),
    "cluster-scoped": ({"claims.example.com": [{"metadata": {}}]}, [("ok", "deciders")]),
}


@pytest.mark.parametrize(("deciders", "expected"), DECIDERS.values(), ids=DECIDERS)
def test_deciders(deciders, expected):
    found = decider_findings(seen(namespaces=_SHOP, deciders=deciders))
    assert levels(found) == expected
    if expected == [("warn", "deciders")]:
        assert found[0].mend == ("kubectl label namespace ops peergate.dev/protected=true",)


_BASELINE = {"pod-security.kubernetes.io/enforce": "baseline"}
_PRIVILEGED = {"pod-security.kubernetes.io/enforce": "privileged"}
PODS = {
    "may create none": ([], {"a": {}}, [("ok", "pod-security")]),
    "where a profile is enforced": (
        [Right("create", "", "pods", "a")],
        {"a": _BASELINE},
        [("ok", "pod-security")],
    ),
    "where none is": ([Right("create", "apps", "deployments", "a")], {"a": {}}, [("warn", "pod-security")]),
    "where the profile allows all": (
        [Right("create", "", "pods", "a")],
        {"a": _PRIVILEGED},
        [("warn", "pod-security")],
    ),
    "everywhere": (
        [Right("create", "batch", "jobs")],
        {"a": _BASELINE, "b": {}},
        [("warn", "pod-security")],
    ),
    "everything": ([EVERYTHING], {"b": {}}, [("warn", "pod-security")]),
    "where the gate looks itself": (
        [Right("create", "", "pods", "a")],
        {"a": PROTECTED},
        [("ok", "pod-security")],
    ),
    "not by exec": ([Right("create", "", "pods/exec", "a")], {"a": {}}, [("ok", "pod-security")]),
}


@pytest.mark.parametrize(("rights", "namespaces", "expected"), PODS.values(), ids=PODS)
def test_pods_that_take_over_a_node(rights, namespaces, expected):
    survey = Survey(held={_BOT: frozenset(rights)})
    assert levels(pod_security_findings(seen(namespaces=namespaces), survey=survey)) == expected


def test_pods_are_not_said_to_be_well_where_questions_were_left():
    survey = Survey(held={_BOT: frozenset()})
    assert pod_security_findings(seen(namespaces={"a": {}}), survey=survey, unasked=1) == []


def test_what_is_not_looked_for_is_said():
    assert (RESIDUAL.level.value, RESIDUAL.check) == ("ok", "residual")
