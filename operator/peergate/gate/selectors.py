"""Kubernetes label selectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias, assert_never

from peergate.model.policy import LabelSelector, SelectorRequirement

__all__ = ["Labels", "matches", "selected_keys"]

Labels: TypeAlias = Mapping[str, str]


def matches(selector: LabelSelector, labels: Labels) -> bool:
    """Tell whether the labels meet every requirement; an empty selector matches everything."""
    return all(labels.get(key) == value for key, value in selector.match_labels.items()) and all(
        _meets(requirement, labels) for requirement in selector.match_expressions
    )


def selected_keys(selector: LabelSelector) -> frozenset[str]:
    """Return the label keys that the selector looks at."""
    return frozenset(selector.match_labels) | {requirement.key for requirement in selector.match_expressions}


def _meets(requirement: SelectorRequirement, labels: Labels) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value is not None and value in requirement.values
        case "NotIn":
            return value is None or value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case _:
            assert_never(requirement.operator)
