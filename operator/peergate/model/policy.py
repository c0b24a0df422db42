"""ProtectionPolicy: how agents' changes in protected namespaces are reviewed (design.md §3)."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, StringConstraints, field_validator

from peergate.model.condition import Conditions
from peergate.model.schema import checked
from peergate.model.wire import Duration, Many, WireModel

__all__ = [
    "DEFAULT_IDENTITY_KINDS",
    "EVERYTHING",
    "Approvals",
    "LabelSelector",
    "Mode",
    "NamespaceScope",
    "ProtectionPolicySpec",
    "ProtectionPolicyStatus",
    "Resources",
    "Rule",
    "SelectorRequirement",
]

Mode = Literal["Enforce", "Warn", "Audit"]

_LABEL_KEY: Final = (
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
    r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
)
_LABEL_VALUE: Final = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"
_MAX_TTL: Final = timedelta(hours=24)
_MAX_HOLD: Final = timedelta(seconds=45)

_LabelKey = Annotated[str, StringConstraints(min_length=1, max_length=317, pattern=_LABEL_KEY)]
_LabelValue = Annotated[str, StringConstraints(max_length=63, pattern=_LABEL_VALUE)]
_Pointer = Annotated[str, StringConstraints(min_length=2, max_length=128, pattern=r"^(/([^/~]|~0|~1)*)+$")]
_IgnorePointer = Annotated[
    _Pointer,
    Field(
        json_schema_extra=checked(
            (
                "self.matches('^/[^/]+/.')",
                "a pointer of ignore has at least two tokens, such as /spec/replicas",
            ),
            (
                "!self.matches('^/(apiVersion|kind|metadata|status)/')",
                "a pointer of ignore never starts with apiVersion, kind, metadata or status",
            ),
        ),
    ),
]
_ExemptPointer = Annotated[
    _Pointer,
    Field(
        json_schema_extra=checked(
            (
                "self == '/status' || self.matches('^/[^/]+/.')",
                "a pointer of exempt is /status or has at least two tokens, such as /spec/replicas",
            ),
            (
                "!self.matches('^/(apiVersion|kind)/')",
                "a pointer of exempt never starts with apiVersion or kind",
            ),
            (
                "!self.startsWith('/metadata/') || self.matches('^/metadata/(labels|annotations)/.')",
                "under metadata only single labels and annotations can be exempt",
            ),
            (
                "!self.matches('^/metadata/(labels|annotations)/(approval[.])?peergate[.]dev~1')",
                "labels and annotations of peergate.dev are never exempt",
            ),
        ),
    ),
]
_ApiGroup = Annotated[
    str, StringConstraints(max_length=253, pattern=r"^([*]|[a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$")
]
_ResourceName = Annotated[
    str, StringConstraints(min_length=1, max_length=253, pattern=r"^([*]|[a-z0-9]([-a-z0-9]*[a-z0-9])?)$")
]
_Connection = Annotated[
    str, StringConstraints(min_length=3, max_length=253, pattern=r"^[a-z0-9][-a-z0-9]*/[a-z0-9][-a-z0-9]*$")
]


class SelectorRequirement(WireModel):
    """One requirement of a label selector, as Kubernetes defines it."""

    model_config = ConfigDict(
        json_schema_extra=checked(
            (
                (
                    "self.operator in ['In', 'NotIn'] ? has(self.values) && size(self.values) > 0"
                    " : !has(self.values) || size(self.values) == 0"
                ),
                "values belong to the operators In and NotIn, which need at least one, and to no other",
            ),
        ),
    )

    key: Annotated[_LabelKey, Field(description="The label's key.")]
    operator: Annotated[
        Literal["In", "NotIn", "Exists", "DoesNotExist"], Field(description="How the label is compared.")
    ]
    values: Annotated[
        Many[_LabelValue], Field(max_length=64, description="For In and NotIn: the values compared with.")
    ] = ()


class LabelSelector(WireModel):
    """A Kubernetes label selector; empty selects everything."""

    match_labels: Annotated[
        dict[_LabelKey, _LabelValue],
        Field(
            max_length=64,
            description="Labels that must have these values.",
            json_schema_extra=checked(
                (f"self.all(key, size(key) <= 317 && key.matches(r'{_LABEL_KEY}'))", "a key is no label key"),
            ),
        ),
    ] = Field(default_factory=dict)
    match_expressions: Annotated[
        Many[SelectorRequirement], Field(max_length=64, description="Requirements that must all be met.")
    ] = ()


class Resources(WireModel):
    """API groups and plural resources; ``*`` is any. A resource covers its subresources."""

    api_groups: Annotated[
        Many[_ApiGroup],
        Field(min_length=1, max_length=64, description='API groups; "" is the core group, "*" any.'),
    ]
    resources: Annotated[
        Many[_ResourceName],
        Field(
            min_length=1,
            max_length=64,
            description='Plural resource names such as deployments, without subresources; "*" is any.',
        ),
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

    model_config = ConfigDict(
        json_schema_extra=checked(
            ("self.minHumans <= self.required", "minHumans is more than required; raise required as well"),
        ),
    )

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

    operations: Annotated[
        Many[Literal["Delete", "Replace"]],
        Field(min_length=1, max_length=2, description="Which effects of a change it is about."),
    ] = (
        "Delete",
        "Replace",
    )
    resources: Annotated[
        Many[Resources],
        Field(min_length=1, max_length=32, description="What it guards; default: everything."),
    ] = EVERYTHING
    exclude_resources: Annotated[
        Many[Resources], Field(max_length=32, description="What of that it leaves out.")
    ] = ()
    selector: Annotated[
        LabelSelector,
        Field(description="On the object as it is; where labels are unknown (Scale, Eviction) it matches."),
    ] = LabelSelector()
    exempt: Annotated[
        Many[_ExemptPointer],
        Field(
            max_length=32,
            description="JSON Pointers an agent may change without approval; never for deletions.",
        ),
    ] = ()
    ignore: Annotated[
        Many[_IgnorePointer],
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
    approvals: Annotated[
        Approvals,
        Field(
            description="Whose signatures, and how many, it takes.",
            json_schema_extra={"default": {"required": 1, "minHumans": 1}},
        ),
    ] = Approvals()
    max_ttl: Annotated[
        Duration,
        Field(
            alias="maxTTL",
            description="Longest life of an approval; at most 24h.",
            json_schema_extra={
                "default": "15m",
                **checked(
                    (
                        "duration(self) > duration('0s') && duration(self) <= duration('24h')",
                        "maxTTL is more than 0s and at most 24h",
                    ),
                ),
            },
        ),
    ] = timedelta(minutes=15)
    hold: Annotated[
        Duration,
        Field(
            description="Answer 429 this long after the first refusal; at most 45s, 0s: never.",
            json_schema_extra={
                "default": "0s",
                **checked(("duration(self) <= duration('45s')", "hold is at most 45s")),
            },
        ),
    ] = timedelta(0)

    @field_validator("max_ttl")
    @classmethod
    def _life_within_bounds(cls, value: timedelta) -> timedelta:
        # The schema says so too; an object may have been stored before it did.
        if not timedelta(0) < value <= _MAX_TTL:
            raise ValueError("maxTTL is more than 0s and at most 24h")
        return value

    @field_validator("hold")
    @classmethod
    def _hold_within_bounds(cls, value: timedelta) -> timedelta:
        if value > _MAX_HOLD:
            raise ValueError("hold is at most 45s")
        return value


class NamespaceScope(WireModel):
    """Which of the protected namespaces a policy is about."""

    selector: Annotated[
        LabelSelector, Field(description="On the namespace's labels; empty: every protected namespace.")
    ] = LabelSelector()


class ProtectionPolicySpec(WireModel):
    """The ``spec`` of a ProtectionPolicy."""

    mode: Annotated[
        Mode,
        Field(description="Enforce refuses, Warn admits with a warning, Audit admits and records."),
    ] = "Enforce"
    namespaces: Annotated[
        NamespaceScope, Field(description="Which of the protected namespaces it is about.")
    ] = NamespaceScope()
    cluster_resources: Annotated[
        Many[Resources],
        Field(max_length=32, description="Cluster-scoped kinds it guards beyond the built-in baseline."),
    ] = ()
    allow_create: Annotated[
        Many[Resources],
        Field(
            max_length=32, description="Kinds agents may create although creating them is refused otherwise."
        ),
    ] = ()
    allow_connect: Annotated[
        Many[_Connection],
        Field(max_length=32, description="Connections agents may open, e.g. pods/portforward."),
    ] = ()
    rules: Annotated[
        Many[Rule],
        Field(min_length=1, max_length=32, description="Every rule that matches must be satisfied."),
    ]


class ProtectionPolicyStatus(WireModel):
    """The ``status`` of a ProtectionPolicy."""

    conditions: Conditions = ()
    namespaces: Annotated[
        Many[Annotated[str, StringConstraints(max_length=63)]],
        Field(max_length=10_000, description="Where it replaced the built-in rule."),
    ] = ()
