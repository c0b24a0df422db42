"""The CustomResourceDefinitions, generated from the models.

Nothing here talks to a cluster. What can be said about one field stands in its model; here stands what is
about a whole object: names, columns, and the rules that compare it with what it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import BaseModel

from peergate.control.structural import structural_schema
from peergate.model.approver import ApproverSpec, ApproverStatus
from peergate.model.changerequest import ChangeRequestSpec, ChangeRequestStatus
from peergate.model.names import GROUP, VERSION, JsonObject
from peergate.model.policy import ProtectionPolicySpec, ProtectionPolicyStatus
from peergate.model.schema import RULES_KEY, checked
from peergate.model.use import ApprovalUseSpec

__all__ = ["custom_resource_definitions"]

_CATEGORY: Final = "peergate"
_Rules = tuple[tuple[str, str], ...]

_READY: Final = '.status.conditions[?(@.type=="Ready")].status'

# At the root: a rule on spec itself does not see spec taken away by one request and put back by the next.
_SPEC_STAYS: Final = ("self.spec == oldSelf.spec", "spec never changes")


@dataclass(frozen=True, slots=True)
class _Column:
    """One column of ``kubectl get``."""

    name: str
    path: str
    description: str
    type: Literal["string", "date", "boolean"] = "string"
    wide: bool = False
    """Shown with ``-o wide`` only."""


_AGE: Final = _Column("Age", ".metadata.creationTimestamp", "Time since it was made.", type="date")


@dataclass(frozen=True, slots=True)
class _Definition:
    """What the models don't say about one kind."""

    kind: str
    plural: str
    namespaced: bool
    description: str
    spec: type[BaseModel]
    status: type[BaseModel] | None
    columns: tuple[_Column, ...]
    short_names: tuple[str, ...] = ()
    rules: _Rules = ()


_DEFINITIONS: Final = (
    _Definition(
        kind="ProtectionPolicy",
        plural="protectionpolicies",
        namespaced=False,
        description="How changes that AI agents make in protected namespaces are reviewed.",
        spec=ProtectionPolicySpec,
        status=ProtectionPolicyStatus,
        short_names=("ppol",),
        columns=(
            _Column("Mode", ".spec.mode", "Enforce, Warn or Audit."),
            _Column("Ready", _READY, "Whether it is in force."),
            _AGE,
            _Column("Namespaces", ".status.namespaces", "Where it replaced the built-in rule.", wide=True),
        ),
    ),
    _Definition(
        kind="Approver",
        plural="approvers",
        namespaced=False,
        description="A person or an AI agent whose signature counts.",
        spec=ApproverSpec,
        status=ApproverStatus,
        columns=(
            _Column("Identity", ".spec.identity", "What a signed statement names."),
            _Column("Class", ".spec.class", "A person, or another AI agent."),
            _Column("Owner", ".spec.owner", "Who answers for this approver."),
            _Column("Disabled", ".spec.disabled", "Whether signatures don't count.", type="boolean"),
            _Column("Ready", _READY, "Whether its keys can be used."),
            _AGE,
            _Column("Groups", ".spec.groups", "What the fromGroups of a rule picks.", wide=True),
            _Column("Fingerprints", ".status.fingerprints", "Ids of the usable keys.", wide=True),
        ),
    ),
    _Definition(
        kind="ChangeRequest",
        plural="changerequests",
        namespaced=True,
        description="One refused change of an AI agent, filed so that a peer can review it.",
        spec=ChangeRequestSpec,
        status=ChangeRequestStatus,
        short_names=("chreq",),
        columns=(
            _Column("Operation", ".spec.operation", "What was asked for."),
            _Column("Kind", ".spec.object.resource", "Of which kind the object is."),
            _Column("Target", ".spec.object.name", "The object's name."),
            _Column("Requester", ".spec.requester.username", "Who asked."),
            _Column("State", ".status.state", "Where it is in its life."),
            _Column("Approvals", ".status.progress", "Approvals that count, of those required."),
            _Column("Expires", ".spec.expires", "When it ends undecided, in UTC."),
            _AGE,
            _Column("Effect", ".spec.effect", "Why it matters.", wide=True),
            _Column("Subresource", ".spec.object.subresource", "Empty: the object itself.", wide=True),
            _Column("Owner", ".spec.requester.owner", "Who answers for the requester.", wide=True),
            _Column("Missing", ".status.missing", "What is missing.", wide=True),
            _Column("Group", ".spec.object.group", "API group of the object.", wide=True),
            _Column("Rules", ".spec.rules", "The rules that ask for approval.", wide=True),
            _Column("Signed-By", ".status.approvals", "Whose approvals count.", wide=True),
        ),
        rules=(
            _SPEC_STAYS,
            (
                "self.metadata.name.matches('^cr-[bcdfghjkmnpqrstvwxz]{20}$')",
                "the name is cr- and 20 consonants, made from the change",
            ),
            (
                (
                    "!has(oldSelf.status) || !has(oldSelf.status.rejection)"
                    " || (has(self.status) && has(self.status.rejection)"
                    " && self.status.rejection == oldSelf.status.rejection)"
                ),
                "a rejection is set once; it lapses at until and is not taken back",
            ),
        ),
    ),
    _Definition(
        kind="ApprovalUse",
        plural="approvaluses",
        namespaced=True,
        description="The record that an approval has admitted an update; it can't admit another one.",
        spec=ApprovalUseSpec,
        status=None,
        columns=(
            _Column("Requester", ".spec.requester.username", "Who used the approval."),
            _Column("Approvers", ".spec.approvers", "Whose approvals counted."),
            _Column("Expires", ".spec.expires", "When the approval expires, in UTC."),
            _AGE,
            _Column("Change", ".spec.change", "SHA-256 of the change that was admitted.", wide=True),
        ),
        rules=(
            _SPEC_STAYS,
            (
                "self.metadata.name.matches('^use-[0-9a-f]{64}$')",
                "the name is use- and the SHA-256 of the approval's payload",
            ),
        ),
    ),
)


def custom_resource_definitions() -> Mapping[str, JsonObject]:
    """Return the definitions by plural name, in the order in which they are documented.

    Shape: ``apiextensions.k8s.io/v1`` objects with structural schemas; the same on every call.
    """
    return {definition.plural: _render(definition) for definition in _DEFINITIONS}


def _render(definition: _Definition) -> JsonObject:
    version: JsonObject = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [_column(column) for column in definition.columns],
        "schema": {"openAPIV3Schema": _root(definition)},
    }
    if definition.status is not None:
        version["subresources"] = {"status": {}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{definition.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": definition.kind,
                "listKind": f"{definition.kind}List",
                "plural": definition.plural,
                "singular": definition.kind.lower(),
                "categories": [_CATEGORY],
                **({"shortNames": list(definition.short_names)} if definition.short_names else {}),
            },
            "scope": "Namespaced" if definition.namespaced else "Cluster",
            "versions": [version],
        },
    }


def _root(definition: _Definition) -> JsonObject:
    properties: JsonObject = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
        "spec": structural_schema(definition.spec),
    }
    if definition.status is not None:
        properties["status"] = structural_schema(definition.status)
    root: JsonObject = {
        "type": "object",
        "description": definition.description,
        "required": ["spec"],
        "properties": properties,
    }
    if definition.rules:
        root[RULES_KEY] = checked(*definition.rules)[RULES_KEY]
    return root


def _column(column: _Column) -> JsonObject:
    rendered: JsonObject = {
        "name": column.name,
        "type": column.type,
        "jsonPath": column.path,
        "description": column.description,
    }
    if column.wide:
        rendered["priority"] = 1
    return rendered
