"""How far the gate reaches: what is protected, who is not tagged, and who decides about it from elsewhere."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from peergate.cli.doctor.agents import Known
from peergate.cli.doctor.finding import Finding, Theme, fail, names, ok, warn
from peergate.cli.doctor.rbac import Binding, Grant
from peergate.cli.doctor.seen import Seen
from peergate.cli.doctor.survey import Survey
from peergate.cli.text import plural, visible
from peergate.gate.access import Right, Subject
from peergate.gate.doors import EVERYTHING
from peergate.gate.policies import PolicyIndex, compile_policy
from peergate.gate.principal import NotAgent, identify
from peergate.model.names import JsonObject
from peergate.model.review import User

__all__ = [
    "RESIDUAL",
    "decider_findings",
    "default_findings",
    "look_alike_findings",
    "pod_security_findings",
    "protection_findings",
    "tag_findings",
]

_PREFIX: Final = "system:serviceaccount:"
_SAFE_PROFILES: Final = frozenset({"baseline", "restricted"})
_ENFORCE: Final = "pod-security.kubernetes.io/enforce"
_READS: Final = frozenset({"get", "list", "watch"})

RESIDUAL: Final = ok(
    Theme.REACH,
    "residual",
    "Not looked for: what a controller adopts by its selector, and what lies outside the API server.",
    threats=("T10", "T20"),
)
"""Said every time, so that nobody takes silence for an answer."""


def protection_findings(seen: Seen, *, agents: Sequence[Known]) -> list[Finding]:
    """Return whether anything is protected, from anybody, and where the built-in rule holds."""
    label = seen.settings.labels.protected
    found = []
    if not seen.protected:
        found.append(
            warn(
                Theme.REACH,
                "protected",
                "No namespace is protected.",
                allows="Agents delete and replace in every namespace without a peer.",
                mend=(f"kubectl label namespace NAME {label}=true",),
            )
        )
    if not agents:
        found.append(
            warn(
                Theme.REACH,
                "no-agent",
                "No account is an agent.",
                allows="Nobody's changes are judged.",
                mend=(f"kubectl -n NAMESPACE label serviceaccount NAME {seen.settings.labels.agent}=true",),
            )
        )
    if seen.policies is None or not seen.protected:
        return found
    index = PolicyIndex.build(compile_policy(item) for item in seen.policies)
    built_in = [name for name in seen.protected if not index.selecting(seen.snapshot.namespaces[name])]
    if built_in:
        found.append(
            ok(
                Theme.REACH,
                "built-in",
                f"The built-in rule (one human for every deletion and replacement) holds in"
                f" {visible(names(built_in))}.",
                subjects=tuple(built_in),
            )
        )
    return found


def tag_findings(seen: Seen) -> list[Finding]:
    """Return tags that have no effect: on accounts of kube-system, and on trusted ones."""
    idle = sorted(
        f"{namespace}/{name}"
        for (namespace, name), account in seen.snapshot.accounts.items()
        if account.tagged and isinstance(_identified(seen, namespace, name, uid=account.uid), NotAgent)
    )
    if not idle:
        return [ok(Theme.REACH, "tags", "Every tag has an effect.")]
    return [
        fail(
            Theme.REACH,
            "tags",
            f"The tag of {visible(names(idle))} has no effect.",
            allows="These accounts are trusted or of kube-system: the gate never judges them, tagged or not.",
            mend=("take them out of agents.trusted; an agent of kube-system: give it an account elsewhere",),
            subjects=tuple(visible(one) for one in idle),
        )
    ]


def look_alike_findings(seen: Seen) -> list[Finding]:
    """Return accounts that are no agents and whose pods carry a label of agents (kubernetes-facts.md I8)."""
    if seen.look_alikes is None:
        return []
    alike: dict[str, str] = {}
    for pod in seen.look_alikes:
        metadata = pod.get("metadata") or {}
        namespace = str(metadata.get("namespace", ""))
        name = str((pod.get("spec") or {}).get("serviceAccountName") or "default")
        account = seen.snapshot.accounts.get((namespace, name))
        uid = account.uid if account else "-"
        if isinstance(_identified(seen, namespace, name, uid=uid), NotAgent):
            alike.setdefault(f"{namespace}/{name}", str(metadata.get("name", "")))
    if not alike:
        return [ok(Theme.REACH, "look-alikes", "No other account runs pods that are labelled as agents.")]
    first = next(iter(sorted(alike))).split("/")
    tag = f"{seen.settings.labels.agent}=true"
    return [
        warn(
            Theme.REACH,
            "look-alikes",
            f"{visible(names(sorted(alike)))}: no agents, but pods of theirs are labelled as agents.",
            allows="What runs there may be an AI agent that the gate never judges.",
            mend=(f"kubectl -n {visible(first[0])} label serviceaccount {visible(first[1])} {tag}",),
            subjects=tuple(visible(one) for one in sorted(alike)),
        )
    ]


def default_findings(seen: Seen) -> list[Finding]:
    """Return ``default`` accounts of protected namespaces that a binding gives rights by name.

    An agent may create a workload that runs as ``default``, which is no agent (design.md §4).
    """
    if seen.rbac is None:
        return []
    writing: list[Grant] = []
    reading: list[Grant] = []
    for namespace in seen.protected:
        account = seen.snapshot.accounts.get((namespace, "default"))
        if account is None or not isinstance(
            _identified(seen, namespace, "default", uid=account.uid), NotAgent
        ):
            continue
        # Without groups: what every account has is no reason to look at this one.
        for grant in seen.rbac.grants_of(Subject(username=f"{_PREFIX}{namespace}:default")):
            (reading if _only_reads(grant) else writing).append(grant)
    found = []
    if writing:
        found.append(_default(writing, make=fail))
    if reading:
        found.append(_default(reading, make=warn))
    return found or [ok(Theme.REACH, "default", "No default account of a protected namespace holds rights.")]


def decider_findings(seen: Seen) -> list[Finding]:
    """Return kinds whose objects make a controller change other namespaces, and lie unprotected (DO17)."""
    places: defaultdict[str, set[str]] = defaultdict(set)
    protected = frozenset(seen.protected)
    for kind, items in seen.deciders.items():
        for item in items:
            namespace = str((item.get("metadata") or {}).get("namespace", ""))
            if namespace and namespace not in protected:
                places[namespace].add(kind)
    if not places:
        return [ok(Theme.REACH, "deciders", "No GitOps or claim objects in namespaces that nobody protects.")]
    label = seen.settings.labels.protected
    kinds = sorted({kind for found in places.values() for kind in found})
    return [
        warn(
            Theme.REACH,
            "deciders",
            f"{visible(names(kinds))} in unprotected namespaces: {visible(names(sorted(places)))}.",
            allows="Whoever edits them there has a controller delete in protected namespaces.",
            mend=tuple(f"kubectl label namespace {name} {label}=true" for name in sorted(places)[:3]),
            threats=("T10",),
            subjects=tuple(sorted(places)),
        )
    ]


def pod_security_findings(seen: Seen, *, survey: Survey, unasked: int = 0) -> list[Finding]:
    """Return where agents may create pods that take over a node: nothing enforces a profile there.

    Nothing is said to be well where questions were left ``unasked``.
    """
    protected = frozenset(seen.protected)
    open_places: set[str] = set()
    who: dict[str, None] = {}
    for agent, held in survey.held.items():
        places = _creating(held, seen=seen)
        # In protected namespaces the gate refuses such pods itself (design.md §4).
        lax = {
            name for name in places - protected if not _is_enforced(seen.snapshot.namespaces.get(name) or {})
        }
        if lax:
            open_places |= lax
            who[agent.display] = None
    if not open_places:
        well = ok(Theme.REACH, "pod-security", "No agent may create pods where no profile is enforced.")
        return [] if unasked else [well]
    shown = sorted(open_places)
    return [
        warn(
            Theme.REACH,
            "pod-security",
            f"{names(list(who))} may create pods in {plural(len(shown), 'namespace')} without an enforced"
            f" Pod Security profile: {visible(names(shown))}.",
            allows="A privileged pod takes over its node, and every account on it.",
            mend=tuple(f"kubectl label namespace {name} {_ENFORCE}=baseline" for name in shown[:3]),
            threats=("T20",),
            subjects=tuple(shown),
        )
    ]


def _creating(held: frozenset[Right], *, seen: Seen) -> set[str]:
    wide = EVERYTHING in held or any(
        right.verb == "create" and right.resource in _POD_MAKERS and not right.namespace for right in held
    )
    if wide:
        return set(seen.snapshot.namespaces)
    return {
        right.namespace
        for right in held
        if right.verb == "create" and right.resource in _POD_MAKERS and right.namespace
    }


_POD_MAKERS: Final = frozenset({"pods", "deployments", "jobs", "cronjobs"})


def _is_enforced(labels: Mapping[str, str]) -> bool:
    return labels.get(_ENFORCE) in _SAFE_PROFILES


def _identified(seen: Seen, namespace: str, name: str, *, uid: str) -> object:
    user = User(username=f"{_PREFIX}{namespace}:{name}", uid=uid, groups=frozenset())
    return identify(user, snapshot=seen.snapshot)


def _only_reads(grant: Grant) -> bool:
    """Tell whether a role lets nobody change anything, nor read Secrets."""
    return all(
        _READS.issuperset(rule.get("verbs") or ()) and not {"secrets", "*"} & set(rule.get("resources") or ())
        for rule in grant.role.rules
    )


def _default(grants: Sequence[Grant], *, make: Any) -> Finding:
    accounts = sorted({f"{grant.subject.get('namespace', '')}/default" for grant in grants})
    bindings = {grant.binding.display: grant.binding for grant in grants}
    leaving = [grant.subject for grant in grants]
    allows = (
        "An agent that creates a workload there acts with these rights, and is not judged."
        if make is fail
        else "An agent that creates a workload there reads with these rights."
    )
    first = next(iter(bindings.values()))
    scope = f"-n {first.namespace} " if first.namespace else ""
    finding: Finding = make(
        Theme.REACH,
        "default",
        f"{visible(names(accounts))} holds rights of its own: {visible(names(sorted(bindings)))}.",
        allows=allows,
        mend=(
            "give the workload an account of its own, then:",
            # To be copied into a shell: a binding may be called almost anything.
            f"kubectl {scope}edit {first.kind.lower()} {shlex.quote(visible(first.name))}",
        ),
        threats=("T2",),
        subjects=tuple(visible(one) for one in accounts),
        given=tuple(visible(one) for one in sorted(bindings)),
        manifests=tuple(_without(binding, leaving=leaving) for binding in bindings.values()),
    )
    return finding


def _without(binding: Binding, *, leaving: Sequence[JsonObject]) -> JsonObject:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": binding.kind,
        "metadata": {
            "name": binding.name,
            **({"namespace": binding.namespace} if binding.namespace else {}),
        },
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": binding.role_kind,
            "name": binding.role_name,
        },
        "subjects": [subject for subject in binding.subjects if subject not in leaving],
    }
