"""One examination: read, ask, judge, show."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from peergate.cli.doctor.agents import Known, agents_of, asked_identity
from peergate.cli.doctor.asking import Asker, Question
from peergate.cli.doctor.canary import canary_findings, probe, probes_for
from peergate.cli.doctor.cluster import read_cluster
from peergate.cli.doctor.finding import Finding, Level, Theme, ordered, warn
from peergate.cli.doctor.fixing import Fix, rights_fixes
from peergate.cli.doctor.gate import companion_findings, condition_findings, configuration_findings
from peergate.cli.doctor.others import aggregated_findings, mutating_findings
from peergate.cli.doctor.people import approver_findings, owner_findings, policy_findings
from peergate.cli.doctor.reach import (
    RESIDUAL,
    decider_findings,
    default_findings,
    look_alike_findings,
    pod_security_findings,
    protection_findings,
    tag_findings,
)
from peergate.cli.doctor.reading import Reader
from peergate.cli.doctor.rights import closable, judge_rights
from peergate.cli.doctor.screen import Progress, document_of, manifests_of, summary_of, table_of
from peergate.cli.doctor.seen import Seen
from peergate.cli.doctor.service import (
    certificate_findings,
    clock_findings,
    leader_findings,
    replica_findings,
)
from peergate.cli.doctor.survey import Survey, survey
from peergate.cli.kube import Cluster, connect
from peergate.cli.output import Output
from peergate.cli.text import plural
from peergate.gate.access import Right
from peergate.gate.doors import EVERYTHING, named_rights
from peergate.model.names import JsonObject

__all__ = ["Examination", "examine"]

_FAILED: Final = 3
_EXEMPT_NAMESPACE: Final = "kube-system"
_CANARY_REVIEWS: Final = 200
"""Twenty agents, five namespaces, two objects."""
_CANARY_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Examination:
    """What the command line says."""

    config: Path | None
    fix: bool
    every: bool
    canary: bool
    max_reviews: int
    seconds: float
    output: str | None


def examine(out: Output, *, examination: Examination) -> int:
    """Look at everything, show it, and return the exit code: 3 if anything fails, else 0.

    Errors: CommandError when the cluster doesn't answer, or even its namespaces can't be read.
    """
    # Here the two flags name whom to look at; the questions are the administrator's own.
    asked = (out.flags.as_user, out.flags.as_groups)
    out.flags.as_user, out.flags.as_groups = None, ()
    progress = Progress()
    try:
        cluster = connect(out)
        progress("reading the cluster")
        seen = read_cluster(Reader(cluster), config=examination.config)
        agents = agents_of(seen.snapshot, rbac=seen.rbac)
        extra = asked_identity(*asked, snapshot=seen.snapshot)
        if extra is not None:
            agents = [*(one for one in agents if one.subject.username != extra.subject.username), extra]
        asker = Asker(
            cluster,
            most=examination.max_reviews,
            seconds=examination.seconds,
            progress=lambda done, planned: progress(f"access reviews: {done} of {planned}"),
        )
        found = survey(
            agents,
            namespaces=[cluster.namespace] if cluster.namespace_given else _places(seen),
            rbac=seen.rbac,
            every=examination.every,
            ask=asker.ask,
            named=named_rights(configuration=seen.settings.webhook.configuration),
        )
        findings = [
            *judge_rights(found, rbac=seen.rbac, unasked=asker.unasked),
            *_installation(seen, agents=agents, found=found, unasked=asker.unasked),
        ]
        if examination.canary:
            progress("dry-run deletions as the agents")
            findings += _canary(out, cluster=cluster, seen=seen, agents=agents, found=found)
    finally:
        progress.clear()
    findings = ordered(findings)
    closing = closable(found)
    fixes = rights_fixes(seen.rbac, agents=agents, closing=closing) if seen.rbac else []
    _show(
        out,
        findings=findings,
        fixes=[*fixes, *_other_fixes(findings, taken=fixes)],
        examination=examination,
        seen=seen,
        agents=agents,
    )
    return _FAILED if any(finding.level is Level.FAIL for finding in findings) else 0


def _installation(seen: Seen, *, agents: Sequence[Known], found: Survey, unasked: int) -> list[Finding]:
    return [
        *configuration_findings(seen),
        *condition_findings(seen),
        *companion_findings(seen),
        *certificate_findings(seen),
        *replica_findings(seen),
        *leader_findings(seen),
        *clock_findings(seen),
        *policy_findings(seen),
        *approver_findings(seen, agents=agents),
        *owner_findings(seen, agents=agents),
        *protection_findings(seen, agents=agents),
        *tag_findings(seen),
        *look_alike_findings(seen),
        *default_findings(seen),
        *pod_security_findings(seen, survey=found, unasked=unasked),
        *decider_findings(seen),
        *aggregated_findings(seen),
        *mutating_findings(seen),
        RESIDUAL,
        *_unread(seen),
    ]


def _canary(
    out: Output, *, cluster: Cluster, seen: Seen, agents: Sequence[Known], found: Survey
) -> list[Finding]:
    # Apart from the survey's number and time, which may be used up: the canary is worth more than the rest.
    asker = Asker(cluster, most=_CANARY_REVIEWS, seconds=_CANARY_SECONDS, progress=lambda *_: None)

    def may(agent: Known, right: Right) -> bool:
        if EVERYTHING in found.held.get(agent, ()):
            return True
        question = Question(agent.subject, right)
        return question in asker.ask([question])

    judged = [agent for agent in agents if agent.tag != "asked" and agent.subject.username]
    probes, idle = probes_for(judged, protected=seen.protected, may=may)
    verdicts = [probe(out, one) for one in probes]
    return canary_findings(
        verdicts,
        idle=idle,
        namespace=seen.settings.namespace,
        untried=len(judged) - len(probes) - len(idle),
    )


def _other_fixes(findings: Sequence[Finding], *, taken: Sequence[Fix]) -> list[Fix]:
    """Return what mends the rest; an object that is printed already is left to the next run."""
    printed = {_key(manifest) for fix in taken for manifest in fix.manifests}
    fixes = []
    for finding in findings:
        fresh = tuple(manifest for manifest in finding.manifests if _key(manifest) not in printed)
        printed |= {_key(manifest) for manifest in fresh}
        if fresh:
            fixes.append(Fix(finding.what, fresh))
    return fixes


def _key(manifest: JsonObject) -> tuple[str, str, str]:
    metadata = manifest["metadata"]
    return str(manifest["kind"]), str(metadata.get("namespace", "")), str(metadata["name"])


def _places(seen: Seen) -> list[str]:
    """Return where rights are looked at one by one: what is protected, and what the gate rests on."""
    own = [name for name in (seen.settings.namespace, _EXEMPT_NAMESPACE) if name in seen.snapshot.namespaces]
    return list(dict.fromkeys((*seen.protected, *own)))


def _unread(seen: Seen) -> list[Finding]:
    found = [
        warn(
            Theme.GATE,
            "unread",
            f"{path} can't be read: {said}.",
            allows="What depends on it was not checked.",
            mend=("ask for the right to read it, then: peergate doctor",),
        )
        for path, said in seen.unreadable.items()
    ]
    return found + [
        warn(Theme.GATE, "unread", f"{path} has more than 20,000 objects; the rest was not read.")
        for path in seen.cut
    ]


def _show(
    out: Output,
    *,
    findings: Sequence[Finding],
    fixes: Sequence[Fix],
    examination: Examination,
    seen: Seen,
    agents: Sequence[Known],
) -> None:
    if examination.fix:
        if fixes:
            out.data(manifests_of(fixes))
    elif examination.output:
        _print_document(out, findings, output=examination.output, seen=seen, agents=agents)
    else:
        out.table(table_of(findings, out=out))
    counts = summary_of(findings)
    out.say(
        f"{plural(len(agents), 'agent')}, {plural(len(seen.protected), 'protected namespace')}; "
        f"settings: {seen.settings_from}."
    )
    out.say(", ".join(f"{count} {level}" for level, count in counts.items()))
    if examination.fix:
        out.hint("Next:", "read it, then: kubectl diff -f FILE, kubectl apply -f FILE")
    elif fixes:
        out.hint("Next:", out.flags.command("doctor --fix > fix.yaml"))


def _print_document(
    out: Output, findings: Sequence[Finding], *, output: str, seen: Seen, agents: Sequence[Known]
) -> None:
    document = document_of(
        findings,
        time=seen.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        settings=seen.settings_from,
        agents=[agent.display for agent in agents],
        protectedNamespaces=list(seen.protected),
        unread=dict(seen.unreadable),
    )
    if output == "json":
        out.data(json.dumps(document, indent=2, ensure_ascii=True))
        return
    import yaml  # noqa: PLC0415 - only for -o yaml

    out.data(yaml.safe_dump(document, sort_keys=False))
