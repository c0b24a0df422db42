"""Try policies: compile them, let the gate's own function judge an imagined request, say what it takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, assert_never

from peergate.cli.imagined import Imagined, imagined_review, imagined_snapshot
from peergate.cli.manifest import read_documents
from peergate.cli.output import Output
from peergate.cli.screen import rule_in_words
from peergate.cli.text import plural, visible
from peergate.errors import CommandError
from peergate.gate.decide import decide
from peergate.gate.policies import (
    BASELINE,
    BUILT_IN,
    CompiledPolicy,
    CompiledRule,
    PolicyIndex,
    compile_policy,
)
from peergate.model.decision import Allow, Decision, Deny, Hold
from peergate.model.names import API_VERSION

__all__ = ["try_policies"]

_KIND: Final = "ProtectionPolicy"
_SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})
_FAILED: Final = 3


@dataclass(frozen=True, slots=True)
class _Read:
    """One policy, and the file it stands in."""

    file: str
    policy: CompiledPolicy


def try_policies(
    out: Output, *, paths: Sequence[str], imagined: Imagined, expect: str | None, as_json: bool
) -> int:
    """Print the verdict and what it takes; return the exit code.

    Errors: CommandError with exit code 2 for files that can't be read and requests that can't be meant.
    """
    found = [_Read(file=file, policy=policy) for path in paths for file, policy in _policies_in(path)]
    if not found:
        raise CommandError(
            f"no policy; {', '.join(map(visible, paths))} holds no {_KIND}; check the path", exit_code=2
        )
    _check_names(found)
    index = PolicyIndex.build(one.policy for one in found)
    review = imagined_review(imagined, flags=out.flags)
    snapshot = imagined_snapshot(imagined, review=review, policies=index)
    decision = decide(review=review, snapshot=snapshot, now=datetime.now(UTC))
    verdict = "allow" if isinstance(decision, Allow) else "deny"
    rules = _rules(decision, index=index)
    invalid = [one for one in found if one.policy.problem]
    as_expected = expect in {None, verdict}
    if as_json:
        out.document("PolicyTest", _document(decision, found=found, rules=rules, expect=expect))
    else:
        out.data("\n".join(_lines(decision, rules=rules)))
    for one in invalid:
        out.say(
            f"{out.alarm('invalid')} policy {visible(one.policy.name)} in {visible(one.file)}: "
            f"{visible(one.policy.problem)}; the gate reads it at its strictest: no approval satisfies it"
        )
    if not as_expected:
        out.say(f"{out.alarm('error:')} not as expected; the verdict is {verdict}, {expect} was expected")
    return _FAILED if invalid or not as_expected else 0


def _policies_in(path: str) -> Iterator[tuple[str, CompiledPolicy]]:
    folder = Path(path)
    files = [path]
    if path != "-" and folder.is_dir():
        files = sorted(str(file) for file in folder.rglob("*") if file.suffix in _SUFFIXES)
    for file in files:
        for document in read_documents(file, what="policy"):
            listed = document.get("items") if isinstance(document, dict) else None
            for one in listed if isinstance(listed, list) else [document]:
                if isinstance(one, dict) and _is_policy(one, file=file):
                    yield file, compile_policy(one)


def _is_policy(document: dict[str, Any], *, file: str) -> bool:
    if document.get("kind") != _KIND:
        return False
    metadata = document.get("metadata")
    if (
        document.get("apiVersion") != API_VERSION
        or not isinstance(metadata, dict)
        or not metadata.get("name")
    ):
        raise CommandError(
            f"no {_KIND} the cluster would take; {visible(file)}: it needs apiVersion {API_VERSION} and "
            "metadata.name; correct it",
            exit_code=2,
        )
    return True


def _check_names(found: Sequence[_Read]) -> None:
    seen: dict[str, str] = {}
    for one in found:
        if one.policy.name in seen:
            raise CommandError(
                f"two policies {visible(one.policy.name)}; in {visible(seen[one.policy.name])} and "
                f"{visible(one.file)}; only one can be in a cluster",
                exit_code=2,
            )
        seen[one.policy.name] = one.file


def _rules(decision: Decision, *, index: PolicyIndex) -> tuple[CompiledRule, ...]:
    """Return the rules that the request met."""
    facts = decision.refusal.facts if isinstance(decision, Hold) else decision.facts
    known = {rule.name: rule for policy in index.policies for rule in policy.rules}
    known |= {rule.name: rule for rule in (BUILT_IN, BASELINE)}
    return tuple(known[name] for name in facts.rules)


def _lines(decision: Decision, *, rules: Sequence[CompiledRule]) -> list[str]:
    match decision:
        case Allow():
            lines = [f"allow ({decision.reason})"]
            if decision.code is not None:
                lines.append(f"would be refused under mode Enforce: {decision.code}")
            lines += [f"warning: {warning}" for warning in decision.warnings]
        case Deny():
            lines = [f"deny ({decision.state}, {decision.code})"]
        case Hold():
            lines = [f"deny ({decision.refusal.state}, {decision.refusal.code}), held at first"]
        case _:
            assert_never(decision)
    lines += [f"rule {_mode(rule)}{rule_in_words(rule)}{_hold(rule)}" for rule in rules]
    if not rules and isinstance(decision, Allow):
        lines.append("no rule is met; nobody is asked")
    if not isinstance(decision, Allow):
        deny = decision.refusal if isinstance(decision, Hold) else decision
        lines += ["", "The agent reads:", *(f"  {line}" for line in deny.message.splitlines())]
    return lines


def _mode(rule: CompiledRule) -> str:
    return "" if rule.mode == "Enforce" else f"({rule.mode}) "


def _hold(rule: CompiledRule) -> str:
    seconds = int(rule.rule.hold.total_seconds())
    return f"; the client waits up to {plural(seconds, 'second')}" if seconds else ""


def _document(
    decision: Decision, *, found: Sequence[_Read], rules: Sequence[CompiledRule], expect: str | None
) -> dict[str, Any]:
    deny = (
        decision.refusal if isinstance(decision, Hold) else decision if isinstance(decision, Deny) else None
    )
    allow = decision if isinstance(decision, Allow) else None
    verdict = "deny" if deny else "allow"
    return {
        "decision": verdict,
        "asExpected": expect in {None, verdict},
        **({"reason": allow.reason} if allow else {}),
        **({"state": deny.state} if deny else {}),
        **({"code": deny.code} if deny else {"code": allow.code} if allow and allow.code else {}),
        "rules": [_rule_document(rule) for rule in rules],
        "warnings": list(allow.warnings) if allow else [],
        **({"message": deny.message} if deny else {}),
        "policies": [
            {"name": one.policy.name, "file": one.file, "problem": one.policy.problem} for one in found
        ],
    }


def _rule_document(rule: CompiledRule) -> dict[str, Any]:
    wanted = rule.rule.approvals
    return {
        "name": rule.name,
        "mode": rule.mode,
        "required": wanted.required,
        "minHumans": wanted.min_humans,
        "fromGroups": list(wanted.from_groups),
        "distinctOwners": wanted.distinct_owners,
        "hardwareKeys": wanted.hardware_keys,
        "maxTTLSeconds": int(rule.rule.max_ttl.total_seconds()),
        "holdSeconds": int(rule.rule.hold.total_seconds()),
    }
