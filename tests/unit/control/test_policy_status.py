"""A policy that nobody can satisfy says so, and says which rule and what is short."""

from __future__ import annotations

from tests.support.approvals import approver, make_key
from tests.support.gate import NOW, policy, snapshot

from peergate.approval.keyring import build_keyring
from peergate.cluster.caches import read_policy
from peergate.control.policies import policy_findings, policy_status
from peergate.gate.census import Census
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
}


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
