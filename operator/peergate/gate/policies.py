"""ProtectionPolicies, compiled: which rules a change in a namespace, or on a cluster-scoped object, meets.

Every rule of every policy that matches counts; adding a policy only adds rules, except that the first one to
select a namespace replaces the built-in rule there (design.md §3). A policy that can't be read is read at
its strictest: it selects all protected namespaces (or those its selector names), matches everything, and no
approval satisfies it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from pydantic import TypeAdapter, ValidationError

from peergate.approval.projection import digest, project_delete
from peergate.gate.selectors import Labels, matches, selected_keys
from peergate.model.names import Digest, JsonObject
from peergate.model.policy import (
    EVERYTHING,
    LabelSelector,
    Mode,
    NamespaceScope,
    ProtectionPolicySpec,
    Resources,
    Rule,
)
from peergate.model.review import Kind
from peergate.model.wire import Many

__all__ = [
    "BASELINE",
    "BUILT_IN",
    "CompiledPolicy",
    "CompiledRule",
    "PolicyIndex",
    "RuleOperation",
    "compile_policy",
    "covers",
    "policy_digest",
]

RuleOperation = Literal["Delete", "Replace"]

_MEMO_LIMIT: Final = 20_000
"""Distinct (namespace, labels, resource, operation) remembered before the memo starts afresh."""


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """One rule, with what it inherits from its policy."""

    name: str
    """``<policy>/<index>``, ``built-in`` or ``baseline``."""
    mode: Mode
    rule: Rule
    problem: str = ""
    """Why the policy can't be read; then nothing satisfies this rule."""


@dataclass(frozen=True, slots=True)
class CompiledPolicy:
    """One ProtectionPolicy."""

    name: str
    mode: Mode
    namespaces: LabelSelector
    cluster_resources: tuple[Resources, ...]
    allow_create: tuple[Resources, ...]
    allow_connect: frozenset[str]
    rules: tuple[CompiledRule, ...]
    digest: Digest | None
    """Of the object, for approvals that bind the policy (approval-format.md §3, member ``policy``)."""
    problem: str = ""
    """Why it can't be read, in words; empty for a valid policy."""


BUILT_IN: Final = CompiledRule(name="built-in", mode="Enforce", rule=Rule())
"""Where no policy selects a protected namespace: everything, one approval, by a human."""

BASELINE: Final = CompiledRule(
    name="baseline",
    mode="Enforce",
    rule=Rule(
        resources=(
            Resources(api_groups=("",), resources=("namespaces", "nodes", "persistentvolumes")),
            Resources(api_groups=("apiextensions.k8s.io",), resources=("customresourcedefinitions",)),
            Resources(api_groups=("apiregistration.k8s.io",), resources=("apiservices",)),
            Resources(api_groups=("storage.k8s.io",), resources=("storageclasses", "volumeattachments")),
            # Taints on devices end the Pods that use them, as those on Nodes do.
            Resources(api_groups=("resource.k8s.io",), resources=("devicetaintrules", "resourceslices")),
            Resources(
                api_groups=("snapshot.storage.k8s.io",),
                resources=("volumesnapshotclasses", "volumesnapshotcontents"),
            ),
            Resources(api_groups=("scheduling.k8s.io",), resources=("priorityclasses",)),
            Resources(
                api_groups=("rbac.authorization.k8s.io",),
                resources=("clusterroles", "clusterrolebindings"),
            ),
        ),
    ),
)
"""Cluster-scoped foundations, guarded always; policies only add to it."""

_RESOURCES: Final[TypeAdapter[tuple[Resources, ...]]] = TypeAdapter(Many[Resources])
_POLICY_KIND: Final = Kind(group="peergate.dev", version="v1alpha1", kind="ProtectionPolicy")


def compile_policy(document: JsonObject) -> CompiledPolicy:
    """Return a ProtectionPolicy object, compiled; never raises on what the API server can hold."""
    metadata = document.get("metadata") or {}
    name = str(metadata.get("name", ""))
    spec = document.get("spec")
    try:
        parsed = ProtectionPolicySpec.model_validate(spec)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return _strictest(
            name, spec, problem=f"spec.{where}: {first['msg']}" if where else f"spec: {first['msg']}"
        )
    return CompiledPolicy(
        name=name,
        mode=parsed.mode,
        namespaces=parsed.namespaces.selector,
        cluster_resources=parsed.cluster_resources,
        allow_create=parsed.allow_create,
        allow_connect=frozenset(parsed.allow_connect),
        rules=tuple(
            CompiledRule(name=f"{name}/{index}", mode=parsed.mode, rule=rule)
            for index, rule in enumerate(parsed.rules)
        ),
        digest=policy_digest(document),
    )


