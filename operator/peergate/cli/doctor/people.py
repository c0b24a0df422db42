"""Whether there is somebody to ask: policies, approvers, owners."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

from pydantic import ValidationError

from peergate.approval.keyring import Keyring, RegisteredApprover, build_keyring
from peergate.cli.doctor.agents import Known
from peergate.cli.doctor.finding import Finding, Theme, fail, names, ok, warn
from peergate.cli.doctor.seen import Seen
from peergate.cli.text import plural, visible
from peergate.gate.census import Census, can_sign
from peergate.gate.policies import BASELINE, BUILT_IN, CompiledPolicy, PolicyIndex, compile_policy
from peergate.model.approver import ApproverSpec
from peergate.model.names import OWNER_ANNOTATION, JsonObject

__all__ = ["approver_findings", "owner_findings", "policy_findings", "read_keyring"]

_SOON: Final = timedelta(days=30)


def read_keyring(approvers: Iterable[JsonObject]) -> tuple[Keyring, dict[str, str]]:
    """Return the keyring, and why some Approvers can't be read, by name."""
    specs, broken = {}, {}
    for item in approvers:
        name = str((item.get("metadata") or {}).get("name", ""))
        try:
            specs[name] = ApproverSpec.model_validate(item.get("spec"))
        except ValidationError as error:
            first = error.errors()[0]
            broken[name] = f"spec.{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return build_keyring(specs), broken


def policy_findings(seen: Seen) -> list[Finding]:
    """Return policies that can't be read, rules that nobody can satisfy, and namespaces without any rule."""
    if seen.policies is None or seen.approvers is None:
        return []
    keyring, _ = read_keyring(seen.approvers)
    compiled = [compile_policy(item) for item in seen.policies]
    found = [_unreadable(policy) for policy in compiled if policy.problem]
    census = Census(keyring, now=seen.now)
    rules = [
        BUILT_IN,
        BASELINE,
        *(rule for policy in compiled if not policy.problem for rule in policy.rules),
    ]
    short: dict[str, None] = dict.fromkeys(sentence for rule in rules if (sentence := census.shortage(rule)))
    if short:
        found.append(
            warn(
                Theme.PEOPLE,
                "unsatisfied",
                visible(" ".join(list(short)[:3])),
                allows="What these rules guard stays refused for agents, whoever signs.",
                mend=("peergate approver create NAME --identity WHO --owner TEAM --key FILE.pub",),
            )
        )
    return [*found, *_toothless(seen, compiled)] or [
        ok(Theme.PEOPLE, "policies", f"{plural(len(compiled), 'policy', many='policies')}, each as it reads.")
    ]


def approver_findings(seen: Seen, *, agents: Sequence[Known]) -> list[Finding]:
    """Return approvers who can't sign, or not for long, and those who are an agent in disguise."""
    if seen.approvers is None:
        return []
    keyring, broken = read_keyring(seen.approvers)
    able = {one.name for one in keyring.approvers.values() if can_sign(one, hardware=False, now=seen.now)}
    disabled = {
        str(item["metadata"]["name"]) for item in seen.approvers if (item.get("spec") or {}).get("disabled")
    }
    every = {str(item["metadata"]["name"]) for item in seen.approvers}
    found = [
        warn(
            Theme.PEOPLE,
            "no-key",
            visible(
                f"Approver {name} has no valid key. {_why(name, keyring=keyring, broken=broken)}".strip()
            ),
            allows="No signature of this approver counts.",
            mend=(f"kubectl edit approver {visible(name)}",),
            subjects=(visible(name),),
        )
        for name in sorted(every - able - disabled)
    ]
    found += [
        _ending(one, seen=seen)
        for one in _by_name(keyring)
        if one.name in able and _ends_soon(one, seen=seen)
    ]
    found += _disguised(keyring, agents=agents)
    return found or [ok(Theme.PEOPLE, "approvers", f"{plural(len(able), 'approver')} can sign.")]


def owner_findings(seen: Seen, *, agents: Sequence[Known]) -> list[Finding]:
    """Return agents that nobody answers for, and owners who could only be asked about themselves."""
    ownerless = [agent for agent in agents if agent.account is not None and not agent.owner]
    found = []
    if ownerless:
        found.append(
            warn(
                Theme.PEOPLE,
                "owner",
                f"{names([agent.display for agent in ownerless])} without an owner.",
                allows="No agent may approve for it, and nobody answers for it.",
                mend=(_annotate(ownerless[0]),),
                subjects=tuple(agent.display for agent in ownerless),
            )
        )
    if seen.approvers is not None:
        keyring, _ = read_keyring(seen.approvers)
        found += _among_themselves(keyring, seen=seen, agents=agents)
    return found or [ok(Theme.PEOPLE, "owners", "Every agent has an owner, and peers of other owners.")]


