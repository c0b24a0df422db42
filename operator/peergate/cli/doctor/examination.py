"""One examination: read, ask, judge, show."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from peergate.approval.keyring import build_keyring
from peergate.cli.doctor.agents import Known, agents_of, asked_identity
from peergate.cli.doctor.asking import Asker
from peergate.cli.doctor.finding import Finding, Level, Theme, ordered, warn
from peergate.cli.doctor.fixing import Fix, rights_fixes
from peergate.cli.doctor.installed import CONFIGURATIONS, find_configuration, find_settings
from peergate.cli.doctor.reading import Reader
from peergate.cli.doctor.rights import closable, judge_rights
from peergate.cli.doctor.screen import Progress, document_of, manifests_of, summary_of, table_of
from peergate.cli.doctor.seen import Seen, read_accounts, read_namespaces, read_rbac
from peergate.cli.doctor.survey import survey
from peergate.cli.kube import connect
from peergate.cli.output import Output
from peergate.cli.text import plural
from peergate.errors import CommandError
from peergate.gate.policies import PolicyIndex
from peergate.gate.snapshot import Snapshot, gate_config
from peergate.settings import Settings

__all__ = ["Examination", "examine"]

_FAILED: Final = 3
_EXEMPT_NAMESPACE: Final = "kube-system"


@dataclass(frozen=True, slots=True)
class Examination:
    """What the command line says."""

    config: Path | None
    fix: bool
    every: bool
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
    cluster = connect(out)
    reader = Reader(cluster)
    progress("reading")
    seen = _read(reader, config=examination.config)
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
    )
    findings = judge_rights(found, rbac=seen.rbac, unasked=asker.unasked)
    findings += _unread(seen)
    progress.clear()
    fixes = rights_fixes(seen.rbac, agents=agents, closing=closable(found)) if seen.rbac else []
    _show(out, findings=ordered(findings), fixes=fixes, examination=examination, seen=seen, agents=agents)
    return _FAILED if any(finding.level is Level.FAIL for finding in findings) else 0


def _read(reader: Reader, *, config: Path | None) -> Seen:
    configurations = reader.all(CONFIGURATIONS)
    live = find_configuration(configurations or (), name=Settings().webhook.configuration)
    settings, where = find_settings(reader, file=config, configuration=live)
    live = find_configuration(configurations or (), name=settings.webhook.configuration)
    namespaces = read_namespaces(reader)
    accounts = read_accounts(reader, agent_label=settings.labels.agent)
    if namespaces is None or accounts is None:
        said = next(iter(reader.unreadable.values()), "")
        raise CommandError(
            f"can't read namespaces and accounts; {said}; the doctor is for administrators: "
            "use another --context"
        )
    snapshot = Snapshot(
        config=gate_config(settings),
        audience="",
        keyring=build_keyring({}),
        policies=PolicyIndex(),
        accounts=accounts,
        namespaces=namespaces,
    )
    rbac = read_rbac(reader)
    return Seen(
        settings=settings,
        settings_from=where,
        snapshot=snapshot,
        now=datetime.now(UTC),
        rbac=rbac,
        configuration=live,
        unreadable=dict(reader.unreadable),
        cut=tuple(reader.cut),
    )


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
