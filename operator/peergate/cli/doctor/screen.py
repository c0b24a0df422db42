"""The report as people and programs read it: a table worst first, or one document."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from peergate.cli.doctor.finding import Finding, Level
from peergate.cli.doctor.fixing import Fix
from peergate.cli.output import API_VERSION, Output
from peergate.cli.text import visible, wrap

__all__ = ["Progress", "document_of", "manifests_of", "summary_of", "table_of"]

_LEVEL: Final = 6
_CHECK: Final = 13
_INDENT: Final = " " * (_LEVEL + _CHECK)


def table_of(findings: Sequence[Finding], *, out: Output) -> list[str]:
    """Return the lines of the table; ``findings`` in the order they are to stand."""
    lines: list[str] = []
    for finding in findings:
        head, *rest = wrap(finding.what, rest=_INDENT, first=_INDENT)
        level = _painted(finding.level, out=out)
        lines.append(f"{level}{finding.check:<{_CHECK - 1}} {head[len(_INDENT) :]}")
        lines += rest
        if finding.level is Level.OK:
            continue
        threats = f" ({', '.join(finding.threats)})" if finding.threats else ""
        if finding.allows:
            lines += wrap(f"{finding.allows}{threats}", first=_INDENT, rest=_INDENT)
        lines += _mending(finding.mend)
        lines.append("")
    while lines and not lines[-1]:
        lines.pop()
    return lines


def summary_of(findings: Iterable[Finding]) -> dict[str, int]:
    """Return how many findings there are of each level."""
    found = [finding.level for finding in findings]
    return {level.value: found.count(level) for level in Level}


def document_of(findings: Sequence[Finding], **members: Any) -> dict[str, Any]:
    """Return the report for programs; its keys stay."""
    return {
        "apiVersion": API_VERSION,
        "kind": "DoctorReport",
        **members,
        "summary": summary_of(findings),
        "findings": [
            {
                "level": finding.level.value,
                "theme": finding.theme.value,
                "check": finding.check,
                "what": finding.what,
                "allows": finding.allows,
                "mend": list(finding.mend),
                "threats": list(finding.threats),
                "subjects": list(finding.subjects),
                "givenBy": list(finding.given),
            }
            for finding in findings
        ],
    }


def manifests_of(fixes: Iterable[Fix]) -> str:
    """Return the manifests as YAML for ``kubectl apply -f -``, each group under a comment that says why."""
    import yaml  # noqa: PLC0415 - help and completion start without it

    parts = []
    for fix in fixes:
        # Names of RBAC are almost free text: one with a line break of YAML's would end the comment.
        said = visible(fix.comment, limit=len(fix.comment))
        comment = "\n".join(wrap(said, first="# ", rest="# "))
        documents = [yaml.safe_dump(_plain(manifest), sort_keys=False) for manifest in fix.manifests]
        parts.append(f"{comment}\n" + "---\n".join(documents))
    return "---\n".join(parts)


class Progress:
    """One line on a terminal that says how far it is; nothing elsewhere."""

    def __init__(self) -> None:
        self._on = sys.stderr.isatty()
        self._shown = 0

    def __call__(self, what: str) -> None:
        """Show the text in place of the last one."""
        if self._on:
            sys.stderr.write(f"\r{what:<{self._shown}}")
            sys.stderr.flush()
            self._shown = len(what)

    def clear(self) -> None:
        """Take the line away."""
        if self._on and self._shown:
            sys.stderr.write(f"\r{' ' * self._shown}\r")
            sys.stderr.flush()
            self._shown = 0


def _painted(level: Level, *, out: Output) -> str:
    text = f"{level.value:<{_LEVEL - 1}}"
    if level is Level.FAIL:
        text = out.alarm(text)
    elif level is Level.WARN:
        text = out.strong(text)
    return f"{text} "


def _mending(texts: Sequence[str]) -> list[str]:
    lines: list[str] = []
    for text in texts:
        first = f"{_INDENT}mend: "
        # A command is to be copied: it stays on one line, however long it is.
        lines += [first + text] if _is_command(text) else wrap(text, first=first, rest=f"{_INDENT}  ")
    return lines


def _is_command(text: str) -> bool:
    return text.startswith(("kubectl ", "peergate ", "helm "))


def _plain(manifest: Mapping[str, Any]) -> Any:
    """Return a copy without shared parts, which YAML would write as aliases."""
    return json.loads(json.dumps(manifest))
