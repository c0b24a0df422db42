"""Who is asked about."""

from __future__ import annotations

import pytest
from tests.support.doctor import cluster_binding, cluster_role, seen

from peergate.cli.doctor.agents import agents_of, asked_identity
from peergate.cli.doctor.rbac import Rbac

_ACCOUNTS = {
    "ops/bot": {"tagged": True, "owner": "team-a"},
    "ops/person": {},
    "bots/any": {},
    "kube-system/bot": {"tagged": True},
    "ops/friend": {"tagged": True},
}
_NAMESPACES = {"ops": {}, "bots": {"peergate.dev/agents": "true"}, "kube-system": {}}
_TRUSTED = {"trusted": ["system:serviceaccount:ops:friend"]}


def _of(rbac=None, **agents):
    cluster = seen(accounts=_ACCOUNTS, namespaces=_NAMESPACES, settings={"agents": {**_TRUSTED, **agents}})
    return [(one.display, one.tag, one.owner) for one in agents_of(cluster.snapshot, rbac=rbac)]


def test_by_label_and_by_namespace():
    assert _of() == [("bots/any", "namespace", ""), ("ops/bot", "label", "team-a")]


def test_by_group():
    assert _of(groups=["ai"])[-1] == ("group ai", "group", "")


def test_by_user_name_as_far_as_bindings_name_it():
    rbac = Rbac(
        cluster_roles=[cluster_role("r", [])],
        cluster_bindings=[
            cluster_binding("b", "r", {"kind": "User", "name": "ai-one"}, {"kind": "User", "name": "alice"})
        ],
    )
    assert _of(rbac, usernames=["ai-*"])[-1] == ("user ai-one", "username", "")
    assert len(_of(None, usernames=["ai-*"])) == 2


def test_in_strict_mode_everybody_who_is_not_trusted():
    assert [display for display, _, _ in _of(strict=True)] == ["bots/any", "ops/bot", "ops/person"]


ASKED = {
    "nobody": (None, (), None),
    "a person": ("alice", (), ("user alice", "alice", "", ("system:authenticated",))),
    "a person in groups": ("a", ("sre",), ("user a", "a", "", ("sre", "system:authenticated"))),
    "a group": (None, ("sre",), ("group sre", "", "", ("sre", "system:authenticated"))),
    "an account": (
        "system:serviceaccount:ops:person",
        (),
        (
            "ops/person",
            "system:serviceaccount:ops:person",
            "ops/person",
            ("system:serviceaccounts", "system:serviceaccounts:ops", "system:authenticated"),
        ),
    ),
    "an account that is not there": (
        "system:serviceaccount:ops:gone",
        ("x",),
        (
            "ops/gone",
            "system:serviceaccount:ops:gone",
            "",
            ("system:serviceaccounts", "system:serviceaccounts:ops", "system:authenticated", "x"),
        ),
    ),
}


@pytest.mark.parametrize(("user", "groups", "expected"), ASKED.values(), ids=ASKED)
def test_an_identity_of_the_flags(user, groups, expected):
    found = asked_identity(user, groups, snapshot=seen(accounts=_ACCOUNTS).snapshot)
    if expected is None:
        assert found is None
    else:
        assert found is not None
        subject = found.subject
        assert (found.display, subject.username, subject.uid, subject.groups) == expected
