"""What the decision knows of the cluster: one value, built from caches, read without waiting.

A snapshot is never changed; ``dataclasses.replace`` makes the next one. The expensive parts (keyring, policy
index) are built when something changes, not when a review arrives.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

from peergate.approval.keyring import Keyring
from peergate.gate.filed import FiledRequest
from peergate.gate.policies import PolicyIndex
from peergate.model.change import Requester
from peergate.model.names import Digest, JsonObject
from peergate.settings import Settings

__all__ = ["Account", "AgentRules", "Backlog", "GateConfig", "RequestKey", "Snapshot", "gate_config"]

RequestKey: TypeAlias = tuple[str, str]
"""Namespace and name of a ChangeRequest."""


@dataclass(frozen=True, slots=True)
class Account:
    """What the gate keeps of a ServiceAccount."""

    uid: str
    tagged: bool
    """Carries the agent label with value ``"true"``."""
    owner: str
    """Annotation ``peergate.dev/owner``; empty when absent."""


@dataclass(frozen=True, slots=True)
class AgentRules:
    """Who is an agent beyond the tagged accounts (experience.md §1.1)."""

    namespaces: frozenset[str]
    groups: frozenset[str]
    usernames: tuple[re.Pattern[str], ...]
    strict: bool
    trusted: frozenset[str]


@dataclass(frozen=True, slots=True)
class GateConfig:
    """The settings that decide."""

    namespace: str
    """The operator's own."""
    operator_username: str
    agents: AgentRules
    agent_label: str
    agents_label: str
    protected_label: str
    retry_window: timedelta
    expire_after: timedelta
    """After this a ChangeRequest that nobody decides ends."""
    open_requests: int
    """Most open ones of one requester."""


def gate_config(settings: Settings) -> GateConfig:
    """Return the deciding settings, compiled."""
    agents = settings.agents
    return GateConfig(
        namespace=settings.namespace,
        operator_username=settings.operator_username,
        agents=AgentRules(
            namespaces=frozenset(agents.namespaces),
            groups=frozenset(agents.groups),
            usernames=tuple(_glob(pattern) for pattern in agents.usernames),
            strict=agents.strict,
            trusted=frozenset(agents.trusted),
        ),
        agent_label=settings.labels.agent,
        agents_label=settings.labels.agents,
        protected_label=settings.labels.protected,
        retry_window=settings.approvals.retry_window,
        expire_after=settings.change_requests.expire_after,
        open_requests=settings.limits.open_requests_per_requester,
    )


def _glob(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")), re.DOTALL)


@dataclass(frozen=True, slots=True)
class Backlog:
    """What this replica refused lately and has not yet seen filed: what its caches can't know yet."""

    since: Mapping[RequestKey, datetime] = field(default_factory=dict)
    """When each was first refused here: the hold counts from then until the ChangeRequest is seen."""
    queued: Collection[RequestKey] = frozenset()
    """Those that are going to be filed."""
    of: Mapping[Requester, int] = field(default_factory=dict)
    """How many of these each requester has."""
    closed: Collection[tuple[str, str]] = frozenset()
    """Group and resource (with subresource) of what the operator may not look at, and so can't file."""
    full: bool = False
    """No more are taken for now."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything ``decide`` may know besides the review and the time."""

    config: GateConfig
    audience: str
    """``k8s:`` and the uid of namespace ``kube-system``."""
    keyring: Keyring
    policies: PolicyIndex
    accounts: Mapping[tuple[str, str], Account] = field(default_factory=dict)
    """By namespace and name."""
    departed: frozenset[str] = frozenset()
    """Uids of accounts that were no agents when they were deleted, in the last two minutes: their tokens work
    for ten seconds more and present the old uid under a name that may belong to another account by now (I2).
    Of any other uid that is not the live account's nobody can say whose it was."""
    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Labels of every namespace."""
    requests: Mapping[tuple[str, str], FiledRequest] = field(default_factory=dict)
    """Filed ChangeRequests, by namespace and name."""
    rejections: Mapping[str, tuple[FiledRequest, ...]] = field(default_factory=dict)
    """Those of them that are rejected, by the uid of their object."""
    open_requests: Mapping[Requester, int] = field(default_factory=dict)
    """How many of those are open, for each requester."""
    backlog: Backlog = field(default_factory=Backlog)
    stale: tuple[str, ...] = ()
    """Resources whose cache has not heard from the API server for 60 s; none: current."""
    lookup_failed: bool = False
    """A live GET that this review needed did not answer."""
    pod: JsonObject | None = None
    """The live Pod of an eviction or of a connection; ``None`` where there is none, or none was needed."""
    spent: Mapping[Digest, datetime] = field(default_factory=dict)
    """Approvals that the ledger says are used up, by payload, with the time of their use."""
