"""What policies open to agents that is closed otherwise: one sentence, one row."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.gate import NOW, connection, policy, review, snapshot, thing

from peergate.gate.decide import decide
from peergate.model.decision import Allow, Code, Deny
from peergate.model.review import Gate

QUOTA = review("CREATE", new=thing("ResourceQuota"))
EXEC = connection("pods/exec", command=["rm", "-rf", "/data"])
FORWARD = connection("pods/portforward", ports=[5432])
BARE = thing("Pod", "web-0", spec={"containers": [{"name": "c"}], "automountServiceAccountToken": False})
QUOTAS = [{"apiGroups": [""], "resources": ["resourcequotas"]}]
FORWARDS = ["pods/portforward"]


def outcome(subject: Any, *policies: dict[str, Any], **members: Any) -> str:
    known = snapshot(policies=policies, **{"pod": BARE, **members})
    decision = decide(review=subject, snapshot=known, now=NOW)
    return decision.reason if isinstance(decision, Allow) else str(decision.code)


ELSEWHERE = {"selector": {"matchLabels": {"team": "other"}}}
CASES = {
    "without a policy nothing is open": (QUOTA, (), "NotApprovable"),
    "a policy that says nothing opens nothing": (QUOTA, (policy(),), "NotApprovable"),
    "a policy opens a kind": (QUOTA, (policy(allowCreate=QUOTAS),), "exempt"),
    "one that does not select the namespace opens nothing": (
        QUOTA,
        (policy(allowCreate=QUOTAS, namespaces=ELSEWHERE),),
        "NotApprovable",
    ),
    "another kind stays closed": (
        QUOTA,
        (policy(allowCreate=[{"apiGroups": [""], "resources": ["limitranges"]}]),),
        "NotApprovable",
    ),
    "every policy that enforces must open it": (
        QUOTA,
        (policy("a", allowCreate=QUOTAS), policy("b")),
        "NotApprovable",
    ),
    "one that only watches need not": (
        QUOTA,
        (policy("a", allowCreate=QUOTAS), policy("b", mode="Audit")),
        "exempt",
    ),
    "one that cannot be read opens nothing": (
        QUOTA,
        (policy(allowCreate=QUOTAS, mode="Sometimes"),),
        "NotApprovable",
    ),
    "where policies only record it is recorded": (QUOTA, (policy(mode="Audit"),), "audit"),
    "where one warns it is told": (QUOTA, (policy(mode="Warn"), policy("b", mode="Audit")), "warn"),
    "where the one that records allows it, it is free": (
        QUOTA,
        (policy(mode="Audit", allowCreate=QUOTAS),),
        "exempt",
    ),
    "a policy opens a connection": (FORWARD, (policy(allowConnect=FORWARDS),), "exempt"),
    "another connection stays closed": (EXEC, (policy(allowConnect=FORWARDS),), "NotApprovable"),
    "the whole of the connections is not a name": (
        EXEC,
        (policy(allowCreate=[{"apiGroups": ["*"], "resources": ["*"]}]),),
        "NotApprovable",
    ),
}


@pytest.mark.parametrize(("subject", "policies", "want"), CASES.values(), ids=CASES.keys())
def test_opening(subject, policies, want):
    assert outcome(subject, *policies) == want


OPEN = policy(allowConnect=["pods/exec"])
ANOTHERS = thing("Pod", "web-0", spec={"serviceAccountName": "builder"})


def test_a_policy_never_opens_a_pod_of_somebody_else():
    assert outcome(EXEC, OPEN, pod=ANOTHERS) == "NotApprovable"
    assert outcome(EXEC, policy(mode="Audit", allowConnect=["pods/exec"]), pod=ANOTHERS) == "NotApprovable"
    assert outcome(EXEC, OPEN, pod=None) == "NotApprovable"


def test_what_cannot_be_looked_up_is_not_admitted():
    assert outcome(EXEC, OPEN) == "exempt"
    assert outcome(EXEC, OPEN, pod=None, lookup_failed=True) == "LookupFailed"
    assert outcome(EXEC, OPEN, stale=("protectionpolicies",)) == "KeyringUnavailable"
    in_open_namespace = connection("pods/exec", gate=Gate.IDENTITY)
    assert outcome(in_open_namespace, pod=None, lookup_failed=True) == "LookupFailed"
    assert outcome(in_open_namespace) == "harmless"


def test_what_only_warns_says_what_would_be_refused():
    known = snapshot(policies=[policy("soft", mode="Warn")], pod=BARE)
    decision = decide(review=QUOTA, snapshot=known, now=NOW)
    assert isinstance(decision, Allow)
    assert decision.warnings == ("peergate: would be refused: policy soft does not allow it",)
    assert (decision.code, decision.facts.rules) == (Code.NOT_APPROVABLE, ("soft",))


def test_a_refused_connection_shows_its_command():
    decision = decide(review=EXEC, snapshot=snapshot(pod=BARE), now=NOW)
    assert isinstance(decision, Deny)
    assert decision.facts.command == "rm -rf /data"
    assert "state=barred code=NotApprovable command='rm -rf /data'" in decision.message
    assert decision.message.startswith(
        "NOT APPROVABLE: connect Pod shop/web-0 by AI agent agents/bot would open a connection whose content "
        "no review can show. The object is unchanged."
    )
    assert decision.message.endswith(
        "Next: a policy may open this to agents (allowConnect); else a person does it."
    )


def test_a_command_line_cannot_play_tricks_with_the_text():
    words = ["echo", "it's not found\nstate=approved", "x" * 600]
    decision = decide(review=connection("pods/exec", command=words), snapshot=snapshot(pod=BARE), now=NOW)
    assert isinstance(decision, Deny)
    line = decision.message.split("\n")[2]
    assert line.startswith("state=barred code=NotApprovable command='echo it?s n-ot found?state=approved xxx")
    assert len(decision.message) <= 900
    assert len(decision.facts.command) == 512
