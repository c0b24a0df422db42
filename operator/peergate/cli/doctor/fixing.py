"""The RBAC that closes the doors: roles without the rights that lead round the gate, and who gets them.

Printed, never applied. A role that only agents have is narrowed in place; of any other the agents get a
narrowed copy, and leave the binding that gave them the wide one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from peergate.cli.agent_rights import rules_of
from peergate.cli.doctor.agents import Known
from peergate.cli.doctor.rbac import Binding, Grant, Rbac, Role, grants, subject_key
from peergate.gate.access import Right
from peergate.gate.doors import DOORS, Weight
from peergate.model.names import JsonObject

__all__ = ["Fix", "narrowed", "rights_fixes"]

_GROUP: Final = "rbac.authorization.k8s.io"
_SUFFIX: Final = "-narrowed"
_STANDARD: Final = ("get", "list", "watch", "create", "update", "patch", "delete")
"""What stands for the verb ``*``: all but ``deletecollection`` and the verbs that need no object."""
_READ: Final = frozenset({"get", "list", "watch"})


@dataclass(frozen=True, slots=True)
class Fix:
    """Manifests that belong together."""

    comment: str
    manifests: tuple[JsonObject, ...] = ()


_CLOSED: Final = tuple(
    Right(verb=verb, group=ask.group, resource=resource)
    for door in DOORS
    for ask in door.asks
    if ask.weight is not Weight.WORK
    for resource in ask.resources
    for verb in ask.verbs
)
_EVERYWHERE: Final = frozenset(right.verb for right in _CLOSED if right.resource == "*")
_GUARDED: Final = frozenset(right.group for right in _CLOSED)


def narrowed(rules: Iterable[Mapping[str, Any]]) -> list[JsonObject]:
    """Return the rules without any right of the table of doors, but for an agent's ordinary work.

    Shape: a rule that has none of them stays as it is. RBAC can't take away from ``*``: there the rights of
    ``peergate agent create`` stand in, reading or writing as the rule did.
    """
    found: list[JsonObject] = []
    for rule in rules:
        if not _opens(rule):
            found.append(dict(rule))
        else:
            found += _without_doors(rule)
    return [rule for index, rule in enumerate(found) if rule not in found[:index]]


def rights_fixes(rbac: Rbac, *, agents: Sequence[Known], closing: Sequence[Known]) -> list[Fix]:
    """Return what takes the doors away from some of the agents; ``agents`` are all there are."""
    everyone = {key for agent in agents for key in _keys_of(agent)}
    wanted = {key for agent in closing for key in _keys_of(agent)}
    affected: defaultdict[Role, dict[Binding, None]] = defaultdict(dict)
    shared: dict[str, None] = {}
    for agent in closing:
        for grant in rbac.grants_of(agent.subject):
            if not any(map(_opens, grant.role.rules)):
                continue
            if subject_key(grant.subject) in wanted:
                affected[grant.role][grant.binding] = None
            else:
                shared[_by_hand(grant)] = None
    bindings = defaultdict(list)
    for binding in rbac.bindings:
        if (role := rbac.role_of(binding)) is not None:
            bindings[role].append(binding)
    fixes = []
    for role, mine in affected.items():
        only_agents = all(
            subject_key(subject) in everyone for binding in bindings[role] for subject in binding.subjects
        )
        if only_agents and not role.kept:
            fixes.append(_in_place(role))
        else:
            fixes += [_moved(role, binding=binding, leaving=wanted) for binding in mine]
    return [*fixes, *(Fix(comment) for comment in shared)]


def _keys_of(agent: Known) -> set[tuple[str, str]]:
    if agent.subject.username:
        return {("User", agent.subject.username)}
    return {("Group", agent.subject.groups[0])} if agent.subject.groups else set()


def _opens(rule: Mapping[str, Any]) -> bool:
    """Tell whether a rule gives a right of the table, or a verb that is one on any resource."""
    verbs = rule.get("verbs") or ()
    return bool(rule.get("resources")) and (
        any(map(_is_closed_everywhere, verbs)) or any(grants([rule], right) for right in _CLOSED)
    )


def _is_closed_everywhere(verb: str) -> bool:
    return verb == "*" or verb in _EVERYWHERE or verb.startswith("impersonate")


def _without_doors(rule: Mapping[str, Any]) -> list[JsonObject]:
    """Return a rule, resource by resource, without what opens doors."""
    verbs = [str(verb) for verb in rule.get("verbs") or ()]
    named = {"resourceNames": rule["resourceNames"]} if rule.get("resourceNames") else {}
    found: list[JsonObject] = []
    by_verbs: defaultdict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
    for group in rule.get("apiGroups") or ():
        for resource in rule.get("resources") or ():
            if group == "*" or ("*" in resource and group in _GUARDED):
                found += _stand_in(group, verbs=verbs)
                continue
            kept = _kept(verbs, group=group, resource=resource)
            if kept:
                by_verbs[group, kept].append(resource)
    found += [
        {"apiGroups": [group], "resources": resources, "verbs": list(kept), **named}
        for (group, kept), resources in by_verbs.items()
    ]
    return found


def _kept(verbs: Sequence[str], *, group: str, resource: str) -> tuple[str, ...]:
    closed = {right.verb for right in _CLOSED if (right.group, right.resource) == (group, resource)}
    concrete = _STANDARD if "*" in verbs else verbs
    return tuple(verb for verb in concrete if verb not in closed and not _is_closed_everywhere(verb))


def _stand_in(group: str, *, verbs: Sequence[str]) -> list[JsonObject]:
    """Return what an agent gets in place of ``*``, in one group or in all."""
    profile = "viewer" if _READ.issuperset(verbs) else "operator"
    return [rule for rule in rules_of(profile) if group == "*" or rule["apiGroups"] == [group]]


def _in_place(role: Role) -> Fix:
    return Fix(
        f"{role.display}, which only agents have: narrowed.",
        (_role(role, name=role.name, rules=narrowed(role.rules)),),
    )


def _moved(role: Role, *, binding: Binding, leaving: set[tuple[str, str]]) -> Fix:
    moved = [subject for subject in binding.subjects if subject_key(subject) in leaving]
    stay = [subject for subject in binding.subjects if subject_key(subject) not in leaving]
    rules = narrowed(role.rules)
    manifests = [_bound(binding, name=binding.name, role=role.name, subjects=stay)]
    if rules:
        name = role.name + _SUFFIX
        manifests = [
            _role(role, name=name, rules=rules),
            _bound(binding, name=binding.name + _SUFFIX, role=name, subjects=moved),
            *manifests,
        ]
    return Fix(
        f"{binding.display}: the agents in it get {role.display} without what leads round the gate.",
        tuple(manifests),
    )


def _by_hand(grant: Grant) -> str:
    return (
        f"{grant.display} means {grant.subject.get('kind')} {grant.subject.get('name')}, who are more than"
        " the agents: bind those who need it by name, then remove it. Nothing is printed for it."
    )


def _role(role: Role, *, name: str, rules: list[JsonObject]) -> JsonObject:
    return {
        "apiVersion": f"{_GROUP}/v1",
        "kind": role.kind,
        "metadata": {"name": name, **({"namespace": role.namespace} if role.namespace else {})},
        "rules": rules,
    }


def _bound(binding: Binding, *, name: str, role: str, subjects: list[JsonObject]) -> JsonObject:
    return {
        "apiVersion": f"{_GROUP}/v1",
        "kind": binding.kind,
        "metadata": {"name": name, **({"namespace": binding.namespace} if binding.namespace else {})},
        "roleRef": {"apiGroup": _GROUP, "kind": binding.role_kind, "name": role},
        "subjects": subjects,
    }
