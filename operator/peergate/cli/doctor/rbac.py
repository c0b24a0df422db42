"""RBAC as it was read: which binding gives a subject which rights, and what a role grants.

This finds the cause of what the authorizer answered, and which subjects are alike; what somebody may do is
never decided here, since RBAC may not be the only authorizer.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from peergate.gate.access import Right, Subject
from peergate.model.names import JsonObject

__all__ = ["Binding", "Grant", "Rbac", "Role", "grants", "subject_key"]

_ACCOUNT: Final = "system:serviceaccount:"


@dataclass(frozen=True, slots=True, eq=False)
class Role:
    """A Role or ClusterRole."""

    kind: str
    namespace: str
    """Empty for a ClusterRole."""
    name: str
    rules: tuple[JsonObject, ...]
    kept: bool
    """Its rules are somebody else's to write: aggregated, or put back by the API server."""

    @property
    def display(self) -> str:
        """Return ``ClusterRole edit`` or ``Role shop/deployer``."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True, eq=False)
class Binding:
    """A RoleBinding or ClusterRoleBinding."""

    kind: str
    namespace: str
    """Empty for a ClusterRoleBinding."""
    name: str
    role_kind: str
    role_name: str
    subjects: tuple[JsonObject, ...]

    @property
    def display(self) -> str:
        """Return ``ClusterRoleBinding ops`` or ``RoleBinding shop/ops``."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Grant:
    """A role, given to a subject by a binding."""

    binding: Binding
    role: Role
    subject: JsonObject
    """The entry of the binding that means the subject: itself, or a group of it."""

    @property
    def display(self) -> str:
        """Return ``ClusterRoleBinding ops -> ClusterRole edit``."""
        return f"{self.binding.display} -> {self.role.display}"


def grants(rules: Iterable[Mapping[str, Any]], right: Right) -> bool:
    """Tell whether rules give the right, as RBAC reads them; the namespace is not looked at.

    Rules with ``resourceNames`` count too: what they give is less, but it is given.
    """
    resource, _, subresource = right.resource.partition("/")
    covering = {"*", right.resource, *([f"*/{subresource}"] if subresource else [])}
    if resource == "*":
        covering = {"*"}
    return any(
        not {"*", right.verb}.isdisjoint(rule.get("verbs") or ())
        and not {"*", right.group}.isdisjoint(rule.get("apiGroups") or ())
        and not covering.isdisjoint(rule.get("resources") or ())
        for rule in rules
    )


class Rbac:
    """All roles and bindings of a cluster."""

    def __init__(
        self,
        *,
        roles: Iterable[JsonObject] = (),
        cluster_roles: Iterable[JsonObject] = (),
        bindings: Iterable[JsonObject] = (),
        cluster_bindings: Iterable[JsonObject] = (),
    ) -> None:
        self._roles = {
            (role.kind, role.namespace, role.name): role
            for role in (
                *(_role(document, kind="Role") for document in roles),
                *(_role(document, kind="ClusterRole") for document in cluster_roles),
            )
        }
        self.bindings: Final = (
            *(_binding(document, kind="ClusterRoleBinding") for document in cluster_bindings),
            *(_binding(document, kind="RoleBinding") for document in bindings),
        )

    @cached_property
    def _by_subject(self) -> Mapping[tuple[str, str], list[Grant]]:
        found: defaultdict[tuple[str, str], list[Grant]] = defaultdict(list)
        for binding in self.bindings:
            role = self.role_of(binding)
            if role is None:
                continue
            for subject in binding.subjects:
                found[subject_key(subject)].append(Grant(binding=binding, role=role, subject=subject))
        return found

    def role_of(self, binding: Binding) -> Role | None:
        """Return the role that a binding refers to, ``None`` if there is none."""
        namespace = binding.namespace if binding.role_kind == "Role" else ""
        return self._roles.get((binding.role_kind, namespace, binding.role_name))

    def grants_of(self, subject: Subject) -> tuple[Grant, ...]:
        """Return what the bindings give to a subject or one of its groups, in every namespace."""
        keys = [
            *([("User", subject.username)] if subject.username else []),
            *(("Group", one) for one in subject.groups),
        ]
        return tuple(grant for key in keys for grant in self._by_subject.get(key, ()))

    def given(self, subject: Subject, right: Right) -> tuple[Grant, ...]:
        """Return the grants that give the subject a right where it was asked about."""
        return tuple(
            grant
            for grant in self.grants_of(subject)
            if grant.binding.namespace in {"", right.namespace} and grants(grant.role.rules, right)
        )

    def namespaces_of(self, subject: Subject) -> frozenset[str]:
        """Return the namespaces in which a RoleBinding gives the subject anything."""
        return frozenset(grant.binding.namespace for grant in self.grants_of(subject)) - {""}

    def likeness(self, subject: Subject) -> frozenset[tuple[str, str]]:
        """Return what RBAC gives a subject, and where: equal for subjects with equal rights."""
        return frozenset(
            (grant.binding.namespace, json.dumps(grant.role.rules, sort_keys=True))
            for grant in self.grants_of(subject)
        )


def subject_key(subject: Mapping[str, Any]) -> tuple[str, str]:
    """Return whom an entry of a binding means: ``User`` or ``Group``, and the name the authorizer sees."""
    kind, name = str(subject.get("kind", "")), str(subject.get("name", ""))
    if kind == "ServiceAccount":
        return "User", f"{_ACCOUNT}{subject.get('namespace', '')}:{name}"
    return kind, name


def _role(document: JsonObject, *, kind: str) -> Role:
    metadata = document.get("metadata") or {}
    labels = metadata.get("labels") or {}
    rules: Sequence[JsonObject] = document.get("rules") or ()
    return Role(
        kind=kind,
        namespace=str(metadata.get("namespace", "")) if kind == "Role" else "",
        name=str(metadata.get("name", "")),
        rules=tuple(rules),
        kept=bool(document.get("aggregationRule"))
        or labels.get("kubernetes.io/bootstrapping") == "rbac-defaults",
    )


def _binding(document: JsonObject, *, kind: str) -> Binding:
    metadata, reference = document.get("metadata") or {}, document.get("roleRef") or {}
    return Binding(
        kind=kind,
        namespace=str(metadata.get("namespace", "")) if kind == "RoleBinding" else "",
        name=str(metadata.get("name", "")),
        role_kind=str(reference.get("kind", "")),
        role_name=str(reference.get("name", "")),
        subjects=tuple(document.get("subjects") or ()),
    )
