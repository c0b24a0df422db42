"""All cases, and the ids that no case can show."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from tests.bypass.model import Case

__all__ = ["CASES", "OUTSIDE", "ids_of"]


def _cases() -> Iterable[Case]:
    """Yield the cases of every module in ``cases``, module by module."""
    for path in sorted((Path(__file__).parent / "cases").glob("*.py")):
        yield from importlib.import_module(f"tests.bypass.cases.{path.stem}").CASES


def _by_name(cases: Iterable[Case]) -> Mapping[str, Case]:
    found: dict[str, Case] = {}
    for case in cases:
        if case.name in found:
            raise ValueError(f"two cases are named {case.name!r}")
        found[case.name] = case
    return found


CASES: Final[Mapping[str, Case]] = _by_name(_cases())
"""By name."""

OUTSIDE: Final[Mapping[str, str]] = {
    "T18": "who is no service account looks like a person; how groups and users are tagged is the product's",
    "T19": "what an aggregated API does never meets admission of the API server",
    "T20": "etcd, kubelet, nodes and cloud APIs are beyond the API server",
    "T23": "needs caches that stand still: fault tests of the product",
    "T25": "needs the webhook's port, which no kubeconfig leads to: tests of the product",
    "DO17": "what other controllers make of their inputs; their namespaces can be protected",
    "DO20": "beyond the API server",
}
"""Ids with the reason why no case is about them alone."""


def ids_of(case: Case) -> frozenset[str]:
    """Return the ids of a case."""
    return frozenset(case.ids.split())
