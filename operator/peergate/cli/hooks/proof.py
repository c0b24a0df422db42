"""What a round of dry-run deletions proves about each entry that judges agents; nothing here asks a cluster.

A refusal counts where it is ours: by the entry that must be asked, with our code and reason, about this
object and this account. Any other no (RBAC's, a policy's, another webhook's) proves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from peergate.approval.keyring import build_keyring
from peergate.cli.doctor.canary import Outcome, Tried
from peergate.gate.policies import PolicyIndex
from peergate.gate.principal import NotAgent, identify
from peergate.gate.snapshot import Account, Snapshot, gate_config
from peergate.model.decision import STATUS_REASON_OF, Code, State
from peergate.model.names import JsonObject
from peergate.model.review import Gate, User
from peergate.settings import Settings
from peergate.shipped.drift import differences
from peergate.shipped.listed import Listed, listed_in, live_conditions
from peergate.shipped.webhookconfig import JUDGING, entry_name, render, service_client_config

__all__ = ["Line", "configuration_line", "entry_line", "is_agent"]

_REFUSED: Final = 403


@dataclass(frozen=True, slots=True)
class Line:
    """What one check showed."""

    name: str
    good: bool
    text: str

    def __str__(self) -> str:
        """Return it as it is printed."""
        return f"{'ok  ' if self.good else 'FAIL'}  {self.name:<13}  {self.text}"


def is_agent(settings: Settings, *, namespace: str, name: str, uid: str, tagged: bool) -> bool:
    """Tell whether an account is an agent under these settings, by the gate's own rule."""
    snapshot = Snapshot(
        config=gate_config(settings),
        audience="",
        keyring=build_keyring({}),
        policies=PolicyIndex(),
        accounts={(namespace, name): Account(uid=uid, tagged=tagged, owner="")},
        namespaces={},
    )
    user = User(
        username=f"system:serviceaccount:{namespace}:{name}",
        uid=uid,
        groups=frozenset(
            {"system:authenticated", "system:serviceaccounts", f"system:serviceaccounts:{namespace}"}
        ),
    )
    return not isinstance(identify(user, snapshot=snapshot), NotAgent)


def configuration_line(live: JsonObject | None, *, settings: Settings, failure_policy: str) -> Line:
    """Return whether the live configuration is the shipped one, its judging entries with this failure policy.

    The canary shows what happens in its own namespaces; a selector that leaves out another one shows here.
    """
    name = settings.webhook.configuration
    if live is None:
        return Line("configuration", good=False, text=f"there is no webhook configuration {name}")
    expected = render(settings, client_config=service_client_config(settings))
    judging = {entry_name(gate) for gate in JUDGING}
    for entry in expected["webhooks"]:
        if entry["name"] in judging:
            entry["failurePolicy"] = failure_policy
    found = [f"{one.entry} {one.member}" for one in differences(live, expected=expected)]
    if found:
        return Line("configuration", good=False, text=f"{name} is not as shipped: {', '.join(found)}")
    return Line("configuration", good=True, text=f"{name} is as shipped")


def entry_line(
    gate: Gate,
    *,
    canary: Tried,
    bystander: Tried,
    stands_out: bool,
    kind: str,
    target: str,
    live: JsonObject | None,
    namespace: str,
) -> Line:
    """Return what one entry did with a deletion by each of the two accounts of ``namespace``.

    Shape: ``kind`` and ``target`` as refusals say them, ``ServiceAccount shop/db``; ``stands_out`` says that
    the bystander is no agent under the settings, and so must pass without being sent.
    """
    found = [_refusal(canary, gate=gate, kind=kind, target=target, agent=f"{namespace}/canary")]
    if stands_out:
        found += [_admission(bystander), _unsent(gate, live=live, namespace=namespace)]
        good = "a tagged account is refused, an untagged one is not sent"
    else:
        found.append(_refusal(bystander, gate=gate, kind=kind, target=target, agent=f"{namespace}/bystander"))
        good = "a tagged account is refused, and an untagged one, which the settings make an agent too"
    problems = [problem for problem in found if problem]
    return Line(str(gate), good=not problems, text="; ".join(problems) or good)


def _refusal(tried: Tried, *, gate: Gate, kind: str, target: str, agent: str) -> str:
    """Return why this is not our refusal of this deletion by this entry; empty when it is."""
    match tried.outcome:
        case Outcome.ADMITTED:
            return f"{agent} was admitted: the gate does not guard"
        case Outcome.SILENT:
            return f"the API server did not reach the gate: {tried.said}"
        case Outcome.UNAVAILABLE:
            return f"the gate could not decide: {tried.said}"
        case Outcome.REFUSED:
            wanted = (
                f'admission webhook "{entry_name(gate)}" denied the request: ',
                f"delete {kind} {target} ",
                f" by AI agent {agent} ",
                f" code={Code.NOT_APPROVABLE} ",
            )
            ours = tried.status == _REFUSED and tried.reason == STATUS_REASON_OF[State.BARRED]
            if ours and all(part in tried.message.replace("\n", " \n ") for part in wanted):
                return ""
            return f"{agent} was refused otherwise than by this entry: {tried.said}"
        case _:
            return f"{agent} was not refused by the gate: {tried.said}"


def _admission(tried: Tried) -> str:
    if tried.outcome is Outcome.ADMITTED:
        return ""
    return f"an untagged account is not let through: {tried.said}"


def _unsent(gate: Gate, *, live: JsonObject | None, namespace: str) -> str:
    """Return why an untagged account's requests are sent; empty where the condition keeps them off."""
    conditions: Mapping[str, str | None] = live_conditions(live or {})
    expression = conditions.get(entry_name(gate))
    if expression is None:
        return "the gate is wide: every service account is sent, and would wait while no replica answers"
    listed: Listed = listed_in(expression)
    account = f"system:serviceaccount:{namespace}"
    if f"{account}:bystander" in listed.accounts or namespace in listed.namespaces:
        return "an untagged account is listed among the agents"
    if f"{account}:canary" not in listed.accounts:
        return "the tagged account is not listed among the agents"
    return ""
