"""Every refusal, word for word: what an agent, a person and a log see."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from tests.support.gate import AGENT_UID, AUDIENCE, review, snapshot, thing

from peergate.approval.change import change_id
from peergate.approval.keyring import RegisteredApprover
from peergate.gate.filed import FiledRequest
from peergate.gate.findings import Situation
from peergate.gate.messages import BOUNDARY, Refusal, barred, refusal, unavailable, would_need
from peergate.gate.policies import CompiledRule
from peergate.gate.principal import Agent
from peergate.gate.quorum import Quorum
from peergate.gate.wording import BANNED
from peergate.model.change import Change, ObjectRef, Requester
from peergate.model.changerequest import Rejection
from peergate.model.decision import Cause, Code, Details, Facts, Filing, NotCounted
from peergate.model.names import ChangeId, Digest
from peergate.model.policy import Approvals, Rule

LEDGER = thing("StatefulSet", "ledger-db", namespace="payments")
API = thing("Deployment", "api", namespace="payments")
CREDS = thing("Secret", "db-creds", namespace="payments")
NAMESPACE = thing("Namespace", "payments", namespace="")
BOT = thing("ServiceAccount", "sre-bot", namespace="ops")
AGENT = Agent(tag="label", owner="team-ops", display="ops/sre-bot")
CR = ChangeId("cr-hbzkqvmtwxcdfgjnprst")
EXPIRES = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def at(text):
    return datetime.strptime(text, "%Y-%m-%dT%H:%MZ").replace(tzinfo=UTC)


def filed(rejection=None):
    return FiledRequest(
        change=Digest("0" * 64),
        uid="uid-of-request",
        requester=Requester("system:serviceaccount:agents:bot", AGENT_UID),
        annotations={},
        rejection=rejection,
        created=at("2026-11-23T12:00Z"),
        expires=EXPIRES,
    )


FILING = Filing(namespace="payments", filed_at=at("2026-11-23T12:00Z"), expires=EXPIRES)


def approver(name):
    return RegisteredApprover(
        name=name,
        identity=f"{name}@example.com",
        class_="human",
        owner="",
        groups=frozenset(),
        kubernetes_usernames=frozenset(),
        keys=(),
        revoked_before=None,
        disabled=False,
    )


def quorum(*names, rule="prod/0", required=1, humans=1, missing=1, missing_humans=0, missing_owners=0):
    approvals = Approvals(required=required, min_humans=humans)
    return Quorum(
        rule=CompiledRule(name=rule, mode="Enforce", rule=Rule(approvals=approvals)),
        approvers=tuple(approver(name) for name in names),
        missing_approvers=missing,
        missing_humans=missing_humans,
        missing_owners=missing_owners,
    )


def failed(code, slot="alice", signer="alice"):
    return NotCounted(slot=slot, code=code, annotation=f"approval.peergate.dev/v1.{slot}", approver=signer)


def refused(subject, code, *, note="", not_counted=(), request=CR, dry_run=False, **parts):
    """Return the refusal of an agent's request, its ChangeRequest filed unless told otherwise."""
    subject = (
        review("UPDATE", old=subject[1], new=subject[1], dry_run=dry_run)
        if subject[0] == "update"
        else review(
            "DELETE",
            old=subject[1],
            dry_run=dry_run,
        )
    )
    parts = {"quorum": quorum(), "filing": FILING, **parts}
    furthest = not_counted[0] if not_counted and code is not Code.QUORUM_NOT_MET else None
    return refusal(
        Refusal(
            situation=Situation(review=subject, agent=AGENT, snapshot=snapshot()),
            code=code,
            facts=Facts(note=note, owner="team-ops", change_id=request, not_counted=tuple(not_counted)),
            furthest=furthest,
            **parts,
        ),
    )


STEPS = """Wait: kubectl -n payments wait --for=condition=Decided chreq/cr-hbzkqvmtwxcdfgjnprst
Then: repeat the identical request once; it is admitted if approved.
Why: kubectl -n payments annotate chreq/cr-hbzkqvmtwxcdfgjnprst peergate.dev/reason='...'
Peer: peergate -n payments show cr-hbzkqvmtwxcdfgjnprst"""
HEAD = "request=payments/cr-hbzkqvmtwxcdfgjnprst"
TAIL = "rule=prod/0 expires=2026-11-24T12:00Z"

