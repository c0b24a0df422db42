"""Who the agents are that the webhook's condition must list, and what it takes to make it list them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from peergate.control.grace import GRACE_SECONDS, Grace
from peergate.gate.snapshot import Account, Snapshot
from peergate.model.names import JsonObject
from peergate.settings import Settings
from peergate.shipped.listed import Listed, listed_in, live_conditions
from peergate.shipped.webhookconfig import (
    Exact,
    Narrowing,
    agents_patch,
    exact_condition,
)

__all__ = ["AgentList", "AgentsPlan", "Tagged", "tagged_accounts"]

_EXEMPT_NAMESPACE = "kube-system"
_PREFIX = "system:serviceaccount:"


@dataclass(frozen=True, slots=True)
class AgentsPlan:
    """What the condition should be, and what it takes."""

    narrowing: Narrowing
    patch: JsonObject | None
    """To apply; ``None`` where everything is as it should be."""
    exact: bool
    """Whether every entry that judges agents has a condition now; ``unlisted`` tells if it is current."""
    listed: int
    unlisted: int
    no_effect: int


@dataclass(frozen=True, slots=True)
class Tagged:
    """The accounts with a tag."""

    usernames: frozenset[str]
    no_effect: int
    """Tags on accounts of kube-system or trusted ones."""


def tagged_accounts(accounts: Mapping[tuple[str, str], Account], *, trusted: frozenset[str]) -> Tagged:
    """Return the user names of the accounts whose tag counts."""
    usernames = set()
    no_effect = 0
    for (namespace, name), account in accounts.items():
        if account.tagged:
            username = f"{_PREFIX}{namespace}:{name}"
            if namespace == _EXEMPT_NAMESPACE or username in trusted:
                no_effect += 1
            else:
                usernames.add(username)
    return Tagged(frozenset(usernames), no_effect)


class AgentList:
    """Plans the condition; remembers who left it lately."""

    def __init__(self, settings: Settings, *, grace_seconds: float = GRACE_SECONDS) -> None:
        self._settings = settings
        self._accounts = Grace(grace_seconds)
        self._namespaces = Grace(grace_seconds)
        self._counted: tuple[object, Tagged] | None = None

    def plan(self, snapshot: Snapshot, *, live: JsonObject, now: float) -> AgentsPlan:
        """Return what to do about a live configuration; also to be called by replicas that don't write."""
        conditions = live_conditions(live)
        seen = _listed_somewhere(conditions)
        tagged = self._tagged(snapshot)
        narrowing = exact_condition(
            self._settings,
            accounts=self._accounts.update(wanted=tagged.usernames, listed=seen.accounts, now=now),
            namespaces=self._namespaces.update(
                wanted=self._agents_namespaces(snapshot), listed=seen.namespaces, now=now
            ),
        )
        wanted = narrowing.expression if isinstance(narrowing, Exact) else None
        # The names of all entries go in; those that don't judge agents come back left out.
        everywhere = agents_patch(wanted or "true", names=conditions, configuration=self._name)
        judging = [entry["name"] for entry in everywhere["webhooks"]]
        settled = all(conditions[name] == wanted for name in judging)
        patch = None if settled else agents_patch(wanted, names=conditions, configuration=self._name)
        if patch is not None:
            # With the uid it is a precondition: a configuration that went away is not made here.
            patch["metadata"]["uid"] = live["metadata"]["uid"]
        in_force = self._in_force(conditions, judging=judging)
        unlisted = sum(not in_force.covers(username) for username in tagged.usernames)
        return AgentsPlan(
            narrowing=narrowing,
            patch=patch,
            exact=bool(judging) and all(conditions[name] is not None for name in judging),
            listed=len(tagged.usernames) - unlisted,
            unlisted=unlisted,
            no_effect=tagged.no_effect,
        )

    @property
    def _name(self) -> str:
        return self._settings.webhook.configuration

    def _tagged(self, snapshot: Snapshot) -> Tagged:
        if self._counted is None or self._counted[0] is not snapshot.accounts:
            trusted = frozenset(self._settings.agents.trusted)
            self._counted = snapshot.accounts, tagged_accounts(snapshot.accounts, trusted=trusted)
        return self._counted[1]

    def _agents_namespaces(self, snapshot: Snapshot) -> frozenset[str]:
        label = self._settings.labels.agents
        return frozenset(
            name for name, labels in snapshot.namespaces.items() if labels.get(label) == "true"
        ) - {_EXEMPT_NAMESPACE}

    def _in_force(self, conditions: Mapping[str, str | None], *, judging: list[str]) -> _Reach:
        """Return whom every judging entry lets through to the gate; an entry without condition: everybody."""
        lists = [listed_in(expression) for name in judging if (expression := conditions[name]) is not None]
        return _Reach(lists)


@dataclass(frozen=True, slots=True)
class _Reach:
    lists: list[Listed]

    def covers(self, username: str) -> bool:
        namespace = username.removeprefix(_PREFIX).partition(":")[0]
        return all(username in found.accounts or namespace in found.namespaces for found in self.lists)


def _listed_somewhere(conditions: Mapping[str, str | None]) -> Listed:
    found = [listed_in(expression) for expression in conditions.values() if expression is not None]
    return Listed(
        accounts=frozenset().union(*(one.accounts for one in found)),
        namespaces=frozenset().union(*(one.namespaces for one in found)),
    )
