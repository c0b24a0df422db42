"""What a rejection covers: the very change, and every other that the same approval could admit."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.gate import AGENT_UID, AUDIENCE, NOW, changed, policy, review, snapshot, thing
from tests.support.peers import approver, sign

from peergate.approval.change import change_digest, change_id
from peergate.approval.target import Target
from peergate.gate.decide import decide
from peergate.gate.filed import FiledRequest
from peergate.gate.rejected import rejections_by_object
from peergate.model.change import Change, ObjectRef, Requester
from peergate.model.changerequest import Rejection
from peergate.model.decision import Allow, Deny, State
from peergate.model.names import Digest

POD = thing("Pod", "web-0", spec={"nodeName": "n", "terminationGracePeriodSeconds": 30})
WEB = thing("Deployment", "web", spec={"replicas": 3, "image": "web:1"})
NO = Rejection(by="bob", reason="no", at=NOW, until=NOW + timedelta(hours=1))
SLOT = "approval.peergate.dev/v1.alice"
APPROVERS = {"alice": approver("alice"), "bob": approver("bob")}
DRIFTING = policy(rules=[{"ignore": ["/spec/replicas"]}])
BACKGROUND = {"propagationPolicy": "Background"}


def target(subject: Any) -> Target:
    metadata = subject.old_object["metadata"]
    resource = subject.resource
    return Target(
        audience=AUDIENCE,
        operation=subject.operation,
        object=ObjectRef(
            resource.group,
            resource.version,
            resource.resource,
            "",
            "shop",
            metadata["name"],
            metadata["uid"],
        ),
        requester=Requester("system:serviceaccount:agents:bot", AGENT_UID),
        requester_owner="team-platform",
        kind=subject.kind,
        old=subject.old_object,
        new=subject.object,
        options=subject.options if subject.operation == "DELETE" else None,
    )


def deletion(grace: int | None = None, *, propagation: str = "Background") -> Any:
    options: dict[str, Any] = {"propagationPolicy": propagation}
    if grace is not None:
        options["gracePeriodSeconds"] = grace
    return review("DELETE", old=POD, options=options)


def change(grace: int | None = None, **how: Any) -> Change:
    return target(deletion(grace, **how)).change("k8s-identity/v1")


def filed(of: Change, *, rejection: Rejection | None = NO) -> dict[tuple[str, str], FiledRequest]:
    digest = change_digest(of)
    request = FiledRequest(
        change=digest,
        uid="u",
        requester=of.requester,
        annotations={},
        rejection=rejection,
        created=NOW,
        expires=NOW + timedelta(hours=24),
        rejected=of if rejection else None,
    )
    return {("shop", change_id(digest)): request}


def decided(subject: Any, *, rejected: Change, approval: str, rejection: Rejection = NO, **known: Any) -> Any:
    old = changed(subject.old_object, "metadata", "annotations", to={SLOT: approval})
    requests = filed(rejected, rejection=rejection)
    full = snapshot(
        approvers=APPROVERS,
        requests=requests,
        rejections=rejections_by_object(requests, namespace="peergate-system"),
        **known,
    )
    return decide(review=replace(subject, old_object=old), snapshot=full, now=NOW)


def outcome(*subject: Any, **how: Any) -> str:
    decision = decided(*subject, **how)
    return decision.reason if isinstance(decision, Allow) else str(decision.code)


ANY_GRACE = sign(replace(change(), options={**BACKGROUND, "minGracePeriodSeconds": 0}))
OTHER_BOT = replace(change(), requester=Requester("system:serviceaccount:agents:sibling", "x"))
REJECTED: dict[str, tuple[Any, Change, str]] = {
    "the very change": (deletion(), change(), "ChangeRejected"),
    "the same with another grace": (deletion(31), change(), "ChangeRejected"),
    "the same with less": (deletion(0), change(), "ChangeRejected"),
    "not another propagation": (deletion(), change(propagation="Orphan"), "approved"),
    "not another agent's": (deletion(), OTHER_BOT, "approved"),
    "not another state of the object": (deletion(), replace(change(), from_=Digest("0" * 64)), "approved"),
    "not another instance": (
        deletion(),
        replace(change(), object=replace(change().object, uid="another")),
        "approved",
    ),
    "not its eviction": (
        deletion(),
        replace(change(), object=replace(change().object, subresource="eviction")),
        "approved",
    ),
}


@pytest.mark.parametrize(("subject", "rejected", "want"), REJECTED.values(), ids=REJECTED.keys())
def test_a_rejection_covers(subject, rejected, want):
    assert outcome(subject, rejected=rejected, approval=ANY_GRACE) == want


def test_it_lapses():
    over = replace_until(NOW)
    assert outcome(deletion(31), rejected=change(), approval=ANY_GRACE, rejection=over) == "approved"


def replace_until(until: Any) -> Rejection:
    return NO.model_copy(update={"until": until})


def test_the_refusal_names_the_request_that_was_rejected_and_files_no_other():
    deny = decided(deletion(31), rejected=change(), approval=ANY_GRACE)
    assert isinstance(deny, Deny)
    assert (deny.state, deny.filing) == (State.REJECTED, None)
    assert f"request=shop/{change_id(change_digest(change()))} state=rejected" in deny.message
    assert "was rejected by bob: 'no'." in deny.message


# --- approvals that leave something open -----------------------------------------------------------------


def update(replicas: int) -> Any:
    old = changed(WEB, "spec", "replicas", to=replicas)
    return review("UPDATE", old=old, new=changed(old, "spec", "image", to="web:2"))


def ignoring(replicas: int) -> str:
    """Return an approval of the update that holds whatever the number of replicas is."""
    plain = target(update(replicas))
    digests = plain.digests("k8s-projection/v1", ignore=("/spec/replicas",))
    signed = replace(plain.change("k8s-projection/v1"), from_=digests.from_, to=digests.to)
    return sign(signed, ignore=("/spec/replicas",))


def test_an_approval_that_ignores_a_pointer_does_not_admit_what_was_rejected_in_another_state():
    rejected = target(update(3)).change("k8s-projection/v1")
    drifted = {"rejected": rejected, "approval": ignoring(3), "policies": [DRIFTING]}
    lapsed = outcome(update(4), **drifted, rejection=replace_until(NOW))
    assert lapsed == "approved"
    deny = decided(update(4), **drifted)
    assert isinstance(deny, Deny)
    assert (deny.code, deny.state, deny.filing) == ("ChangeRejected", State.REJECTED, None)
    assert f"request=shop/{change_id(change_digest(rejected))} state=rejected" in deny.message


def test_one_that_leaves_nothing_open_does():
    rejected = target(update(3)).change("k8s-projection/v1")
    exact = sign(target(update(4)).change("k8s-projection/v1"))
    assert outcome(update(4), rejected=rejected, approval=exact, policies=[DRIFTING]) == "approved"


def test_one_that_was_refused_anyway_keeps_its_code():
    rejected = target(update(3)).change("k8s-projection/v1")
    spoilt = sign(target(update(4)).change("k8s-projection/v1"), ttl=timedelta(hours=30))
    deny = decided(update(4), rejected=rejected, approval=spoilt, policies=[DRIFTING])
    assert deny.code == "LifetimeTooLong"


def test_only_what_stands_where_the_operator_files_counts():
    ((where, name), request) = next(iter(filed(change()).items()))
    assert rejections_by_object({(where, name): request}, namespace="x") == {"uid-of-pod-web-0": (request,)}
    assert rejections_by_object({("elsewhere", name): request}, namespace="x") == {}
    assert rejections_by_object({(where, "cr-of-another"): request}, namespace="x") == {}
    assert rejections_by_object({(where, name): replace(request, rejected=None)}, namespace="x") == {}
    node = replace(change(), object=replace(change().object, namespace=""))
    ((_, its_name), of_a_node) = next(iter(filed(node).items()))
    assert rejections_by_object({("x", its_name): of_a_node}, namespace="x") != {}
