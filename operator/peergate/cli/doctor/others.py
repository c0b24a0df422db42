"""What else takes part in a change: API groups that no admission covers, and webhooks that rewrite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from peergate.cli.doctor.finding import Finding, Theme, names, ok, warn
from peergate.cli.doctor.seen import Seen
from peergate.cli.text import visible

__all__ = ["aggregated_findings", "mutating_findings"]

_READ_ONLY: Final = frozenset({"metrics.k8s.io", "custom.metrics.k8s.io", "external.metrics.k8s.io"})
"""Served by metrics adapters, which keep nothing that could be deleted."""
_CHANGES: Final = frozenset({"*", "UPDATE", "DELETE"})


def aggregated_findings(seen: Seen) -> list[Finding]:
    """Return the API groups that an extension server answers for: kube-apiserver admits nothing there."""
    if seen.api_services is None:
        return []
    groups = sorted(
        {
            str((one.get("spec") or {}).get("group", ""))
            for one in seen.api_services
            if (one.get("spec") or {}).get("service")
        }
        - _READ_ONLY
    )
    if not groups:
        return [ok(Theme.REACH, "aggregated", "No API group is served past the gate.")]
    return [
        warn(
            Theme.REACH,
            "aggregated",
            f"{visible(names(groups))}: served by an extension server, past all admission of the cluster.",
            allows="What an agent does there is judged by that server alone.",
            mend=("give agents no writes in these groups",),
            threats=("T19",),
            subjects=tuple(visible(group) for group in groups),
        )
    ]


def mutating_findings(seen: Seen) -> list[Finding]:
    """Return who may rewrite a change between its approval and its admission."""
    if seen.mutating is None:
        return []
    rewriting = sorted(
        f"{_name(one)}"
        for one in seen.mutating
        if any(_changes(entry) for entry in one.get("webhooks") or ())
    )
    rewriting += sorted(f"policy {_name(one)}" for one in seen.mutating_policies or ())
    if not rewriting:
        return [ok(Theme.REACH, "mutating", "No webhook or policy rewrites changes.")]
    return [
        warn(
            Theme.REACH,
            "mutating",
            f"Changes may be rewritten after they were approved: {visible(names(rewriting))}.",
            allows="Where it depends on who asks, an approval does not fit, and the agent is refused.",
            mend=("leave protected namespaces out of it, or let it treat everybody alike",),
            subjects=tuple(visible(one) for one in rewriting),
        )
    ]


def _changes(entry: Mapping[str, Any]) -> bool:
    rules: Sequence[Mapping[str, Any]] = entry.get("rules") or ()
    return any(not _CHANGES.isdisjoint(rule.get("operations") or ()) for rule in rules)


def _name(document: Mapping[str, Any]) -> str:
    return str((document.get("metadata") or {}).get("name", ""))
