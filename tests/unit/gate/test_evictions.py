"""Evictions: the approval of a deletion with subresource ``eviction``, read from the Pod (§6.4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.gate import AGENT_UID, AUDIENCE, NOW, changed, eviction, policy, review, snapshot, thing
from tests.support.peers import approver, sign

from peergate.approval.change import change_id
from peergate.approval.target import Target
from peergate.gate.decide import decide
from peergate.gate.filed import FiledRequest
from peergate.gate.snapshot import Backlog
from peergate.model.change import Change, ObjectRef, Requester
from peergate.model.decision import Allow, Deny
from peergate.model.review import Kind

POD = thing("Pod", "web-0", spec={"nodeName": "n", "terminationGracePeriodSeconds": 30})
UID = POD["metadata"]["uid"]
SLOT = "approval.peergate.dev/v1.alice"
APPROVERS = {"alice": approver("alice")}


def change(options: dict[str, Any] | None = None, *, subresource: str = "eviction") -> Change:
    return Target(
        audience=AUDIENCE,
        operation="DELETE",
        object=ObjectRef("", "v1", "pods", subresource, "shop", "web-0", UID),
        requester=Requester("system:serviceaccount:agents:bot", AGENT_UID),
        requester_owner="team-platform",
        kind=Kind("", "v1", "Pod"),
        old=POD,
        options=options,
    ).change("k8s-identity/v1")


def decided(
    options: dict[str, Any] | None = None,
    *,
    approval: str = "",
    policies: tuple[dict[str, Any], ...] = (),
    dry_run: bool = False,
    **members: Any,
) -> Any:
    pod = changed(POD, "metadata", "annotations", to={SLOT: approval}) if approval else POD
    known = snapshot(approvers=APPROVERS, policies=policies, **{"pod": pod, **members})
    return decide(review=eviction(options=options, dry_run=dry_run), snapshot=known, now=NOW)


def outcome(*options: Any, **how: Any) -> str:
    decision = decided(*options, **how)
    return decision.reason if isinstance(decision, Allow) else str(decision.code)


def test_an_eviction_needs_an_approval_and_takes_one_from_the_pod():
    assert outcome() == "ApprovalMissing"
    decision = decided(approval=sign(change()))
    assert isinstance(decision, Allow)
    assert decision.facts.change == change()
    assert decision.facts.change.options == {"minGracePeriodSeconds": 30}


def test_its_change_request_serves_as_well():
    missing = decided()
    digest = missing.facts.change_digest
    request = FiledRequest(
        change=digest,
        uid="uid-of-request",
        requester=missing.facts.change.requester,
        annotations={SLOT: sign(change())},
        rejection=None,
        created=NOW,
        expires=NOW + timedelta(hours=1),
    )
    assert outcome(requests={("shop", change_id(digest)): request}) == "approved"


OPTIONS = {
    "a shorter grace than was approved": ({"gracePeriodSeconds": 0}, "OptionsDiffer"),
    "a longer one": ({"gracePeriodSeconds": 60}, "approved"),
    "a propagation policy that nobody signed": ({"propagationPolicy": "Orphan"}, "OptionsDiffer"),
    "the uid of the Pod": ({"preconditions": {"uid": UID}}, "approved"),
    "the uid of another Pod": ({"preconditions": {"uid": "another"}}, "OptionsDiffer"),
    "options that no approval covers": ({"orphanDependents": True}, "NotApprovable"),
    "options that are none": ("x", "NotApprovable"),
}


@pytest.mark.parametrize(("options", "want"), OPTIONS.values(), ids=OPTIONS.keys())
def test_its_delete_options_are_bound(options, want):
    assert outcome(options, approval=sign(change())) == want


def test_an_approval_of_the_deletion_does_not_serve_it_nor_the_other_way_round():
    assert outcome(approval=sign(change(subresource=""))) == "WrongObject"
    pod = changed(POD, "metadata", "annotations", to={SLOT: sign(change())})
    deletion = review("DELETE", old=pod, options=None)
    decision = decide(review=deletion, snapshot=snapshot(approvers=APPROVERS), now=NOW)
    assert isinstance(decision, Deny)
    assert decision.code == "WrongObject"


WITH_UID = (policy(rules=[{"evictionNeedsUID": True}]),)


def test_a_policy_may_want_the_uid():
    approval = sign(change())
    assert outcome(approval=approval, policies=WITH_UID) == "NotApprovable"
    assert outcome({"preconditions": {"uid": UID}}, approval=approval, policies=WITH_UID) == "approved"
    message = decided(policies=WITH_UID).message
    assert "does not name the Pod by its uid, as policy prod wants it." in message
    assert "Next: repeat it with the uid of the Pod in deleteOptions.preconditions.uid." in message


def test_a_rule_for_other_kinds_leaves_it_free():
    rules = [{"resources": [{"apiGroups": ["apps"], "resources": ["*"]}]}]
    assert outcome(policies=(policy(rules=rules),)) == "unprotected"


def test_a_rule_with_a_selector_matches_since_an_eviction_shows_no_labels():
    rules = [{"selector": {"matchLabels": {"app": "other"}}}]
    assert outcome(policies=(policy(rules=rules),)) == "ApprovalMissing"


def test_a_pod_that_cannot_be_looked_up_is_not_evicted():
    assert outcome(pod=None, lookup_failed=True) == "LookupFailed"
    assert outcome(pod=None) == "NotApprovable"


def test_its_refusal_says_what_a_peer_runs():
    name = decided().facts.change_id
    assert decided().message == (
        "APPROVAL REQUIRED (pending 0/1): evict Pod shop/web-0 by AI agent agents/bot waits for a peer "
        "signature. The object is unchanged.\n"
        "This is a deliberate external approval boundary, not a fault and not a disruption budget; other "
        "verbs, tools and agent identities reach the same review.\n"
        f"request=shop/{name} state=pending code=ApprovalMissing approvals=0/1 rule=built-in "
        "expires=2026-11-24T12:00Z\n"
        f"Wait: kubectl -n shop wait --for=condition=Decided chreq/{name}\n"
        "Then: repeat the identical request once; it is admitted if approved.\n"
        f"Why: kubectl -n shop annotate chreq/{name} peergate.dev/reason='...'\n"
        f"Peer: peergate -n shop show {name}"
    )


def test_its_refusal_says_what_a_peer_runs_where_it_is_not_filed():
    assert decided(backlog=Backlog(full=True)).message == (
        "APPROVAL REQUIRED (pending 0/1): evict Pod shop/web-0 by AI agent agents/bot waits for a peer "
        "signature. The object is unchanged.\n"
        "This is a deliberate external approval boundary, not a fault and not a disruption budget; other "
        "verbs, tools and agent identities reach the same review.\n"
        "request=none state=pending code=ApprovalMissing approvals=0/1 rule=built-in\n"
        "Peer: peergate -n shop approve evict pod/web-0 --requester system:serviceaccount:agents:bot\n"
        "Then: peergate -n shop attach -f APPROVAL pod/web-0\n"
        "Then: repeat the identical request once; it is admitted if the approval fits."
    )
    assert "ask a peer for: peergate -n shop approve evict pod/web-0" in decided(dry_run=True).message


def test_what_is_evicted_under_a_recreated_name_is_another_pod():
    other = changed(POD, "metadata", "uid", to="another")
    approval = sign(change())
    known = snapshot(approvers=APPROVERS, pod=changed(other, "metadata", "annotations", to={SLOT: approval}))
    decision = decide(review=replace(eviction(), uid="again"), snapshot=known, now=NOW)
    assert isinstance(decision, Deny)
    assert decision.code == "ObjectReplaced"
