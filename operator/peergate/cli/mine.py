"""Whose decision a request is: what is left for one approver to decide (experience.md §2.6).

A convenience for readers: who may sign is judged again before signing, and by the gate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from peergate.approval.keyring import RegisteredApprover, build_keyring
from peergate.cli.consequences import Tier, least_tier
from peergate.cli.known_types import kind_named
from peergate.cli.kube import Cluster
from peergate.cli.rows import Row
from peergate.cli.trust import load_keyring, load_policies
from peergate.cli.whoami import who_am_i
from peergate.errors import CommandError
from peergate.gate.policies import BASELINE, BUILT_IN, CompiledRule

__all__ = ["Me", "find_me", "find_user", "gravest_first", "left_to_me"]

_ORDER: Final = (Tier.IRREVERSIBLE, Tier.DISRUPTIVE, Tier.REVERSIBLE)


@dataclass(frozen=True, slots=True)
class Me:
    """Who runs this command."""

    username: str
    approver: RegisteredApprover | None
    """``None`` for who is registered nowhere."""
    rules: Mapping[str, CompiledRule]
    """Every rule there is, by name; a rule that is missing here may count anybody."""

    @property
    def names(self) -> frozenset[str]:
        """Return the user names that are mine."""
        known = self.approver.kubernetes_usernames if self.approver is not None else frozenset()
        return frozenset({self.username, *known})


def find_user(cluster: Cluster) -> Me:
    """Return the user that the API server sees, and nothing else: an agent may not read the approvers."""
    username = who_am_i(cluster, keyring=build_keyring({})).username
    return Me(username=username, approver=None, rules={})


def find_me(cluster: Cluster, *, identity: str | None) -> Me:
    """Return who this is: the user the API server sees, and the approver registered for it.

    ``identity`` names an approver, for people whose user name is registered nowhere.
    Errors: CommandError with exit code 2 for an identity that nobody has.
    """
    keyring = load_keyring(cluster)
    username = who_am_i(cluster, keyring=keyring).username
    approvers = keyring.approvers
    found = [
        one
        for one in approvers.values()
        if (one.identity == identity if identity else username in one.kubernetes_usernames)
        or (not identity and one.identity == username)
    ]
    if identity and not found:
        raise CommandError(
            "unknown approver; no Approver has that identity; see: kubectl get approvers", exit_code=2
        )
    policies, _ = load_policies(cluster)
    rules = {rule.name: rule for policy in policies.policies for rule in policy.rules}
    return Me(
        username=username,
        approver=found[0] if found else None,
        rules={**rules, BUILT_IN.name: BUILT_IN, BASELINE.name: BASELINE},
    )


def left_to_me(row: Row, *, me: Me, now: datetime) -> bool:
    """Tell whether the request is open, not mine, not signed by me, and one of its rules counts me."""
    approver = me.approver
    if approver is None or approver.disabled or not row.is_open(now=now):
        return False
    if row.requester in me.names or row.requester == approver.identity or approver.identity in row.signed:
        return False
    if approver.class_ == "agent" and row.owner in {"", approver.owner}:
        return False
    rules = [me.rules.get(name) for name in row.rules]
    return not rules or any(rule is None or _counts(rule, approver) for rule in rules)


def _counts(rule: CompiledRule, approver: RegisteredApprover) -> bool:
    wanted = rule.rule.approvals
    if wanted.from_groups and approver.groups.isdisjoint(wanted.from_groups):
        return False
    return approver.class_ == "human" or wanted.min_humans < wanted.required


def gravest_first(row: Row) -> tuple[int, datetime, str, str]:
    """Return what orders a list: what can't be undone first, then the one that waits longest."""
    kind = kind_named(group=row.group, resource=row.resource)
    tier = least_tier(operation=row.operation, effect=row.effect, group=row.group, kind=kind)
    return _ORDER.index(tier), row.created, row.namespace, row.name
