"""A desk, the people and agents who sign, and an agent whose requests are judged."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from tests.harness.clients import Client
from tests.harness.cluster import Cluster
from tests.harness.namespaces import fresh_namespace
from tests.support.changes import Crew, Desk, Peer, guarded


@pytest.fixture(scope="session")
def desk(cluster: Cluster, _agent: Client) -> Desk:
    """Where changes of the agent are computed."""
    return Desk(cluster, _agent, account="agents/demo-agent", owner="team-platform")


@pytest.fixture(scope="session")
def crew(desk: Desk) -> Iterator[Crew]:
    with Crew(desk) as crew:
        yield crew


def _agent_members(owner: str) -> dict[str, Any]:
    account = f"system:serviceaccount:agents:{secrets.token_hex(6)}"
    return {"class": "agent", "owner": owner, "kubernetesUsernames": [account]}


@pytest.fixture(scope="session")
def people(crew: Crew) -> Mapping[str, Peer]:
    """Return who signs, by a short name; ``mallory`` is registered nowhere.

    alice has two keys; bob and carol have one owner; robot and sibling are agents, sibling of the same owner
    as the agent whose requests are judged.
    """
    mallory = Peer(name="mallory", identity="mallory@example.com", key=crew.key("mallory"))
    return {
        "alice": crew.register("alice", crew.key("alice"), crew.key("alice-2"), groups=["sre"]),
        "bob": crew.register("bob", owner="team-bob"),
        "carol": crew.register("carol", owner="team-bob"),
        "dora": crew.register("dora"),
        "robot": crew.register("robot", **_agent_members("team-robots")),
        "sibling": crew.register("sibling", **_agent_members("team-platform")),
        "mallory": mallory,
    }


@pytest.fixture(scope="session")
def alice(people: Mapping[str, Peer]) -> Peer:
    """A person whose signature counts."""
    return people["alice"]


@pytest.fixture(scope="session")
def ground(desk: Desk) -> Iterator[Callable[..., str]]:
    """Return a function from rules to a protected namespace under one policy with these rules.

    Without rules no policy selects it. The same rules give the same namespace: objects in it need names of
    their own.
    """
    made: dict[str, str] = {}
    with contextlib.ExitStack() as stack:

        def namespace_of(rules: list[dict[str, Any]] | None) -> str:
            key = json.dumps(rules)
            if key not in made and rules is None:
                made[key] = stack.enter_context(fresh_namespace(desk.cluster, protected=True))
            elif key not in made:
                made[key], _ = stack.enter_context(guarded(desk, {"rules": rules}))
            return made[key]

        yield namespace_of
