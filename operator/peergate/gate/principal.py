"""Who asks: an AI agent, somebody else, or somebody who can't be told (design.md §2, V2).

What counts is the user name, its uid against the live account's, and groups; ``extra``, field managers and
pod labels are never evidence (kubernetes-facts.md I3, F5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from peergate.gate.snapshot import Account, Snapshot
from peergate.model.names import SELF_TEST_GROUP
from peergate.model.review import User

__all__ = ["Agent", "NotAgent", "Principal", "Unverified", "identify", "is_agent_account", "unknown_account"]

_EXEMPT_NAMESPACE: Final = "kube-system"
_NAMESPACE_GROUP: Final = "system:serviceaccounts:"


@dataclass(frozen=True, slots=True)
class Agent:
    """An AI agent."""

    tag: str
    """How it was recognised: ``self-test namespace label group username strict unknown``."""
    owner: str
    """Who answers for it; empty when unknown."""
    display: str
    """``<namespace>/<name>`` of a ServiceAccount, else the user name."""


@dataclass(frozen=True, slots=True)
class Unverified:
    """A ServiceAccount name that would be an agent's, with no uid or with another than the live one's."""

    agent: Agent


@dataclass(frozen=True, slots=True)
class NotAgent:
    """Anybody else: a person, a controller, the operator itself."""


Principal: TypeAlias = Agent | Unverified | NotAgent


def identify(user: User, *, snapshot: Snapshot) -> Principal:
    """Return who asks. Never raises."""
    rules = snapshot.config.agents
    account_name = user.service_account
    display = "/".join(account_name) if account_name else user.username
    if SELF_TEST_GROUP in user.groups:
        return Agent(tag="self-test", owner="", display=display)
    if user.username == snapshot.config.operator_username or user.username in rules.trusted:
        return NotAgent()
    if account_name is None:
        tag = _tag_by_name(user, snapshot=snapshot)
        return Agent(tag=tag, owner="", display=display) if tag else NotAgent()
    namespace, _ = account_name
    if namespace == _EXEMPT_NAMESPACE:
        return NotAgent()
    account = snapshot.accounts.get(account_name)
    if snapshot.lookup_failed and account is not None and user.uid not in {"", account.uid}:
        # The cache knows another account of this name, and the live one could not be asked for.
        account = None
    tag = _account_tag(account, namespace=namespace, snapshot=snapshot) or _tag_by_name(
        user, snapshot=snapshot
    )
    if not tag and _is_anothers(user.uid, account=account) and user.uid not in snapshot.departed:
        # A token of an account that is gone. The live one of this name can't vouch for it, and it is none of
        # those that were seen to go untagged; a gate that was just started has seen none (I2, T15).
        tag = "unknown"
    if not tag:
        return NotAgent()
    agent = Agent(tag=tag, owner=account.owner if account else "", display=display)
    if not user.uid or _is_anothers(user.uid, account=account):
        return Unverified(agent=agent)
    return agent


def _is_anothers(uid: str, *, account: Account | None) -> bool:
    """Tell whether a uid was given and is not that of the account that has the name now."""
    return bool(uid) and account is not None and account.uid != uid


def is_agent_account(namespace: str, name: str, *, snapshot: Snapshot) -> Account | None:
    """Return the ServiceAccount of that name where it exists and is an agent's, else ``None``."""
    if namespace == _EXEMPT_NAMESPACE:
        return None
    username = f"system:serviceaccount:{namespace}:{name}"
    if username in snapshot.config.agents.trusted or username == snapshot.config.operator_username:
        return None
    account = snapshot.accounts.get((namespace, name))
    if account is None:
        return None
    user = User(username=username, uid=account.uid, groups=frozenset())
    if _account_tag(account, namespace=namespace, snapshot=snapshot) or _tag_by_name(user, snapshot=snapshot):
        return account
    return None


def unknown_account(user: User, *, snapshot: Snapshot) -> tuple[str, str] | None:
    """Return the ServiceAccount that must be looked up live before deciding, as (namespace, name).

    That is one that is missing from the cache, or has another uid there: the cache may lag (C21).
    """
    name = user.service_account
    if name is None or name[0] == _EXEMPT_NAMESPACE or SELF_TEST_GROUP in user.groups:
        return None
    if user.username == snapshot.config.operator_username or user.username in snapshot.config.agents.trusted:
        return None
    account = snapshot.accounts.get(name)
    if account is None or (user.uid and account.uid != user.uid):
        return name
    return None


def _account_tag(account: Account | None, *, namespace: str, snapshot: Snapshot) -> str:
    rules = snapshot.config.agents
    if _is_agents_namespace(namespace, snapshot=snapshot):
        return "namespace"
    if account is not None and account.tagged:
        return "label"
    if rules.strict:
        return "strict"
    return "unknown" if account is None else ""


def _tag_by_name(user: User, *, snapshot: Snapshot) -> str:
    rules = snapshot.config.agents
    if any(
        group.startswith(_NAMESPACE_GROUP)
        and _is_agents_namespace(group.removeprefix(_NAMESPACE_GROUP), snapshot=snapshot)
        for group in user.groups
    ):
        return "namespace"
    if not rules.groups.isdisjoint(user.groups):
        return "group"
    if any(pattern.fullmatch(user.username) for pattern in rules.usernames):
        return "username"
    return ""


def _is_agents_namespace(namespace: str, *, snapshot: Snapshot) -> bool:
    if namespace == _EXEMPT_NAMESPACE:
        return False
    if namespace in snapshot.config.agents.namespaces:
        return True
    return snapshot.namespaces.get(namespace, {}).get(snapshot.config.agents_label) == "true"
