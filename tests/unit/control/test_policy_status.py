"""A policy that nobody can satisfy says so, and says which rule and what is short."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from tests.support.approvals import approver, make_key
from tests.support.gate import NOW, policy, snapshot

from peergate.approval.keyring import build_keyring
from peergate.cluster.caches import read_policy
from peergate.control.policies import Census, policy_findings, policy_status
from peergate.gate.policies import compile_policy

SSH, SK = make_key("ssh-ed25519", "one"), make_key("sk-ed25519", "two")
PEOPLE = {
    "alice": approver("alice@example.com", SSH, owner="team-a", groups=["sre"]),
    "bob": approver("bob@example.com", make_key("ssh-ed25519", "bob"), owner="team-b"),
    "carol": approver("carol@example.com", SK, owner="team-b"),
    "robot": approver(
        "robot@example.com",
        make_key("ssh-ed25519", "robot"),
        **{"class": "agent", "owner": "team-c", "kubernetesUsernames": ["system:serviceaccount:a:r"]},
    ),
    "gone": approver("gone@example.com", make_key("ssh-ed25519", "gone"), owner="team-d", disabled=True),
    "late": approver(
        "late@example.com",
        {
            **make_key("ssh-ed25519", "late").record().model_dump(by_alias=True),
            "notAfter": "2026-01-01T00:00:00Z",
        },
        owner="team-e",
    ),
}


@dataclass(frozen=True)
class Case:
    short: str
    approvals: dict = field(default_factory=dict)
    who: tuple[str, ...] = tuple(PEOPLE)


CASES = {
    "one human of one is there": Case(short=""),
    "nobody is there": Case(short="Rule p/0 needs 1 approvers; there are 0.", who=()),
    "a disabled approver does not count": Case(
        short="Rule p/0 needs 1 approvers; there are 0.", who=("gone",)
    ),
    "an expired key does not count": Case(short="Rule p/0 needs 1 approvers; there are 0.", who=("late",)),
    "an agent is no human": Case(short="Rule p/0 needs 1 humans; there are 0.", who=("robot",)),
    "an agent will do where no human is asked for": Case(
        short="", approvals={"minHumans": 0}, who=("robot",)
    ),
    "only one in the group": Case(
        short="Rule p/0 needs 2 approvers in sre; there are 1.",
        approvals={"required": 2, "fromGroups": ["sre"]},
    ),
    "four approvers answer to three owners": Case(
        short="Rule p/0 needs approvers of 4 owners; there are 3.", approvals={"required": 4}
    ),
    "owners may be shared where the rule says so": Case(
        short="", approvals={"required": 4, "distinctOwners": False}
    ),
    "one hardware key is not two": Case(
        short="Rule p/0 needs 2 approvers with a hardware key; there are 1.",
        approvals={"required": 2, "hardwareKeys": True},
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_rule_is_satisfiable_or_says_what_is_short(case):
    census = Census(build_keyring({name: PEOPLE[name] for name in case.who}), now=NOW)
    compiled = compile_policy(policy("p", rules=[{"approvals": case.approvals}]))
    assert not compiled.problem
    assert census.shortage(compiled.rules[0]) == case.short


NAMESPACES = {
    "shop": {"peergate.dev/protected": "true", "team": "shop"},
    "open": {"team": "shop"},
    "other": {},
}


def findings(**spec):
    census = Census(build_keyring(PEOPLE), now=NOW)
    found = policy_findings(
        compile_policy(policy("p", **spec)),
        census=census,
        namespaces=NAMESPACES,
        protected_label="peergate.dev/protected",
    )
    return {one.type: (one.holds, one.reason, one.message) for one in found}


def test_a_policy_for_all_protected_namespaces_is_ready():
    assert findings() == {
        "Ready": (True, "Valid", ""),
        "NamespaceNotProtected": (False, "AllProtected", ""),
    }


def test_a_policy_that_names_an_unprotected_namespace_says_so():
    found = findings(namespaces={"selector": {"matchLabels": {"team": "shop"}}})
    assert found["NamespaceNotProtected"] == (
        True,
        "Unprotected",
        "It selects open, not labelled peergate.dev/protected=true, where it has no effect.",
    )


def test_a_policy_that_cannot_be_read_says_where():
    holds, reason, message = findings(mode="Perhaps")["Ready"]
    assert (holds, reason) == (False, "Invalid")
    assert message.startswith("spec.mode: ")
    assert message.endswith("It is read at its strictest: nothing satisfies it.")


def test_the_status_lists_where_the_built_in_rule_is_replaced_and_changes_only_when_it_must():
    document = policy("p", namespaces={"selector": {"matchLabels": {"team": "shop"}}})
    document["metadata"]["generation"] = 3
    known = snapshot(approvers=PEOPLE, namespaces=NAMESPACES)
    census = Census(known.keyring, now=NOW)
    first = policy_status(read_policy(document), snapshot=known, census=census, now=NOW)
    assert first["namespaces"] == ["shop"]
    assert {c["observedGeneration"] for c in first["conditions"]} == {3}
    document["status"] = first
    later = NOW.replace(year=2027)
    again = policy_status(read_policy(document), snapshot=known, census=census, now=later)
    assert again == first
