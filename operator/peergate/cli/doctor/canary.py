"""The only proof that the guard guards: a dry-run deletion as an agent, which must meet our own refusal.

Sent by impersonation with the account's uid and groups, as its token shows them (kubernetes-facts.md I3).
Nothing is deleted, whoever allows it: a dry run stores nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from peergate.cli.doctor.agents import Known
from peergate.cli.doctor.finding import Finding, Theme, fail, names, ok, warn
from peergate.cli.kube import ApiError, Cluster, connect
from peergate.cli.output import Output
from peergate.cli.text import plural, visible
from peergate.gate.access import Right

__all__ = [
    "Outcome",
    "Probe",
    "Tried",
    "Verdict",
    "canary_findings",
    "outcome_of",
    "probe",
    "probes_for",
    "try_deletion",
]

_MOST: Final = 20
"""Agents that are tried; more would say the same."""
_NAMESPACES: Final = 5
_NO_OPTIONS: Final[Mapping[str, str]] = {}
_FORBIDDEN, _UNAVAILABLE, _NOT_FOUND = 403, 503, 404
_OURS: Final = 'gate.peergate.dev" denied the request'
_CALL_FAILED: Final = "failed calling webhook"
_IMPERSONATE: Final = "cannot impersonate"

_OBJECTS: Final = (
    ("configmaps", "kube-root-ca.crt"),
    ("serviceaccounts", "default"),
)
"""What is in every namespace, made by the cluster itself."""


class Outcome(StrEnum):
    """What became of a dry-run deletion."""

    REFUSED = "refused"
    """By the gate, in its own words."""
    ADMITTED = "admitted"
    SILENT = "silent"
    """The API server could not reach the gate, and refused."""
    UNAVAILABLE = "unavailable"
    """The gate answered that it can't decide."""
    NO_RIGHT = "no-right"
    """RBAC lets the agent not even try."""
    NOT_ALLOWED = "not-allowed"
    """We may not impersonate."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Probe:
    """One deletion to try as one agent."""

    agent: Known
    path: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of it."""

    agent: Known
    path: str
    outcome: Outcome
    said: str = ""


def probes_for(
    agents: Sequence[Known], *, protected: Sequence[str], may: Callable[[Known, Right], bool]
) -> tuple[list[Probe], list[Known]]:
    """Return one probe an agent, and the agents that may delete nothing of what is everywhere.

    ``may`` asks the authorizer. At most twenty agents in five namespaces are looked at, agents of every kind
    of tag first.
    """
    probes, idle = [], []
    for agent in _spread(agents)[:_MOST]:
        path = next(
            (
                f"/api/v1/namespaces/{namespace}/{resource}/{name}"
                for namespace in protected[:_NAMESPACES]
                for resource, name in _OBJECTS
                if may(agent, Right("delete", "", resource, namespace))
            ),
            None,
        )
        if path is None:
            idle.append(agent)
        else:
            probes.append(Probe(agent, path))
    return probes, idle


def probe(out: Output, one: Probe) -> Verdict:
    """Try one deletion, as a dry run. Errors: CommandError when the cluster doesn't answer."""
    subject = one.agent.subject
    flags = replace(out.flags, as_user=subject.username, as_groups=subject.groups, as_uid=subject.uid)
    tried = try_deletion(connect(Output(flags)), one.path)
    return Verdict(one.agent, one.path, tried.outcome, tried.said)


@dataclass(frozen=True, slots=True)
class Tried:
    """What an API server answered to a dry-run deletion."""

    outcome: Outcome
    status: int
    """200 where it was admitted."""
    reason: str = ""
    said: str = ""
    """The first line of it, made visible; of a call that failed the cause alone."""
    message: str = ""
    """All of it."""


def try_deletion(cluster: Cluster, path: str) -> Tried:
    """Try one deletion as whoever this cluster is reached as; it is a dry run, whoever allows it.

    Errors: CommandError when the cluster doesn't answer.
    """
    try:
        cluster.delete(path, dict(_NO_OPTIONS), dry_run=True)
    except ApiError as error:
        outcome = outcome_of(error.status, error.message)
        said = error.message.splitlines()[0] if error.message else ""
        if outcome is Outcome.SILENT:
            # The cause stands last; what comes before it are names and the address.
            said = said.rpartition(": ")[2]
        return Tried(
            outcome=outcome,
            status=error.status,
            reason=error.reason,
            said=visible(said, limit=160),
            message=error.message,
        )
    return Tried(Outcome.ADMITTED, status=200)


