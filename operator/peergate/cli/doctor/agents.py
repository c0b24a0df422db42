"""Who is asked about: every account that is an agent, and the identities that a flag names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from peergate.cli.doctor.rbac import Rbac
from peergate.cli.text import visible
from peergate.gate.access import Subject, account_subject
from peergate.gate.roster import roster
from peergate.gate.snapshot import Snapshot
from peergate.model.review import User

__all__ = ["Known", "agents_of", "asked_identity"]

_PEOPLE: Final = ("system:authenticated",)


@dataclass(frozen=True, slots=True)
class Known:
    """One identity whose rights are looked at."""

    display: str
    """``ops/sre-bot``, ``user bot@example.com`` or ``group ai``; made visible."""
    subject: Subject
    tag: str
    """Why it is an agent, as ``gate.principal`` says it; ``asked`` where a flag names it."""
    owner: str = ""
    account: tuple[str, str] | None = None
    """Namespace and name of a ServiceAccount."""


def agents_of(snapshot: Snapshot, *, rbac: Rbac | None) -> list[Known]:
    """Return every agent that can be named: accounts, groups of the settings, user names in bindings.

    Shape: accounts by namespace and name first. A glob of user names is met by what RBAC names; user names
    that are in no binding hold the rights of their groups only.
    """
    found = [
        Known(
            display=visible(one.display),
            subject=one.subject,
            tag=one.tag,
            owner=one.owner,
            account=one.account,
        )
        for one in roster(snapshot)
    ]
    found += [
        Known(display=f"user {visible(name)}", subject=Subject(username=name, groups=_PEOPLE), tag="username")
        for name in _named_users(rbac)
        if any(pattern.fullmatch(name) for pattern in snapshot.config.agents.usernames)
    ]
    return found


def asked_identity(user: str | None, groups: Sequence[str], *, snapshot: Snapshot) -> Known | None:
    """Return the identity of ``--as`` and ``--as-group``; ``None`` where neither was given.

    A ServiceAccount gets the uid and the groups its token would have.
    """
    if not user and not groups:
        return None
    parsed = User(username=user or "", uid="", groups=frozenset())
    name = parsed.service_account
    if name is not None:
        account = snapshot.accounts.get(name)
        subject = account_subject(*name, uid=account.uid if account else "")
        subject = Subject(
            username=subject.username,
            uid=subject.uid,
            groups=tuple(dict.fromkeys((*subject.groups, *groups))),
        )
        return Known(
            display=visible("/".join(name)),
            subject=subject,
            tag="asked",
            owner=account.owner if account else "",
            account=name,
        )
    display = f"user {visible(user)}" if user else f"group {visible(', '.join(groups))}"
    return Known(
        display=display,
        subject=Subject(username=user or "", groups=tuple(dict.fromkeys((*groups, *_PEOPLE)))),
        tag="asked",
    )


def _named_users(rbac: Rbac | None) -> Iterable[str]:
    if rbac is None:
        return ()
    return sorted(
        {
            str(subject.get("name", ""))
            for binding in rbac.bindings
            for subject in binding.subjects
            if subject.get("kind") == "User"
        }
    )
