"""Whether the companion policies of a cluster are those that were meant: present, unchanged and bound."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from peergate.gate.shape import mapping, sequence, text
from peergate.model.names import JsonObject

__all__ = ["Companion", "Standing", "compare_companions"]

_POLICY: Final = "ValidatingAdmissionPolicy"
_BINDING: Final = "ValidatingAdmissionPolicyBinding"
_DEFAULTS: Final[Mapping[str, Any]] = {
    "failurePolicy": "Fail",
    "paramKind": None,
    "matchConditions": [],
    "variables": [],
    "validations": [],
}
"""What the API server fills in, and what an absent member means."""
_CONSTRAINT_DEFAULTS: Final[Mapping[str, Any]] = {
    "namespaceSelector": {},
    "objectSelector": {},
    "resourceRules": [],
    "excludeResourceRules": [],
    "matchPolicy": "Equivalent",
}


class Standing(StrEnum):
    """How a companion policy stands in the cluster."""

    BOUND = "bound"
    """As expected, and in force for everything it matches."""
    ABSENT = "absent"
    """There is no such policy, or it is being deleted."""
    CHANGED = "changed"
    """It is not the expected one."""
    UNBOUND = "unbound"
    """As expected, but no binding makes it refuse."""


@dataclass(frozen=True, slots=True)
class Companion:
    """One expected policy and what was seen of it."""

    name: str
    standing: Standing
    detail: str = ""
    """What is the matter, for people; empty where it is bound."""


def compare_companions(
    expected: Iterable[JsonObject], *, live: Iterable[JsonObject]
) -> tuple[Companion, ...]:
    """Return how each expected policy stands, in the order of ``expected``. Never raises.

    Shape: both are ValidatingAdmissionPolicies and Bindings in any mixture, as the API shows them (an item of
    a list without its ``kind`` included); ``live`` may hold others, which do not matter. Any binding counts
    that narrows nothing, by whatever name. Annotations, labels and audit annotations are not compared.
    """
    policies, bindings = {}, []
    for document in live:
        if _kind_of(document) == _POLICY:
            policies[text(mapping(document.get("metadata")).get("name"))] = document
        else:
            bindings.append(document)
    return tuple(
        _companion(document, policies=policies, bindings=bindings)
        for document in expected
        if _kind_of(document) == _POLICY
    )


def _companion(
    expected: JsonObject,
    *,
    policies: Mapping[str, JsonObject],
    bindings: Iterable[JsonObject],
) -> Companion:
    name = text(mapping(expected.get("metadata")).get("name"))
    live = policies.get(name)
    if live is None:
        return Companion(name, Standing.ABSENT, "there is no such policy")
    if mapping(live.get("metadata")).get("deletionTimestamp"):
        return Companion(name, Standing.ABSENT, "it is being deleted")
    wanted, found = _meaning(mapping(expected.get("spec"))), _meaning(mapping(live.get("spec")))
    differing = sorted(member for member in wanted if wanted[member] != found[member])
    if differing:
        return Companion(name, Standing.CHANGED, f"differs in {', '.join(differing)}")
    if not any(_refuses(binding, policy=name) for binding in bindings):
        return Companion(name, Standing.UNBOUND, "no binding makes it refuse")
    return Companion(name, Standing.BOUND)


def _kind_of(document: JsonObject) -> str:
    """Return the kind; lists of the API leave it out of their items, but only a binding names a policy."""
    kind = text(document.get("kind"))
    if kind:
        return kind
    return _BINDING if "policyName" in mapping(document.get("spec")) else _POLICY


def _meaning(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides whom and what a policy refuses, with defaults filled in."""
    constraints = {
        member: mapping(spec.get("matchConstraints")).get(member) or default
        for member, default in _CONSTRAINT_DEFAULTS.items()
    }
    for member in ("resourceRules", "excludeResourceRules"):
        constraints[member] = [{"scope": "*", **mapping(rule)} for rule in sequence(constraints[member])]
    return {
        **{member: spec.get(member) or default for member, default in _DEFAULTS.items()},
        "matchConstraints": constraints,
    }


def _refuses(binding: JsonObject, *, policy: str) -> bool:
    spec = mapping(binding.get("spec"))
    resources = mapping(spec.get("matchResources"))
    narrowed = any(
        resources.get(member)
        for member in ("namespaceSelector", "objectSelector", "resourceRules", "excludeResourceRules")
    )
    return (
        spec.get("policyName") == policy
        and "Deny" in sequence(spec.get("validationActions"))
        and not narrowed
        and not mapping(binding.get("metadata")).get("deletionTimestamp")
    )