def outcome_of(status: int, message: str) -> Outcome:
    """Return what an answer to a dry-run deletion means."""
    if _CALL_FAILED in message:
        return Outcome.SILENT
    if _OURS in message:
        return Outcome.UNAVAILABLE if status == _UNAVAILABLE else Outcome.REFUSED
    if status == _FORBIDDEN:
        return Outcome.NOT_ALLOWED if _IMPERSONATE in message else Outcome.NO_RIGHT
    return Outcome.UNKNOWN


def canary_findings(
    verdicts: Sequence[Verdict], *, idle: Sequence[Known], namespace: str, untried: int = 0
) -> list[Finding]:
    """Return what the dry runs proved."""
    found = [_judged(outcome, verdicts=verdicts, namespace=namespace) for outcome in Outcome]
    refused = [one.agent.display for one in verdicts if one.outcome is Outcome.REFUSED]
    if refused:
        found.append(
            ok(
                Theme.GATE,
                "canary",
                f"A dry-run deletion as {names(refused)} was refused by the gate.",
                subjects=tuple(refused),
            )
        )
    quiet = len(idle) + untried
    if quiet:
        found.append(
            ok(
                Theme.GATE,
                "canary",
                f"Not tried as {plural(quiet, 'agent')}: no right, or too many.",
            )
        )
    return [finding for finding in found if finding is not None]


def _judged(outcome: Outcome, *, verdicts: Sequence[Verdict], namespace: str) -> Finding | None:
    mine = [one for one in verdicts if one.outcome is outcome]
    if not mine or outcome is Outcome.REFUSED:
        return None
    who = names([one.agent.display for one in mine])
    subjects = tuple(one.agent.display for one in mine)
    match outcome:
        case Outcome.ADMITTED:
            return fail(
                Theme.GATE,
                "canary",
                f"A dry-run deletion as {who} was admitted: {mine[0].path}.",
                allows="The gate does not guard: such an agent deletes and replaces without a peer.",
                mend=(
                    "kubectl get validatingwebhookconfiguration peergate -o yaml",
                    f"kubectl -n {namespace} logs deploy/peergate",
                ),
                threats=("T1", "T23"),
                subjects=subjects,
            )
        case Outcome.SILENT | Outcome.UNAVAILABLE:
            state = "did not answer" if outcome is Outcome.SILENT else "could not decide"
            return fail(
                Theme.GATE,
                "canary",
                f"The gate {state} on a dry-run deletion as {who}: {mine[0].said}.",
                allows="Agents are refused as long as this lasts; nobody else is.",
                mend=(f"kubectl -n {namespace} get pods", f"kubectl -n {namespace} logs deploy/peergate"),
                threats=("T17",),
                subjects=subjects,
            )
        case Outcome.NOT_ALLOWED:
            return warn(
                Theme.GATE,
                "canary",
                f"No dry-run deletion as {who}: you may not impersonate it.",
                allows="Whether the gate really refuses was not shown.",
                mend=("ask for impersonate on serviceaccounts, groups and uids, or: helm test peergate",),
                subjects=subjects,
            )
        case _:
            return warn(
                Theme.GATE,
                "canary",
                f"A dry-run deletion as {who} showed nothing: {mine[0].said}.",
                allows="Whether the gate really refuses was not shown.",
                mend=("peergate doctor -v 1",),
                subjects=subjects,
            )


def _spread(agents: Sequence[Known]) -> list[Known]:
    """Return the agents so that every kind of tag comes early."""
    seen: dict[str, int] = {}
    order = []
    for agent in agents:
        seen[agent.tag] = seen.get(agent.tag, -1) + 1
        order.append((seen[agent.tag], agent))
    return [agent for _, agent in sorted(order, key=lambda pair: pair[0])]