def _strictest(name: str, spec: object, *, problem: str) -> CompiledPolicy:
    members = spec if isinstance(spec, dict) else {"clusterResources": None}
    try:
        selector = NamespaceScope.model_validate(members.get("namespaces", {})).selector
    except ValidationError:
        selector = LabelSelector()
    try:
        cluster_resources = _RESOURCES.validate_python(members.get("clusterResources", []))
    except ValidationError:
        cluster_resources = EVERYTHING
    return CompiledPolicy(
        name=name,
        mode="Enforce",
        namespaces=selector,
        cluster_resources=cluster_resources,
        allow_create=(),
        allow_connect=frozenset(),
        rules=(
            CompiledRule(
                name=f"{name}/0",
                mode="Enforce",
                rule=Rule(identity_kinds=(), collections=False, eviction_needs_uid=True),
                problem=problem,
            ),
        ),
        digest=None,
        problem=problem,
    )


def policy_digest(document: JsonObject) -> Digest:
    """Return the digest by which an approval may bind a policy (approval-format.md §3, member ``policy``)."""
    projected = project_delete(document, kind=_POLICY_KIND, projection="k8s-projection/v1")
    return digest(projected)


def covers(resources: Iterable[Resources], *, group: str, resource: str) -> bool:
    """Tell whether one of the entries names the resource; a resource covers its subresources."""
    return any(
        ("*" in entry.api_groups or group in entry.api_groups)
        and ("*" in entry.resources or resource in entry.resources)
        for entry in resources
    )


@dataclass(frozen=True, slots=True)
class PolicyIndex:
    """All policies, ordered by name; look-ups are remembered, so they cost the same for one and for 500."""

    policies: tuple[CompiledPolicy, ...] = ()
    selected_label_keys: frozenset[str] = frozenset()
    """Label keys that some policy selects objects or namespaces on: never exempt."""
    digests: Mapping[str, Digest] = field(default_factory=dict)
    """Of every policy that can be read, by name."""
    _memo: dict[object, tuple[CompiledRule, ...]] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def build(cls, policies: Iterable[CompiledPolicy]) -> PolicyIndex:
        """Return the index of these policies; their order does not matter."""
        ordered = tuple(sorted(policies, key=lambda policy: policy.name))
        keys = {
            key
            for policy in ordered
            for selector in (policy.namespaces, *(rule.rule.selector for rule in policy.rules))
            for key in selected_keys(selector)
        }
        return cls(
            policies=ordered,
            selected_label_keys=frozenset(keys),
            digests={policy.name: policy.digest for policy in ordered if policy.digest is not None},
        )

    def selecting(self, namespace_labels: Labels) -> tuple[CompiledPolicy, ...]:
        """Return the policies that select a protected namespace with these labels."""
        return tuple(policy for policy in self.policies if matches(policy.namespaces, namespace_labels))

    def namespaced(
        self,
        *,
        namespace: str,
        labels: Labels,
        operation: RuleOperation,
        group: str,
        resource: str,
    ) -> tuple[CompiledRule, ...]:
        """Return the rules for a change in a protected namespace, before their own object selectors."""
        key = (namespace, tuple(sorted(labels.items())), operation, group, resource)
        found = self._memo.get(key)
        if found is None:
            selecting = self.selecting(labels)
            rules = [rule for policy in selecting for rule in policy.rules] if selecting else [BUILT_IN]
            found = self._remember(key, _applying(rules, operation=operation, group=group, resource=resource))
        return found

    def cluster(
        self,
        *,
        operation: RuleOperation,
        group: str,
        resource: str,
        baseline: bool,
    ) -> tuple[CompiledRule, ...]:
        """Return the rules for a change of a cluster-scoped object, before their own object selectors.

        ``baseline`` is false only for Namespaces that are not protected: those no built-in rule guards.
        """
        key = (operation, group, resource, baseline)
        found = self._memo.get(key)
        if found is None:
            rules = [
                rule
                for policy in self.policies
                if covers(policy.cluster_resources, group=group, resource=resource)
                for rule in policy.rules
            ]
            if baseline:
                rules.insert(0, BASELINE)
            found = self._remember(key, _applying(rules, operation=operation, group=group, resource=resource))
        return found

    def _remember(self, key: object, rules: tuple[CompiledRule, ...]) -> tuple[CompiledRule, ...]:
        if len(self._memo) >= _MEMO_LIMIT:
            self._memo.clear()
        self._memo[key] = rules
        return rules


def _applying(
    rules: Iterable[CompiledRule],
    *,
    operation: RuleOperation,
    group: str,
    resource: str,
) -> tuple[CompiledRule, ...]:
    return tuple(
        rule
        for rule in rules
        if operation in rule.rule.operations
        and covers(rule.rule.resources, group=group, resource=resource)
        and not covers(rule.rule.exclude_resources, group=group, resource=resource)
    )
