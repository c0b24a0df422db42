"""ProtectionPolicy: how agents' changes in protected namespaces are reviewed (design.md §3)."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from peergate.model.wire import Duration, Many, WireModel

__all__ = [
    "DEFAULT_IDENTITY_KINDS",
    "Approvals",
    "LabelSelector",
    "Mode",
    "NamespaceScope",
    "ProtectionPolicySpec",
    "Resources",
    "Rule",
    "SelectorRequirement",
]

Mode = Literal["Enforce", "Warn", "Audit"]

_LabelKey = Annotated[str, StringConstraints(min_length=1, max_length=317)]
_LabelValue = Annotated[str, StringConstraints(max_length=63)]
_Pointer = Annotated[str, StringConstraints(min_length=2, max_length=128, pattern=r"^(/([^/~]|~0|~1)*)+$")]


class SelectorRequirement(WireModel):
    """One requirement of a label selector, as Kubernetes defines it."""

    key: _LabelKey
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: Annotated[Many[_LabelValue], Field(max_length=64)] = ()


class LabelSelector(WireModel):
    """A Kubernetes label selector; empty selects everything."""

    match_labels: Annotated[dict[_LabelKey, _LabelValue], Field(max_length=64)] = Field(default_factory=dict)
    match_expressions: Annotated[Many[SelectorRequirement], Field(max_length=64)] = ()


class Resources(WireModel):
    """API groups and plural resources; ``*`` is any. A resource covers its subresources."""

    api_groups: Annotated[
        Many[Annotated[str, StringConstraints(max_length=253)]], Field(min_length=1, max_length=64)
    ]
    resources: Annotated[
        Many[Annotated[str, StringConstraints(min_length=1, max_length=253)]],
        Field(min_length=1, max_length=64),
    ]


DEFAULT_IDENTITY_KINDS: Final = (
    Resources(api_groups=("",), resources=("pods", "secrets")),
    Resources(api_groups=("batch",), resources=("jobs",)),
    Resources(api_groups=("coordination.k8s.io",), resources=("leases",)),
)
"""Kinds that controllers churn, and Secrets, whose digest would let readers test guesses of their content."""

EVERYTHING: Final = (Resources(api_groups=("*",), resources=("*",)),)


class Approvals(WireModel):
    """Whose signatures, and how many, a rule asks for (approval-format.md §8)."""

    required: Annotated[int, Field(ge=1, le=8, description="Distinct approvers that must have signed.")] = 1
    min_humans: Annotated[int, Field(ge=0, le=8, description="How many of them must be people.")] = 1
    from_groups: Annotated[
        Many[Annotated[str, StringConstraints(min_length=1, max_length=253)]],
        Field(max_length=32, description="Only approvers in one of these groups count; empty: any approver."),
    ] = ()
    distinct_owners: Annotated[
        bool,
        Field(description="Approvers must answer to as many different owners as are required."),
    ] = True
    hardware_keys: Annotated[
        bool,
        Field(description="Only signatures of hardware keys with user presence count."),
    ] = False


class Rule(WireModel):
    """Which changes need which approvals."""

    operations: Annotated[Many[Literal["Delete", "Replace"]], Field(min_length=1, max_length=2)] = (
        "Delete",
        "Replace",
    )
    resources: Annotated[Many[Resources], Field(min_length=1, max_length=32)] = EVERYTHING
    exclude_resources: Annotated[Many[Resources], Field(max_length=32)] = ()
    selector: Annotated[
        LabelSelector,
        Field(description="On the object as it is; where labels are unknown (Scale, Eviction) it matches."),
    ] = LabelSelector()
    exempt: Annotated[
        Many[_Pointer],
        Field(
            max_length=32,
            description="JSON Pointers an agent may change without approval; never for deletions.",
        ),
    ] = ()
    ignore: Annotated[
        Many[_Pointer],
        Field(max_length=8, description="JSON Pointers an approval may leave unbound."),
    ] = ()
    identity_kinds: Annotated[
        Many[Resources],
        Field(
            max_length=32,
            description="A deletion of these is bound to the object's identity, not its content.",
        ),
    ] = DEFAULT_IDENTITY_KINDS
    collections: Annotated[bool, Field(description="false: agents may not delete collections here.")] = True
    eviction_needs_uid: Annotated[
        bool,
        Field(alias="evictionNeedsUID", description="true: an eviction must carry preconditions.uid."),
    ] = False
    approvals: Approvals = Approvals()
    max_ttl: Annotated[
        Duration, Field(alias="maxTTL", description="Longest life of an approval; at most 24h.")
    ] = timedelta(
        minutes=15,
    )
    hold: Annotated[
        Duration, Field(description="Answer 429 this long after the first refusal; at most 45s.")
    ] = timedelta(0)


class NamespaceScope(WireModel):
    """Which of the protected namespaces a policy is about."""

    selector: LabelSelector = LabelSelector()


class ProtectionPolicySpec(WireModel):
    """The ``spec`` of a ProtectionPolicy."""

    mode: Mode = "Enforce"
    namespaces: NamespaceScope = NamespaceScope()
    cluster_resources: Annotated[
        Many[Resources],
        Field(max_length=32, description="Cluster-scoped kinds it guards beyond the built-in baseline."),
    ] = ()
    allow_create: Annotated[Many[Resources], Field(max_length=32)] = ()
    allow_connect: Annotated[
        Many[Annotated[str, StringConstraints(min_length=1, max_length=253)]],
        Field(max_length=32, description="Connections agents may open, e.g. pods/portforward."),
    ] = ()
    rules: Annotated[Many[Rule], Field(min_length=1, max_length=32)]
