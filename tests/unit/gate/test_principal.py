"""Who is an agent, who is not, and who can't be told."""

from __future__ import annotations

import dataclasses

import pytest
from tests.support.gate import AGENT_UID, PERSON, agent_user, snapshot

from peergate.gate.principal import Agent, NotAgent, Unverified, identify, is_agent_account, unknown_account
from peergate.model.names import SELF_TEST_GROUP
from peergate.model.review import User
from peergate.settings import AgentSettings, Settings

BY_NAME = Settings(
    agents=AgentSettings(
        namespaces=("bots",),
        groups=("example:agents",),
        usernames=("robot-*", "cloud:*:agent"),
        trusted=("system:serviceaccount:agents:trusted",),
    ),
)
STRICT = Settings(
    agents=AgentSettings(strict=True, trusted=("system:serviceaccount:shop:builder",)),
)


def person(name: str, *groups: str) -> User:
    return User(username=name, uid="", groups=frozenset(groups))


CASES = {
    "a tagged account with its own uid is an agent": (Settings(), agent_user(), "label"),
    "a tagged account without uid is impersonated": (Settings(), agent_user(uid=""), Unverified),
    "a tagged account with another uid is refused": (Settings(), agent_user(uid="other"), Unverified),
    "an untagged account is not an agent": (
        Settings(),
        agent_user("system:serviceaccount:shop:builder", "uid-builder"),
        NotAgent,
    ),
    "an account that nobody knows is an agent": (
        Settings(),
        agent_user("system:serviceaccount:shop:ghost", "uid-ghost"),
        "unknown",
    ),
    "an account that nobody knows, without uid, is refused": (
        Settings(),
        agent_user("system:serviceaccount:shop:ghost", ""),
        Unverified,
    ),
    "a tag in kube-system has no effect": (
        Settings(),
        agent_user("system:serviceaccount:kube-system:tagged", "uid-system"),
        NotAgent,
    ),
    "every account of a labelled namespace is an agent": (
        Settings(),
        agent_user("system:serviceaccount:crew:one", "uid-one"),
        "namespace",
    ),
    "every account of a listed namespace is an agent": (
        BY_NAME,
        agent_user("system:serviceaccount:bots:one", "uid-one"),
        "namespace",
    ),
    "the group of an agents' namespace makes anybody an agent": (
        Settings(),
        person("somebody", "system:serviceaccounts:crew"),
        "namespace",
    ),
    "the group of kube-system makes nobody an agent": (
        BY_NAME,
        person("somebody", "system:serviceaccounts:kube-system"),
        NotAgent,
    ),
    "a member of an agents' group is an agent": (BY_NAME, person("ci", "example:agents"), "group"),
    "a user name that a pattern fits is an agent": (BY_NAME, person("robot-7"), "username"),
    "a pattern fits the whole name only": (BY_NAME, person("my-robot-7"), NotAgent),
    "a pattern's star takes anything between": (BY_NAME, person("cloud:a:b:agent"), "username"),
    "a trusted account is never an agent": (
        BY_NAME,
        agent_user("system:serviceaccount:agents:trusted", "x"),
        NotAgent,
    ),
    "the operator itself is never an agent": (
        STRICT,
        agent_user("system:serviceaccount:peergate-system:peergate", "x"),
        NotAgent,
    ),
    "in strict mode an untagged account is an agent": (
        Settings(agents=AgentSettings(strict=True)),
        agent_user("system:serviceaccount:shop:builder", "uid-builder"),
        "strict",
    ),
    "in strict mode a trusted account is none": (
        STRICT,
        agent_user("system:serviceaccount:shop:builder", "uid-builder"),
        NotAgent,
    ),
    "in strict mode a person is none": (STRICT, PERSON, NotAgent),
    "a person is not an agent": (Settings(), PERSON, NotAgent),
    "who claims the self-test group is an agent": (
        Settings(),
        person("anyone", SELF_TEST_GROUP),
        "self-test",
    ),
    "a name with too many parts is no account": (
        Settings(),
        person("system:serviceaccount:agents:bot:x"),
        NotAgent,
    ),
}


