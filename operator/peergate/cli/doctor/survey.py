"""Find out which agent holds which right, with as few questions as give the same answer.

Agents to which RBAC gives the same, and namespaces in which no binding names an agent, are alike: one of each
is asked about. With ``every`` nothing is taken for alike; so it is where RBAC could not be read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from peergate.cli.doctor.agents import Known
from peergate.cli.doctor.asking import Question
from peergate.cli.doctor.rbac import Rbac, grants
from peergate.gate.access import Right, Subject
from peergate.gate.doors import DOORS, EVERYTHING, Door, Weight, rights_asked

__all__ = ["Ask", "Survey", "survey"]

_NAMES_MOST: Final = 20
"""Names of one rule that are asked about."""

Ask: TypeAlias = Callable[[Iterable[Question]], set[Question]]
"""Returns those of the questions that are answered with yes."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What the authorizer said."""

    held: Mapping[Known, frozenset[Right]]
    """Of every agent; what is held cluster-wide is not repeated for namespaces."""
    alike: int = 0
    """Agents that were not asked about because RBAC gives them what it gives another."""
    spared: int = 0
    """Namespaces that stand for each other, counted over the agents."""
    groups: Sequence[Sequence[Known]] = field(default=())
    """Agents that were taken for alike."""


def survey(
    agents: Sequence[Known],
    *,
    namespaces: Sequence[str],
    rbac: Rbac | None,
    every: bool,
    ask: Ask,
    named: Sequence[Right] = (),
) -> Survey:
    """Ask about every agent, cluster-wide and in the namespaces; the gravest questions first.

    ``named`` are rights on single objects that are asked about anyway; where RBAC could be read, so are those
    that its rules name.
    """
    groups = _alike(agents, rbac=None if every else rbac)
    heads = [group[0] for group in groups]
    held: defaultdict[Subject, set[Right]] = defaultdict(set)

    def put(questions: Iterable[Question]) -> None:
        for one in ask(questions):
            held[one.subject].add(one.right)

    put(Question(head.subject, EVERYTHING) for head in heads)
    limited = [head for head in heads if EVERYTHING not in held[head.subject]]
    put(
        Question(head.subject, right)
        for head in limited
        for right in dict.fromkeys((*named, *_named(head, rbac=rbac)))
    )
    for door in _by_gravity():
        put(Question(head.subject, right) for right in rights_asked(door) for head in limited)
    spared = 0
    places: dict[Known, tuple[str, ...]] = {}
    for head in limited:
        places[head] = _places(head, namespaces=namespaces, rbac=None if every else rbac)
        spared += len(namespaces) - len(places[head])
    for door in _by_gravity():
        put(
            Question(head.subject, right)
            for head in limited
            for namespace in places[head]
            for right in rights_asked(door, namespace=namespace)
            if Right(right.verb, right.group, right.resource) not in held[head.subject]
        )
    return Survey(
        held={one: frozenset(held[group[0].subject]) for group in groups for one in group},
        alike=len(agents) - len(heads),
        spared=max(0, spared),
        groups=groups,
    )


def _alike(agents: Sequence[Known], *, rbac: Rbac | None) -> list[list[Known]]:
    if rbac is None:
        return [[one] for one in agents]
    groups: defaultdict[object, list[Known]] = defaultdict(list)
    for one in agents:
        groups[one.subject if one.tag == "asked" else rbac.likeness(one.subject)].append(one)
    return list(groups.values())


def _places(agent: Known, *, namespaces: Sequence[str], rbac: Rbac | None) -> tuple[str, ...]:
    """Return where to ask: everywhere, or where bindings name the agent and in one place where none does."""
    if rbac is None:
        return tuple(namespaces)
    bound = rbac.namespaces_of(agent.subject)
    without = [name for name in namespaces if name not in bound]
    return (*sorted(bound), *without[:1])


def _named(agent: Known, *, rbac: Rbac | None) -> list[Right]:
    """Return the rights of the table that rules with ``resourceNames`` give the agent, name by name."""
    if rbac is None:
        return []
    return [
        replace(right, name=name)
        for grant in rbac.grants_of(agent.subject)
        for rule in grant.role.rules
        if rule.get("resourceNames")
        for door in DOORS
        for right in rights_asked(door, namespace=grant.binding.namespace)
        if grants([rule], right)
        for name in rule["resourceNames"][:_NAMES_MOST]
    ]


def _by_gravity() -> list[Door]:
    return sorted(DOORS, key=lambda door: not any(ask.weight is Weight.OPEN for ask in door.asks))