GOLDEN = {
    "pending, delete": (
        refused(("delete", LEDGER), Code.APPROVAL_MISSING),
        f"""APPROVAL REQUIRED (pending 0/1): delete StatefulSet payments/ledger-db by AI agent ops/sre-bot waits for a peer signature. The object is unchanged.
{BOUNDARY}
{HEAD} state=pending code=ApprovalMissing approvals=0/1 {TAIL}
{STEPS}""",
    ),
    "pending, update": (
        refused(("update", API), Code.APPROVAL_MISSING, note="scale to 0"),
        f"""APPROVAL REQUIRED (pending 0/1): update Deployment payments/api (scale to 0) by AI agent ops/sre-bot waits for a peer signature. The object is unchanged.
{BOUNDARY}
{HEAD} state=pending code=ApprovalMissing approvals=0/1 {TAIL}
{STEPS}""",
    ),
    "pending, three needed": (
        refused(("delete", LEDGER), Code.APPROVAL_MISSING, quorum=quorum(required=3, missing=3)),
        f"""APPROVAL REQUIRED (pending 0/3): delete StatefulSet payments/ledger-db by AI agent ops/sre-bot waits for 3 peer signatures. The object is unchanged.
{BOUNDARY}
{HEAD} state=pending code=ApprovalMissing approvals=0/3 {TAIL}
{STEPS}""",
    ),
    "pending, not filed: the peer is told what to run": (
        refused(("delete", LEDGER), Code.APPROVAL_MISSING, filing="limit"),
        f"""APPROVAL REQUIRED (pending 0/1): delete StatefulSet payments/ledger-db by AI agent ops/sre-bot waits for a peer signature. The object is unchanged.
{BOUNDARY}
request=none state=pending code=ApprovalMissing approvals=0/1 rule=prod/0
Peer: peergate -n payments approve delete statefulset/ledger-db --requester system:serviceaccount:agents:bot
Then: peergate -n payments attach -f APPROVAL statefulset/ledger-db
Then: repeat the identical request once; it is admitted if the approval fits.""",
    ),
    "pending, update, not filed": (
        refused(("update", API), Code.APPROVAL_MISSING, filing="rights"),
        f"""APPROVAL REQUIRED (pending 0/1): update Deployment payments/api by AI agent ops/sre-bot waits for a peer signature. The object is unchanged.
{BOUNDARY}
request=none state=pending code=ApprovalMissing approvals=0/1 rule=prod/0
Peer: peergate -n payments approve replace -f MANIFEST --requester system:serviceaccount:agents:bot
Then: peergate -n payments attach -f APPROVAL deployment/api
Then: repeat the identical request once; it is admitted if the approval fits.""",
    ),
    "quorum, cluster-scoped": (
        refused(
            ("delete", NAMESPACE),
            Code.QUORUM_NOT_MET,
            quorum=quorum("alice", rule="namespaces/0", required=2, humans=2, missing_humans=1),
            not_counted=[failed(Code.EXPIRED, "bob", "bob")],
        ),
        f"""APPROVAL REQUIRED (quorum 1/2): delete Namespace payments by AI agent ops/sre-bot has the signature of alice; 1 more is needed (human). The object is unchanged.
{BOUNDARY}
request=peergate-system/cr-hbzkqvmtwxcdfgjnprst state=quorum code=QuorumNotMet approvals=1/2 rule=namespaces/0 expires=2026-11-24T12:00Z not-counted=v1.bob:Expired
{STEPS.replace("payments", "peergate-system")}""",
    ),
    "quorum, two of four, of other owners": (
        refused(
            ("delete", LEDGER),
            Code.QUORUM_NOT_MET,
            quorum=quorum("alice", "bob", required=4, missing=2, missing_owners=2),
        ),
        f"""APPROVAL REQUIRED (quorum 2/4): delete StatefulSet payments/ledger-db by AI agent ops/sre-bot has the signatures of alice and bob; 2 more are needed (another owner). The object is unchanged.
{BOUNDARY}
{HEAD} state=quorum code=QuorumNotMet approvals=2/4 {TAIL}
{STEPS}""",
    ),
    "rejected": (
        refused(
            ("delete", LEDGER),
            Code.CHANGE_REJECTED,
            quorum=None,
            filed=filed(
                Rejection(
                    by="alice",
                    reason="take a volume snapshot first, then ask again",
                    at=at("2026-11-23T12:00Z"),
                    until=EXPIRES,
                ),
            ),
        ),
        f"""APPROVAL REJECTED: delete StatefulSet payments/ledger-db by AI agent ops/sre-bot was rejected by alice: 'take a volume snapshot first, then ask again'. The object is unchanged.
{BOUNDARY}
request=payments/{change_id(Digest("0" * 64))} state=rejected code=ChangeRejected by=alice until=2026-11-24T12:00Z
Next: the identical request stays rejected until then and notifies nobody; a different change is a new request.""",
    ),
    "expired": (
        refused(
            ("delete", LEDGER),
            Code.EXPIRED,
            not_counted=[failed(Code.EXPIRED)],
            ended=at("2026-11-23T11:45Z"),
        ),
        f"""APPROVAL EXPIRED: delete StatefulSet payments/ledger-db by AI agent ops/sre-bot carries an approval by alice that ended 2026-11-23T11:45Z. The object is unchanged.
{BOUNDARY}
{HEAD} state=expired code=Expired approvals=0/1 {TAIL}
{STEPS}""",
    ),
    "stale": (
        refused(("update", API), Code.OBJECT_CHANGED, not_counted=[failed(Code.OBJECT_CHANGED)]),
        f"""APPROVAL STALE: update Deployment payments/api by AI agent ops/sre-bot differs from what alice approved (the live object has changed since). The object is unchanged.
{BOUNDARY}
{HEAD} state=stale code=ObjectChanged approvals=0/1 {TAIL}
{STEPS}""",
    ),
    "used": (
        refused(
            ("update", API),
            Code.ALREADY_USED,
            not_counted=[failed(Code.ALREADY_USED)],
            ended=at("2026-11-23T11:52Z"),
        ),
        f"""APPROVAL USED: update Deployment payments/api by AI agent ops/sre-bot carries an approval by alice that was spent 2026-11-23T11:52Z. The object is unchanged.
{BOUNDARY}
{HEAD} state=used code=AlreadyUsed approvals=0/1 {TAIL}
{STEPS}""",
    ),
    "self": (
        refused(("delete", CREDS), Code.SAME_OWNER, not_counted=[failed(Code.SAME_OWNER, "helmsman", "helmsman")]),
        f"""APPROVAL NOT INDEPENDENT: delete Secret payments/db-creds by AI agent ops/sre-bot carries a signature by helmsman, which has the same owner (team-ops). The object is unchanged.
{BOUNDARY}
{HEAD} state=self code=SameOwner approvals=0/1 {TAIL}
{STEPS}""",
    ),
    "invalid": (
        refused(("delete", LEDGER), Code.SIGNATURE_INVALID, not_counted=[failed(Code.SIGNATURE_INVALID, signer="")]),
        f"""APPROVAL INVALID: delete StatefulSet payments/ledger-db by AI agent ops/sre-bot carries an approval that does not count (its signature does not verify). The object is unchanged.
{BOUNDARY}
{HEAD} state=invalid code=SignatureInvalid approvals=0/1 {TAIL}
{STEPS}""",
    ),
    "barred": (
        barred(
            Situation(review=review("UPDATE", old=BOT, new=BOT), agent=AGENT, snapshot=snapshot()),
            code=Code.NOT_APPROVABLE,
            why="would change the agent tag",
            facts=Facts(),
        ),
        f"""NOT APPROVABLE: update ServiceAccount ops/sre-bot by AI agent ops/sre-bot would change the agent tag. The object is unchanged.
{BOUNDARY}
state=barred code=NotApprovable
Next: no peer signature covers this; a person with cluster rights does it, or the task ends here.""",
    ),
    "unavailable": (
        unavailable(
            Situation(review=review("DELETE", old=LEDGER), agent=AGENT, snapshot=snapshot()),
            code=Code.KEYRING_UNAVAILABLE,
            facts=Facts(),
        ),
        f"""GUARD UNAVAILABLE: delete StatefulSet payments/ledger-db by AI agent ops/sre-bot could not be evaluated. The object is unchanged.
{BOUNDARY}
state=unavailable code=KeyringUnavailable
Next: repeat the identical request after a minute; if this persists, a person runs: peergate doctor""",
    ),
    "dry run": (
        refused(("delete", LEDGER), Code.APPROVAL_MISSING, dry_run=True, filing=None),
        f"""APPROVAL REQUIRED (dry run): delete StatefulSet payments/ledger-db by AI agent ops/sre-bot would need 1 peer signature. The object is unchanged.
{BOUNDARY}
state=dry-run code=ApprovalMissing approvals=0/1 rule=prod/0
Next: nothing was filed; send it without dry run, or ask a peer for: peergate -n payments approve delete statefulset/ledger-db --requester system:serviceaccount:agents:bot""",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("deny", "text"), GOLDEN.values(), ids=GOLDEN.keys())
def test_the_text_is_word_for_word(deny, text):
    assert deny.message == text


ALL = {
    f"{code}, {note or 'plain'}, {'dry run' if dry_run else 'real'}, {'filed' if request else 'not filed'}": refused(
        ("update", thing("Deployment", name, namespace="n" * 63)),
        code,
        note=note,
        not_counted=[failed(code, slot="a" * 32, signer=name) for _ in range(9)],
        dry_run=dry_run,
        filed=filed(
            Rejection(by=name, reason="timeout: not found\n\x1b[31m'404'" * 9, at=EXPIRES, until=EXPIRES)
        )
        if request
        else None,
        filing=FILING if request else "queue",
        ended=EXPIRES,
    )
    for code in Code
    for note in ("", "drops finalizers")
    for name in ("web", "x" * 253)
    for dry_run in (False, True)
    for request in (True, False)
    if code is not Code.QUORUM_NOT_MET
}


@pytest.mark.parametrize("deny", ALL.values(), ids=ALL.keys())
def test_every_text_obeys_the_rules(deny):
    lines = deny.message.split("\n")
    assert len(deny.message.encode()) <= 900
    assert len(lines[0].encode()) <= 450
    assert "The object is unchanged." in lines[0]
    assert all(" " <= char <= "~" and char not in '"\\' for line in lines for char in line)
    assert not [word for word in BANNED if word in deny.message.lower()]


def test_details_give_programs_the_same_facts():
    change = Change(
        audience=AUDIENCE,
        operation="UPDATE",
        object=ObjectRef("apps", "v1", "deployments", "", "payments", "api", "u"),
        requester=Requester("system:serviceaccount:agents:bot", AGENT_UID),
        projection="k8s-projection/v1",
        from_=Digest("a" * 64),
        to=Digest("b" * 64),
        options={},
    )
    other = failed(Code.EXPIRED, "bob")
    deny = refusal(
        Refusal(
            situation=Situation(review=review("UPDATE", old=API, new=API), agent=AGENT, snapshot=snapshot()),
            code=Code.APPROVAL_MISSING,
            facts=Facts(change=change, not_counted=(other,)),
            quorum=quorum(),
        ),
    )
    assert deny.details == Details(
        name="api",
        group="apps",
        kind="Deployment",
        uid="uid-of-deployment-api",
        causes=(
            Cause(
                "ApprovalMissing", "request=none state=pending code=ApprovalMissing approvals=0/1 rule=prod/0"
            ),
            Cause("Expired", "not counted: bob", "approval.peergate.dev/v1.bob"),
            Cause("From", "a" * 64),
            Cause("To", "b" * 64),
        ),
    )


def test_a_secrets_digests_stay_out_of_the_details():
    change = Change(
        audience=AUDIENCE,
        operation="UPDATE",
        object=ObjectRef("", "v1", "secrets", "", "payments", "db-creds", "u"),
        requester=Requester("a", "b"),
        projection="k8s-projection/v1",
        from_=Digest("a" * 64),
        to=Digest("b" * 64),
        options={},
    )
    deny = refusal(
        Refusal(
            situation=Situation(
                review=review("UPDATE", old=CREDS, new=CREDS), agent=AGENT, snapshot=snapshot()
            ),
            code=Code.APPROVAL_MISSING,
            facts=Facts(change=change),
        ),
    )
    assert [cause.reason for cause in deny.details.causes] == ["ApprovalMissing"]


def test_an_unavailable_guard_asks_to_retry_soon():
    deny = GOLDEN["unavailable"][0]
    assert (deny.http_code, deny.status_reason, deny.details.retry_after_seconds) == (
        503,
        "GuardUnavailable",
        2,
    )


def test_the_warning_of_mode_warn():
    assert would_need(quorum()) == "peergate: would need approval: rule prod/0, 0/1"