@pytest.mark.parametrize(("settings", "user", "want"), CASES.values(), ids=CASES.keys())
def test_identify(settings, user, want):
    principal = identify(user, snapshot=snapshot(settings=settings))
    if isinstance(want, str):
        assert isinstance(principal, Agent)
        assert principal.tag == want
    else:
        assert isinstance(principal, want)


def test_an_old_token_of_a_deleted_agent_is_refused_under_its_successors_name():
    # Also by a gate that was just started and has seen no account go: nothing says that it was no agent's.
    user = agent_user("system:serviceaccount:shop:builder", "uid-of-the-deleted")
    found = identify(user, snapshot=snapshot())
    assert found == Unverified(Agent(tag="unknown", owner="", display="shop/builder"))


def test_an_old_token_of_an_account_that_was_seen_to_go_untagged_is_no_agents():
    known = snapshot(departed=frozenset({"uid-of-the-deleted"}))
    user = agent_user("system:serviceaccount:shop:builder", "uid-of-the-deleted")
    assert isinstance(identify(user, snapshot=known), NotAgent)
    tagged = agent_user(uid="uid-of-the-deleted")
    assert isinstance(identify(tagged, snapshot=known), Unverified)


def test_a_name_whose_account_changed_is_an_agents_as_long_as_the_live_one_is_not_known():
    user = agent_user("system:serviceaccount:shop:builder", "uid-of-the-live-one")
    known = identify(user, snapshot=snapshot(lookup_failed=True))
    assert isinstance(known, Agent)
    assert known.tag == "unknown"
    same = agent_user("system:serviceaccount:shop:builder", "uid-builder")
    assert isinstance(identify(same, snapshot=snapshot(lookup_failed=True)), NotAgent)


def test_an_agent_carries_its_owner_and_its_short_name():
    assert identify(agent_user(), snapshot=snapshot()) == Agent(
        tag="label",
        owner="team-platform",
        display="agents/bot",
    )


LOOKUPS = {
    "a known account needs no look-up": (agent_user(), None),
    "a missing account is looked up": (
        agent_user("system:serviceaccount:shop:ghost", "x"),
        ("shop", "ghost"),
    ),
    "an account with another uid is looked up": (agent_user(uid="other"), ("agents", "bot")),
    "an impersonated known account is not": (agent_user(uid=""), None),
    "kube-system is not": (agent_user("system:serviceaccount:kube-system:x", "x"), None),
    "the operator is not": (agent_user("system:serviceaccount:peergate-system:peergate", "x"), None),
    "a person is not": (PERSON, None),
    "the self-test is not": (
        User("system:serviceaccount:a:b", "x", frozenset({SELF_TEST_GROUP})),
        None,
    ),
}


@pytest.mark.parametrize(("user", "want"), LOOKUPS.values(), ids=LOOKUPS.keys())
def test_unknown_account(user, want):
    assert unknown_account(user, snapshot=snapshot()) == want


ACCOUNTS = {
    "a tagged account": ("agents", "bot", True),
    "an untagged one": ("shop", "builder", False),
    "a missing one": ("shop", "ghost", False),
    "a tagged one in kube-system": ("kube-system", "tagged", False),
    "the operator's": ("peergate-system", "peergate", False),
}


@pytest.mark.parametrize(("namespace", "name", "want"), ACCOUNTS.values(), ids=ACCOUNTS.keys())
def test_is_agent_account(namespace, name, want):
    assert (is_agent_account(namespace, name, snapshot=snapshot()) is not None) is want


def test_an_untagged_account_that_a_pattern_fits_is_an_agents_account():
    settings = Settings(agents=AgentSettings(usernames=("system:serviceaccount:shop:*",)))
    known = snapshot(settings=settings)
    assert is_agent_account("shop", "builder", snapshot=known) == known.accounts["shop", "builder"]


def test_snapshots_are_values():
    known = snapshot()
    assert dataclasses.replace(known, lookup_failed=True).accounts is known.accounts
    assert known.accounts["agents", "bot"].uid == AGENT_UID
