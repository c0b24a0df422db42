"""Every agent that can be named, as the authorizer would know it: for doctor and the operator's own look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from peergate.gate.access import Subject, account_subject
from peergate.gate.principal import Agent, identify
from peergate.gate.snapshot import Snapshot
from peergate.model.review import User

__all__ = ["Enlisted", "roster"]

_EVERYBODY = "system:authenticated"


@dataclass(frozen=True, slots=True)
class Enlisted:
    """One agent."""

    subject: Subject
    tag: str
    """Why it is one, as ``gate.principal`` says it."""
    owner: str = ""
    account: tuple[str, str] | None = None
    """Namespace and name of a ServiceAccount; ``None`` for a group of the settings."""

    @property
    def display(self) -> str:
        """Return ``ops/sre-bot`` or ``group ai``."""
        return "/".join(self.account) if self.account else f"group {self.subject.groups[0]}"


def roster(snapshot: Snapshot) -> Iterator[Enlisted]:
    """Yield the accounts that are agents, by namespace and name, then the groups of the settings."""
    for (namespace, name), account in sorted(snapshot.accounts.items()):
        subject = account_subject(namespace, name, uid=account.uid)
        user = User(username=subject.username, uid=subject.uid, groups=frozenset(subject.groups))
        principal = identify(user, snapshot=snapshot)
        if isinstance(principal, Agent):
            yield Enlisted(subject, principal.tag, principal.owner, (namespace, name))
    for group in sorted(snapshot.config.agents.groups):
        yield Enlisted(Subject(username="", groups=(group, _EVERYBODY)), "group")