def _annotate(agent: Known) -> str:
    namespace, name = agent.display.split("/")
    return f"kubectl -n {namespace} annotate serviceaccount {name} {OWNER_ANNOTATION}=TEAM"


def _unreadable(policy: CompiledPolicy) -> Finding:
    name = visible(policy.name)
    return warn(
        Theme.PEOPLE,
        "policy",
        visible(f"ProtectionPolicy {policy.name} can't be read: {policy.problem}."),
        allows="It is read at its strictest: what it guards stays refused for agents.",
        mend=(f"kubectl edit protectionpolicy {name}",),
        subjects=(name,),
    )


def _toothless(seen: Seen, compiled: Sequence[CompiledPolicy]) -> list[Finding]:
    """Return the protected namespaces in which policies replaced the built-in rule and enforce nothing."""
    index = PolicyIndex.build(compiled)
    found = []
    for name in seen.protected:
        selecting = index.selecting(seen.snapshot.namespaces[name])
        if selecting and all(policy.mode != "Enforce" for policy in selecting):
            found.append(name)
    if not found:
        return []
    return [
        warn(
            Theme.PEOPLE,
            "mode",
            f"No policy that selects {visible(names(found))} is in mode Enforce.",
            allows="Agents delete and replace there without a peer.",
            mend=('kubectl patch protectionpolicy NAME --type merge -p \'{"spec":{"mode":"Enforce"}}\'',),
            subjects=tuple(found),
        )
    ]


def _why(name: str, *, keyring: Keyring, broken: dict[str, str]) -> str:
    return broken.get(name) or " ".join(keyring.problems.get(name, ())) or "Every key is disabled or expired."


def _by_name(keyring: Keyring) -> list[RegisteredApprover]:
    return sorted(keyring.approvers.values(), key=lambda one: one.name)


def _ends_soon(approver: RegisteredApprover, *, seen: Seen) -> bool:
    """Tell whether no key is left in thirty days that counts now."""
    return not can_sign(approver, hardware=False, now=seen.now + _SOON)


def _ending(approver: RegisteredApprover, *, seen: Seen) -> Finding:
    ends = [key.record.not_after for key in approver.keys if key.record.not_after is not None]
    last = max((end for end in ends if end > seen.now), default=seen.now)
    name = visible(approver.name)
    return warn(
        Theme.PEOPLE,
        "key-ends",
        f"The last key of approver {name} ends on {last.strftime('%Y-%m-%d')}.",
        allows="From then on no signature of this approver counts.",
        mend=(f"kubectl edit approver {name}",),
        subjects=(name,),
    )


def _disguised(keyring: Keyring, *, agents: Sequence[Known]) -> list[Finding]:
    """Return the people who are the user of an agent: it could decide in their name."""
    usernames = {agent.subject.username: agent.display for agent in agents if agent.subject.username}
    return [
        fail(
            Theme.PEOPLE,
            "disguise",
            f"Approver {visible(one.name)} is a human by class and the agent {usernames[username]} by user.",
            allows="The agent may reject in a person's name, and who holds its key counts as a human.",
            mend=(f"kubectl edit approver {visible(one.name)}",),
            threats=("A35",),
            subjects=(visible(one.name),),
        )
        for one in _by_name(keyring)
        if one.class_ == "human"
        for username in sorted(one.kubernetes_usernames & usernames.keys())
    ]


def _among_themselves(keyring: Keyring, *, seen: Seen, agents: Sequence[Known]) -> list[Finding]:
    able = [one for one in keyring.approvers.values() if can_sign(one, hardware=False, now=seen.now)]
    owners: defaultdict[str, list[str]] = defaultdict(list)
    for agent in agents:
        if agent.owner:
            owners[agent.owner].append(agent.display)
    return [
        warn(
            Theme.PEOPLE,
            "one-owner",
            f"Every approver who may sign for {names(mine)} answers to its own owner, {visible(owner)}.",
            allows="Nobody from outside looks at what these agents do.",
            mend=("peergate approver create NAME --identity WHO --owner ANOTHER-TEAM --key FILE.pub",),
            subjects=tuple(mine),
        )
        for owner, mine in sorted(owners.items())
        if able and all(one.owner == owner for one in able)
    ]
