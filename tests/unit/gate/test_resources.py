"""The form of Peergate's own resources: clear words for whoever writes one that would not work."""

from __future__ import annotations

import pytest
from tests.support.gate import NOW, PERSON, changed, policy, review, snapshot, thing
from tests.support.peers import approver, signer

from peergate.gate.decide import decide
from peergate.model.decision import Allow, State
from peergate.model.review import Gate, User

ALICE = {
    "identity": "alice@example.com",
    "class": "human",
    "keys": [{"type": "ssh", "publicKey": signer("alice").public_line}],
}
KNOWN = {
    "alice": approver("alice", kubernetesUsernames=["alice"]),
    "robot": approver("robot", **{"class": "agent"}, owner="team-a", kubernetesUsernames=["robot"]),
    "gone": approver("gone", disabled=True, kubernetesUsernames=["gone"]),
}
REQUEST = thing("ChangeRequest", "cr-x", spec={"requester": {"owner": "team-a"}})


def user(name):
    return User(username=name, uid="", groups=frozenset())


def rejected(by, document=REQUEST):
    return changed(document, "status", "rejection", to={"by": by, "reason": "no"})


def new(kind, name, spec, **members):
    return review("CREATE", new=thing(kind, name, spec=spec, **members), user=PERSON, gate=Gate.RESOURCES)


def status(old, fresh, who):
    return review("UPDATE", old=old, new=fresh, user=user(who), subresource="status", gate=Gate.RESOURCES)


CASES = {
    "a well-formed Approver": (new("Approver", "alice", ALICE), ""),
    "an Approver with an unreadable key": (
        new("Approver", "x", {**ALICE, "keys": [{"type": "ssh", "publicKey": "ssh-ed25519 AAAA"}]}),
        "Key 1",
    ),
    "an Approver without class": (
        new("Approver", "x", {"identity": "x", "keys": ALICE["keys"]}),
        "spec.class",
    ),
    "an Approver with somebody else's identity": (
        new("Approver", "x", {**ALICE, "keys": [{"type": "ssh", "publicKey": signer("x").public_line}]}),
        "The identity is also in Approver alice",
    ),
    "an Approver with somebody else's key": (
        new("Approver", "x", {**ALICE, "identity": "x@example.com"}),
        "is also in Approver alice",
    ),
    "an Approver with a good key and somebody else's": (
        new(
            "Approver",
            "x",
            {
                "identity": "x@example.com",
                "class": "human",
                "keys": [
                    {"type": "ssh", "publicKey": signer("x").public_line},
                    {"type": "ssh", "publicKey": signer("alice").public_line},
                ],
            },
        ),
        "is also in Approver alice",
    ),
    "an Approver with somebody else's user name": (
        new(
            "Approver",
            "x",
            {
                "identity": "x@example.com",
                "class": "human",
                "kubernetesUsernames": ["alice"],
                "keys": [{"type": "ssh", "publicKey": signer("x").public_line}],
            },
        ),
        "The Kubernetes user name alice is also in Approver alice",
    ),
    "an agent approver without owner": (
        new(
            "Approver",
            "x",
            {
                "identity": "x@example.com",
                "class": "agent",
                "keys": [{"type": "ssh", "publicKey": signer("x").public_line}],
            },
        ),
        "needs an owner",
    ),
    "an Approver on its way out": (
        new("Approver", "x", {}, deletionTimestamp="2026-11-23T12:00:00Z"),
        "",
    ),
    "a well-formed policy": (new("ProtectionPolicy", "a", policy()["spec"]), ""),
    "a policy with a wrong mode": (
        new("ProtectionPolicy", "a", policy(mode="Enforced")["spec"]),
        "spec.mode",
    ),
    "a policy's status": (
        review(
            "UPDATE",
            old=thing("ProtectionPolicy", "a"),
            new=thing("ProtectionPolicy", "a"),
            user=PERSON,
            subresource="status",
            gate=Gate.RESOURCES,
        ),
        "",
    ),
    "another group's resource": (new("ConfigMap", "a", {}), ""),
    "a rejection by the approver that the user is": (
        status(REQUEST, rejected("alice@example.com"), "alice"),
        "",
    ),
    "a rejection in another approver's name": (
        status(REQUEST, rejected("alice@example.com"), "gone"),
        "another approver",
    ),
    "a rejection by a disabled approver": (
        status(REQUEST, rejected("gone@example.com"), "gone"),
        "not an enabled",
    ),
    "a rejection by nobody": (status(REQUEST, rejected(7), "alice"), "not an enabled"),
    "an agent's rejection of its own owner's request": (
        status(REQUEST, rejected("robot@example.com"), "robot"),
        "own owner",
    ),
    "an agent's rejection of another owner's request": (
        status(
            changed(REQUEST, "spec", "requester", "owner", to="team-b"),
            rejected("robot@example.com", changed(REQUEST, "spec", "requester", "owner", to="team-b")),
            "robot",
        ),
        "",
    ),
    "a rejection that was there before": (
        status(rejected("alice@example.com"), rejected("alice@example.com"), "anybody"),
        "",
    ),
    "a rejection taken back": (status(rejected("alice@example.com"), REQUEST, "alice"), "set once"),
    "a rejection cleared by the operator": (
        status(rejected("alice@example.com"), REQUEST, "system:serviceaccount:peergate-system:peergate"),
        "",
    ),
}


@pytest.mark.parametrize(("subject", "problem"), CASES.values(), ids=CASES.keys())
def test_check(subject, problem):
    decision = decide(review=subject, snapshot=snapshot(approvers=KNOWN), now=NOW)
    if not problem:
        assert decision == Allow(reason="not-agent")
    else:
        assert decision.state is State.BARRED
        assert problem in decision.message
        assert "would not work" in decision.message
