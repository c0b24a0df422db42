"""Judge what the agents hold: one line for each right that leads round the gate, folded over agents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from peergate.cli.doctor.agents import Known
from peergate.cli.doctor.finding import Finding, Level, Theme, fail, names, ok
from peergate.cli.doctor.rbac import Rbac
from peergate.cli.doctor.survey import Survey
from peergate.cli.text import plural, visible
from peergate.gate.access import Right
from peergate.gate.doors import DOORS, EVERYTHING, Door, Weight, held_doors, part_of, weight_of

__all__ = ["closable", "judge_rights"]

_GRANTS_MOST: Final = 200
"""Agents for which causes are looked up for one line; more are told as many."""
_NO_BINDING: Final = "no binding: another authorizer, or the group system:masters"
_MEND: Final = "take it out of {}; peergate doctor --fix prints how"
_MEND_ELSEWHERE: Final = "take it away where it is given: no binding of RBAC does"
_MEND_UNSEEN: Final = (
    "find the binding that gives it: kubectl get clusterrolebindings,rolebindings -A -o wide"
)
_LEVELS: Final = {Weight.OPEN: Level.FAIL, Weight.SHUT: Level.WARN, Weight.WORK: Level.OK}


@dataclass(frozen=True, slots=True)
class _Part:
    """What is said once for all agents that hold the same."""

    door: Door
    title: str
    allows: str
    weight: Weight
    wide: bool
    """Whether it is held in the whole cluster."""


@dataclass(slots=True)
class _Line:
    """Agents that hold the same rights of one check, with equal reach."""

    agents: list[Known] = field(default_factory=list)
    places: set[str] = field(default_factory=set)
    given: dict[str, None] = field(default_factory=dict)


def judge_rights(survey: Survey, *, rbac: Rbac | None, unasked: int = 0) -> list[Finding]:
    """Return the findings about rights, in the order of the checks."""
    if not survey.held:
        return []
    lines: defaultdict[tuple[_Part, tuple[str, ...]], _Line] = defaultdict(_Line)
    everything = _Line()
    for agent, held in survey.held.items():
        if EVERYTHING in held:
            _add(everything, agent=agent, rights=(EVERYTHING,), rbac=rbac)
            continue
        for part, rights in _parts(held).items():
            _add(lines[part, tuple(_spoken(rights))], agent=agent, rights=rights, rbac=rbac)
    found = [_everything(everything, rbac=rbac)] if everything.agents else []
    order = [door.id for door in DOORS]
    found += [
        _finding(part, said=said, line=line, rbac=rbac)
        for (part, said), line in sorted(
            lines.items(), key=lambda item: (order.index(item[0][0].door.id), item[0][1])
        )
    ]
    failing = {finding.check for finding in found}
    free = [name for name in order if name not in failing]
    if free and not everything.agents and not unasked:
        who = plural(len(survey.held), "agent")
        found.append(ok(Theme.RIGHTS, "rights", f"Held by none of {who}: {', '.join(free)}."))
    if unasked:
        # Silence about a right that nobody asked for must not pass for an answer, nor for exit code 0.
        found.append(
            fail(
                Theme.RIGHTS,
                "partial",
                f"{plural(unasked, 'question')} about rights were not asked: number or time ran out.",
                allows="What was not asked may be a way round the gate.",
                mend=("peergate doctor --max-reviews 200000 --deadline 30m",),
            )
        )
    return found


def closable(survey: Survey) -> list[Known]:
    """Return the agents that hold a right which ``--fix`` takes away."""
    return [
        agent
        for agent, held in survey.held.items()
        if EVERYTHING in held or any(part.weight is not Weight.WORK for part in _parts(held))
    ]


def _parts(held: Collection[Right]) -> Mapping[_Part, list[Right]]:
    """Return the rights by what is to be said about them."""
    failed = held_doors(held)
    found: defaultdict[_Part, list[Right]] = defaultdict(list)
    for door in DOORS:
        for right in failed.get(door.id, ()):
            ask = part_of(door, right=right)
            part = _Part(
                door=door,
                title=ask.title or door.title,
                allows=ask.allows or door.allows,
                weight=weight_of(door, right=right, failed=failed.keys()),
                wide=not right.namespace,
            )
            found[part].append(right)
    return found


def _spoken(rights: Sequence[Right]) -> list[str]:
    """Return the rights in words, ``delete, patch pods, services``: the same verbs are said once."""
    verbs: defaultdict[str, set[str]] = defaultdict(set)
    for right in rights:
        verbs[f"{right.resource}/{visible(right.name)}" if right.name else right.resource].add(right.verb)
    resources: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for resource, mine in verbs.items():
        resources[tuple(sorted(mine))].append(resource)
    return [f"{', '.join(mine)} {', '.join(sorted(found))}" for mine, found in sorted(resources.items())]


def _add(line: _Line, *, agent: Known, rights: Sequence[Right], rbac: Rbac | None) -> None:
    line.agents.append(agent)
    line.places |= {right.namespace for right in rights} - {""}
    if rbac is None or len(line.agents) > _GRANTS_MOST:
        return
    causes = [grant for right in rights for grant in rbac.given(agent.subject, right)]
    line.given.update(dict.fromkeys(visible(grant.display) for grant in causes) or {_NO_BINDING: None})


def _finding(part: _Part, *, said: tuple[str, ...], line: _Line, rbac: Rbac | None) -> Finding:
    level = _LEVELS[part.weight]
    who = names([agent.display for agent in line.agents])
    where = "in the whole cluster" if part.wide else f"in {names(sorted(line.places))}"
    return Finding(
        level=level,
        theme=Theme.RIGHTS,
        check=part.door.id,
        what=f"{who} may {part.title} {where}: {'; '.join(said)}.",
        allows=part.allows,
        mend=() if level is Level.OK else (_mend(line, rbac=rbac),),
        threats=part.door.threats,
        subjects=tuple(agent.display for agent in line.agents),
        given=tuple(line.given),
    )


def _everything(line: _Line, *, rbac: Rbac | None) -> Finding:
    return Finding(
        level=Level.FAIL,
        theme=Theme.RIGHTS,
        check="everything",
        what=f"{names([agent.display for agent in line.agents])} may do everything ('*' on '*').",
        allows="It can delete the gate, act as anybody and read every Secret; nothing here holds it.",
        mend=(_mend(line, rbac=rbac),),
        threats=("T1", "T2"),
        subjects=tuple(agent.display for agent in line.agents),
        given=tuple(line.given),
    )


def _mend(line: _Line, *, rbac: Rbac | None) -> str:
    if rbac is None:
        return _MEND_UNSEEN
    given = [one for one in line.given if one != _NO_BINDING]
    return _MEND.format(names(given)) if given else _MEND_ELSEWHERE
