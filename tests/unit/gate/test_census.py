"""Whether anybody can satisfy a rule, and what is short if not."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from tests.support.approvals import approver, make_key
from tests.support.gate import NOW, policy

from peergate.approval.keyring import build_keyring
from peergate.gate.census import Census, short_list
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


def test_a_count_is_made_once_for_equal_questions():
    census = Census(build_keyring(PEOPLE), now=NOW)
    first, second = (compile_policy(policy(name, rules=[{}])).rules[0] for name in "pq")
    assert (census.shortage(first), census.shortage(second)) == ("", "")


def test_a_list_is_sorted_and_ends_after_ten():
    assert short_list(["b", "a"]) == "a, b"
    assert short_list([f"{number:02}" for number in range(12)]).endswith("08, 09 and 2 more")
