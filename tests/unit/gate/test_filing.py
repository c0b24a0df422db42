"""Whether a refused change is filed, and where: decided with the refusal, by what the snapshot knows."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from tests.support.gate import AGENT_UID, NOW, OTHER_UID, agent_user, review, snapshot, thing

from peergate.gate.decide import decide
from peergate.gate.filed import FiledRequest
from peergate.gate.snapshot import Backlog
from peergate.model.change import Requester
from peergate.model.changerequest import Rejection
from peergate.model.decision import Deny, Filing
from peergate.model.names import SELF_TEST_GROUP
from peergate.settings import Settings

WEB = thing("Deployment", "web", spec={"replicas": 3})
DAY = timedelta(hours=24)
BOT = Requester("system:serviceaccount:agents:bot", AGENT_UID)
SIBLING = Requester("system:serviceaccount:agents:sibling", "uid-sibling")
NEW = Filing(namespace="shop", filed_at=NOW, expires=NOW + DAY)
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Case:
    """One refusal of a deletion, what is known, and what becomes of it."""

    want: Filing | str | None
    ask: dict[str, Any] = field(default_factory=dict)
    filed: dict[str, Any] | None = None
    backlog: dict[str, Any] = field(default_factory=dict)
    known: dict[str, Any] = field(default_factory=dict)


def rejected(until: timedelta) -> Rejection:
    return Rejection(by="alice", reason="no", at=NOW - DAY, until=NOW + until)


CASES = {
    "what nobody filed yet is going to be filed": Case(NEW),
    "a dry run files nothing": Case(None, ask={"dry_run": True}),
    "nor does the self-test of the operator": Case(
        None,
        ask={"user": dataclasses.replace(agent_user(), groups=frozenset({SELF_TEST_GROUP}))},
    ),
    "a cluster-scoped target is filed in the operator's namespace": Case(
        dataclasses.replace(NEW, namespace="peergate-system"),
        ask={"old": thing("Node", "n1", namespace="")},
    ),
    "a Namespace too": Case(
        dataclasses.replace(NEW, namespace="peergate-system"),
        ask={"old": thing("Namespace", "shop", namespace="", labels={"peergate.dev/protected": "true"})},
    ),
    "what is open already is named with its own end": Case(
        Filing("shop", filed_at=NOW - MINUTE, expires=NOW + MINUTE, uid="u"),
        filed={"expires": NOW + MINUTE},
    ),
    "approved ones are open": Case(
        Filing("shop", filed_at=NOW - MINUTE, expires=NOW + DAY, uid="u"), filed={"state": "Approved"}
    ),
    "one that is overdue is filed anew": Case(NEW, filed={"expires": NOW}),
    "one that was used is filed anew": Case(NEW, filed={"state": "Used"}),
    "one that expired is filed anew": Case(NEW, filed={"state": "Expired"}),
    "one that is stale is filed anew": Case(NEW, filed={"state": "Stale"}),
    "one whose rejection has lapsed is filed anew": Case(
        NEW, filed={"state": "Rejected", "rejection": rejected(-MINUTE)}
    ),
    "one that is rejected stays as it is": Case(
        None, filed={"state": "Rejected", "rejection": rejected(MINUTE)}
    ),
    "so does one that is rejected and not yet marked so": Case(None, filed={"rejection": rejected(MINUTE)}),
    "what waits to be filed keeps the end it was told": Case(
        Filing("shop", filed_at=NOW - MINUTE, expires=NOW - MINUTE + DAY),
        backlog={"queued": True, "since": NOW - MINUTE, "of": {BOT: 100}, "full": True},
    ),
    "what was given up before is filed anew": Case(NEW, backlog={"since": NOW - MINUTE}),
    "a hundred open ones are enough": Case("limit", known={"open_requests": {BOT: 100}}),
    "ninety-nine are not": Case(NEW, known={"open_requests": {BOT: 99}}),
    "those that wait count too": Case("limit", known={"open_requests": {BOT: 60}}, backlog={"of": {BOT: 40}}),
    "those of another agent do not": Case(
        NEW, known={"open_requests": {SIBLING: 100}}, backlog={"of": {SIBLING: 900}}
    ),
    "nor those of an account of that name that is no more": Case(
        NEW, known={"open_requests": {dataclasses.replace(BOT, uid=OTHER_UID): 100}}
    ),
    "the limit does not touch what is open": Case(
        Filing("shop", filed_at=NOW - MINUTE, expires=NOW + DAY, uid="u"),
        filed={},
        known={"open_requests": {BOT: 100}},
    ),
    "a full queue takes no more": Case("queue", backlog={"full": True}),
    "what the operator may not look at is not filed": Case(
        "rights", backlog={"closed": {("apps", "deployments")}}
    ),
    "other kinds are": Case(NEW, backlog={"closed": {("", "deployments"), ("apps", "deployments/scale")}}),
    "a scale is looked at by itself": Case(
        "rights",
        ask={
            "subresource": "scale",
            "operation": "UPDATE",
            "new": thing("Deployment", "web", spec={"replicas": 1}),
        },
        backlog={"closed": {("apps", "deployments/scale")}},
    ),
    "a name that no ChangeRequest can hold is not filed": Case(
        "rights", ask={"user": agent_user("u" * 600, uid="")}, known={"usernames": ("u*",)}
    ),
    "a limit of zero files nothing": Case("limit", known={"limit": 0}),
}  # fmt: skip


def refused(case: Case, *, filed: FiledRequest | None = None) -> Any:
    known = dict(case.known)
    limit, usernames = known.pop("limit", 100), known.pop("usernames", ())
    settings = Settings.model_validate(
        {"limits": {"openRequestsPerRequester": limit}, "agents": {"usernames": usernames}}
    )
    ask = {"old": WEB, "operation": "DELETE", **case.ask}
    subject = review(ask.pop("operation"), **ask)
    bare = snapshot(settings=settings)
    facts = decide(review=subject, snapshot=bare, now=NOW).facts
    key = ("shop", str(facts.change_id))
    backlog = dict(case.backlog)
    if "since" in backlog:
        backlog["since"] = {key: backlog["since"]}
    if "queued" in backlog:
        backlog["queued"] = {key}
    requests = {}
    if case.filed is not None:
        members = {"created": NOW - MINUTE, "expires": NOW + DAY, "rejection": None, **case.filed}
        requests[key] = FiledRequest(
            change=facts.change_digest, uid="u", requester=facts.change.requester, annotations={}, **members
        )
    full = dataclasses.replace(bare, requests=requests, backlog=Backlog(**backlog), **known)
    return decide(review=subject, snapshot=full, now=NOW)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_filing(case):
    deny = refused(case)
    assert isinstance(deny, Deny)
    assert (deny.filing or deny.not_filed) == case.want
    if isinstance(case.want, Filing):
        request = f"request={case.want.namespace}/{deny.facts.change_id} "
        assert request in deny.message
        assert f" expires={case.want.expires:%Y-%m-%dT%H:%M}Z" in deny.message
    elif case.want is not None:
        assert "request=none " in deny.message


def test_an_update_that_attaches_too_much_is_no_change_to_file():
    annotations = {f"approval.peergate.dev/v1.s{number}": "{}" for number in range(9)}
    old = thing("ConfigMap", "c")
    new = thing("ConfigMap", "c", annotations=annotations)
    deny = decide(review=review("UPDATE", old=old, new=new), snapshot=snapshot(), now=NOW)
    assert (deny.code, deny.filing, deny.not_filed) == ("TooManyApprovals", None, None)


def test_a_deletion_with_too_many_approvals_on_its_object_is_filed():
    annotations = {f"approval.peergate.dev/v1.s{number}": "{}" for number in range(9)}
    deny = decide(
        review=review("DELETE", old=thing("ConfigMap", "c", annotations=annotations)),
        snapshot=snapshot(),
        now=NOW,
    )
    assert (deny.code, deny.filing) == ("TooManyApprovals", NEW)
