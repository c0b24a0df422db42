"""Each step from V7 to V24: what it refuses, with which code, and how far the approval got."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from tests.support.approvals import (
    ALICE,
    BOT,
    DROP,
    KINDS,
    NOW,
    PAYMENTS_API,
    MadeKey,
    approve,
    approver,
    delete_target,
    envelope,
    keyring,
    make_key,
    pod_target,
    ref,
    sign_document,
    statement,
    terms,
    update_target,
)

from peergate.approval.verify import Refused, Target, Verified, verify_approval
from peergate.model.decision import Code
from peergate.model.names import Digest

AFTER = "2026-11-23T12:00:01Z"
BEFORE = "2026-11-23T11:59:59Z"
ISSUED = "2026-11-23T11:55:00Z"
IDENTITY = frozenset({"k8s-identity/v1"})


@dataclass(frozen=True)
class Case:
    """A valid approval of an update with one thing changed."""

    step: int
    code: Code | None
    """``None``: it still counts."""
    changes: dict[str, Any] = field(default_factory=dict)
    """To the statement."""
    target: Callable[[], Target] = update_target
    signed: Callable[[], Target] | None = None
    """What was approved, if not the target."""
    kind: str = "ed25519"
    record: dict[str, Any] = field(default_factory=dict)
    approver: dict[str, Any] = field(default_factory=dict)
    terms: dict[str, Any] = field(default_factory=dict)
    how: dict[str, Any] = field(default_factory=dict)


def judge(case: Case) -> Verified | Refused:
    key = make_key(case.kind)
    target = case.target()
    value = approve(
        case.signed() if case.signed else target,
        key=key,
        changes=case.changes,
        **case.how,
    )
    ring = keyring(approver(ALICE, key.record(**case.record), **case.approver))
    found, again = (
        verify_approval(value, slot="alice", target=target, keyring=ring, terms=terms(**case.terms), now=NOW)
        for _ in range(2)
    )
    assert again == found  # what was opened before is weighed as if it were new
    return found


def changed(*path: str | int, to: Any) -> dict[str, Any]:
    result = copy.deepcopy(PAYMENTS_API)
    parent = result
    for step in path[:-1]:
        parent = parent.setdefault(step, {}) if isinstance(parent, dict) else parent[step]
    if to is DROP:
        del parent[path[-1]]
    else:
        parent[path[-1]] = to
    return result


def with_old(*path: str | int, to: Any) -> Callable[[], Target]:
    return lambda: delete_target(old=changed(*path, to=to))


def with_new(*path: str | int, to: Any) -> Callable[[], Target]:
    return lambda: update_target(new=changed(*path, to=to))


IMAGE = ("spec", "template", "spec", "containers", 0, "image")
REPLICAS = "/spec/replicas"
WITHOUT_REPLICAS = "bae5858a2ff639e856559ed6cec32c52e4e2945ae237c9eb4a488f7b9368a438"


def delete(**options: Any) -> Callable[[], Target]:
    return lambda: delete_target(options=options)


def pod(**members: Any) -> Callable[[], Target]:
    return lambda: pod_target(**members)


def evict(options: Any) -> Callable[[], Target]:
    def make() -> Target:
        plain = pod_target()
        place = ref(
            group="",
            resource="pods",
            subresource="eviction",
            name=plain.object.name,
            uid=plain.object.uid,
        )
        return pod_target(object=place, options=options)

    return make


def pod_with(**members: Any) -> dict[str, Any]:
    return {**pod_target().old, **members}


CASES = {
    # V11, V12
    "a signature by a key that is not registered is refused at V11": Case(
        11,
        Code.SIGNATURE_INVALID,
        approver={"keys": [make_key("ed25519", "other").record()]},
    ),
    "a hint at a key that is not registered, and nothing verifies, is an unknown approver at V11": Case(
        11,
        Code.UNKNOWN_APPROVER,
        how={"keyid": "SHA256:nobody"},
        approver={"keys": [make_key("ed25519", "other").record()]},
    ),
    "a hint at a key that is not registered decides nothing when another verifies (A8)": Case(
        24,
        None,
        how={"keyid": "SHA256:nobody"},
    ),
    "an empty hint is no hint": Case(24, None, how={"keyid": ""}),
    "an SSHSIG with an embedded key that is not registered is an unknown approver at V11": Case(
        11,
        Code.UNKNOWN_APPROVER,
        kind="ssh-ed25519",
        approver={"keys": [make_key("ssh-ed25519", "other").record()]},
    ),
    "a hardware key without touch is refused at V12 (A36)": Case(
        12,
        Code.USER_PRESENCE_MISSING,
        kind="sk-ed25519",
        how={"flags": 0x00},
    ),
    "a hardware key without touch counts where the record does not ask for it": Case(
        24,
        None,
        kind="sk-ed25519",
        how={"flags": 0x00},
        record={"require": {"userPresence": False}},
    ),
    "a hardware key without PIN is refused at V12 where the record asks for it": Case(
        12,
        Code.USER_PRESENCE_MISSING,
        kind="sk-ecdsa",
        how={"flags": 0x01},
        record={"require": {"userVerification": True}},
    ),
    "a hardware key with PIN and touch counts where the record asks for both": Case(
        24,
        None,
        kind="sk-ecdsa",
        how={"flags": 0x05},
        record={"require": {"userVerification": True}},
    ),
    "a hardware signature that announces attested data is refused at V11": Case(
        11,
        Code.SIGNATURE_INVALID,
        kind="sk-ed25519",
        how={"flags": 0x41},
    ),
    "a hardware signature that announces extensions is refused at V11": Case(
        11,
        Code.SIGNATURE_INVALID,
        kind="sk-ecdsa",
        how={"flags": 0x81},
    ),
    "the counter of a hardware key is ignored": Case(24, None, kind="sk-ed25519", how={"counter": 2**32 - 1}),
    "an SSHSIG over SHA-256 counts": Case(24, None, kind="ssh-ed25519", how={"hash_": "sha256"}),
    "an RSA SSHSIG with rsa-sha2-256 counts": Case(
        24, None, kind="ssh-rsa", how={"rsa_hash": "rsa-sha2-256"}
    ),
    "an RSA SSHSIG that calls itself ssh-rsa is refused at V11 (A9)": Case(
        11,
        Code.SIGNATURE_INVALID,
        kind="ssh-rsa",
        how={"rsa_hash": "ssh-rsa"},
    ),
    # V13
    "an unknown member in the predicate is refused at V13 (A14)": Case(
        13,
        Code.APPROVAL_MALFORMED,
        {"predicate.onlyOn": "Mondays"},
    ),
    "another predicate type is unsupported at V13 (A4)": Case(
        13,
        Code.UNSUPPORTED_TYPE,
        {"predicateType": "https://slsa.dev/provenance/v1"},
    ),
    "another projection of later days is unsupported at V13": Case(
        13,
        Code.UNSUPPORTED_TYPE,
        {"predicate.projection": "k8s-projection/v2"},
    ),
    "a subject that names another object than the predicate is refused at V13": Case(
        13,
        Code.APPROVAL_MALFORMED,
        {"subject.0.name": "apps/v1/deployments/prod/other"},
    ),
    # V14 to V18
    "a statement that names another approver than the key's is refused at V14": Case(
        14,
        Code.APPROVER_MISMATCH,
        {"predicate.approver": "bob@example.com"},
    ),
    "an approval for another cluster is refused at V15 (A15)": Case(
        15,
        Code.WRONG_CLUSTER,
        {"predicate.audience": "k8s:00000000-7c42-4a58-9a0a-2d7b5d0c8f11"},
    ),
    "an approval of the deletion does not cover an update at V16 (A28)": Case(
        16,
        Code.WRONG_OPERATION,
        signed=delete_target,
    ),
    "an approval of the update does not cover the deletion at V16": Case(
        16,
        Code.WRONG_OPERATION,
        signed=update_target,
        target=delete_target,
    ),
    "an approval for another group is refused at V17": Case(
        17,
        Code.WRONG_OBJECT,
        signed=lambda: update_target(object=ref(group="extensions")),
    ),
    "an approval for another resource is refused at V17": Case(
        17,
        Code.WRONG_OBJECT,
        signed=lambda: update_target(object=ref(resource="daemonsets")),
    ),
    "an approval for another subresource is refused at V17": Case(
        17,
        Code.WRONG_OBJECT,
        signed=lambda: update_target(object=ref(subresource="status")),
    ),
    "an approval for another namespace is refused at V17 (A15)": Case(
        17,
        Code.WRONG_OBJECT,
        signed=lambda: update_target(object=ref(namespace="staging")),
    ),
    "an approval for another name is refused at V17": Case(
        17,
        Code.WRONG_OBJECT,
        signed=lambda: update_target(object=ref(name="payments-db")),
    ),
    "an approval for another API version is refused at V17 (A26)": Case(
        17,
        Code.WRONG_VERSION,
        signed=lambda: update_target(object=ref(version="v1beta1")),
    ),
    "an approval for an object that was recreated under its name is refused at V17 (A16, A51)": Case(
        17,
        Code.OBJECT_REPLACED,
        signed=lambda: update_target(object=ref(uid="ffffffff")),
    ),
    "an approval for another account is refused at V18 (A24)": Case(
        18,
        Code.WRONG_REQUESTER,
        {"predicate.requester.username": "system:serviceaccount:agents:other"},
    ),
    "an approval for an account that was recreated is refused at V18 (A25)": Case(
        18,
        Code.WRONG_REQUESTER,
        {"predicate.requester.uid": "00000000"},
    ),
    # V19
    "the identity projection where policy does not list the kind is refused at V19 (A52)": Case(
        19,
        Code.PROJECTION_NOT_ALLOWED,
        {"predicate.projection": "k8s-identity/v1"},
        target=delete_target,
    ),
    "the whole projection where only the identity is allowed is refused at V19": Case(
        19,
        Code.PROJECTION_NOT_ALLOWED,
        target=delete_target,
        terms={"projections": IDENTITY},
    ),
    "an ignore pointer that policy does not list is refused at V19 (A21)": Case(
        19,
        Code.IGNORE_NOT_ALLOWED,
        {"predicate.ignore": [REPLICAS]},
    ),
    "an ill-formed ignore pointer is refused at V19, even if listed": Case(
        19,
        Code.IGNORE_NOT_ALLOWED,
        {"predicate.ignore": ["/spec"]},
        terms={"ignore": frozenset({"/spec"})},
    ),
    "an ignore pointer beside the identity projection is refused at V19": Case(
        19,
        Code.IGNORE_NOT_ALLOWED,
        {"predicate.ignore": [REPLICAS], "predicate.projection": "k8s-identity/v1"},
        target=delete_target,
        terms={"projections": IDENTITY, "ignore": frozenset({REPLICAS})},
    ),
    # V20
    "an object that changed after the approval is refused at V20 (A17)": Case(
        20,
        Code.OBJECT_CHANGED,
        target=with_old("spec", "paused", to=True),
        signed=delete_target,
    ),
    "an object that got an owner after the approval is refused at V20 (A42)": Case(
        20,
        Code.OBJECT_CHANGED,
        target=with_old("metadata", "ownerReferences", to=[{"uid": "x"}]),
        signed=delete_target,
    ),
    "an object whose last-applied annotation was forged is refused at V20 (A22)": Case(
        20,
        Code.OBJECT_CHANGED,
        target=with_old(
            "metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration", to="{}"
        ),
        signed=delete_target,
    ),
    "an update to something else than was approved is refused at V20 (A18)": Case(
        20,
        Code.CHANGE_DIFFERS,
        target=with_new(*IMAGE, to="payments-api:evil"),
        signed=update_target,
    ),
    "an update that also drops a finalizer is refused at V20 (A43)": Case(
        20,
        Code.CHANGE_DIFFERS,
        signed=with_new("spec", "paused", to=True),
        target=lambda: update_target(
            new={
                **changed("spec", "paused", to=True),
                "metadata": {**PAYMENTS_API["metadata"], "finalizers": []},
            },
        ),
    ),
    "an update that also changes status is refused at V20 (A20)": Case(
        20,
        Code.OBJECT_CHANGED,
        signed=with_new("spec", "paused", to=True),
        target=lambda: update_target(new={**changed("spec", "paused", to=True), "status": {"replicas": 0}}),
    ),
    "an object without canonical form equals no digest at V20 (A12)": Case(
        20,
        Code.OBJECT_CHANGED,
        target=with_old("spec", "weight", to=2**64),
        signed=delete_target,
    ),
    "an ignore pointer to an array element is refused when it is met": Case(
        20,
        Code.IGNORE_NOT_ALLOWED,
        {"predicate.ignore": ["/spec/template/spec/containers/0"]},
        terms={"ignore": frozenset({"/spec/template/spec/containers/0"})},
    ),
    # V21
    "a deletion with another propagation policy is refused at V21 (A23)": Case(
        21,
        Code.OPTIONS_DIFFER,
        target=delete(propagationPolicy="Orphan"),
        signed=delete(propagationPolicy="Background"),
    ),
    "a deletion without policy is not covered by an approval with one at V21": Case(
        21,
        Code.OPTIONS_DIFFER,
        target=delete(),
        signed=delete(propagationPolicy="Background"),
    ),
    "a deletion with a policy is not covered by an approval without one at V21": Case(
        21,
        Code.OPTIONS_DIFFER,
        target=delete(propagationPolicy="Background"),
        signed=delete(),
    ),
    "the unsafe deletion is refused at V21 (A49)": Case(
        21,
        Code.OPTIONS_DIFFER,
        signed=delete(),
        target=delete(ignoreStoreReadErrorWithClusterBreakingPotential=True),
    ),
    "an eviction whose precondition names another Pod is refused at V21": Case(
        21,
        Code.OPTIONS_DIFFER,
        target=evict({"preconditions": {"uid": "other"}}),
        signed=evict(None),
    ),
    "an eviction whose precondition names the Pod counts": Case(
        24,
        None,
        target=evict({"preconditions": {"uid": pod_target().object.uid}}),
        signed=evict(None),
    ),
    "an eviction without options counts": Case(24, None, target=evict(None)),
    "an eviction with a null precondition counts": Case(
        24,
        None,
        target=evict({"preconditions": {"uid": None}}),
        signed=evict(None),
    ),
    "a deletion whose precondition names another object only narrows": Case(
        24,
        None,
        target=delete(preconditions={"uid": "other"}),
        signed=delete(),
    ),
    "the deletion of a Pod is not covered by the approval of its eviction": Case(
        17,
        Code.WRONG_OBJECT,
        target=pod_target,
        signed=evict(None),
    ),
    "a forced Pod deletion is refused at V21 when the graceful one was approved (A23)": Case(
        21,
        Code.OPTIONS_DIFFER,
        target=pod(options={"gracePeriodSeconds": 0}),
        signed=pod_target,
    ),
    "a forced Pod deletion counts when zero seconds were approved": Case(
        24,
        None,
        target=pod(options={"gracePeriodSeconds": 0}),
    ),
    # V22
    "an approval issued 61 s ahead of the clock is not yet valid at V22": Case(
        22,
        Code.NOT_YET_VALID,
        {"predicate.issuedAt": "2026-11-23T12:01:01Z"},
    ),
    "an approval issued 60 s ahead of the clock counts": Case(
        24,
        None,
        {"predicate.issuedAt": "2026-11-23T12:01:00Z"},
    ),
    "an approval that ends this very second is expired at V22": Case(
        22,
        Code.EXPIRED,
        {"predicate.expires": "2026-11-23T12:00:00Z"},
    ),
    "an approval that ends a second later counts": Case(24, None, {"predicate.expires": AFTER}),
    "an approval that lives longer than policy allows is refused at V22 (A33)": Case(
        22,
        Code.LIFETIME_TOO_LONG,
        {"predicate.expires": "2026-11-23T12:10:01Z"},
    ),
    "an approval that lives exactly as long as policy allows counts": Case(
        24,
        None,
        {"predicate.expires": "2026-11-23T12:10:00Z"},
    ),
    # V23
    "the key of a disabled approver is revoked at V23": Case(
        23, Code.KEY_REVOKED, approver={"disabled": True}
    ),
    "a disabled key is revoked at V23, whatever the dates say (A33)": Case(
        23,
        Code.KEY_REVOKED,
        record={"disabled": True},
    ),
    "an approval issued before the approver's revocation is void at V23 (A34)": Case(
        23,
        Code.KEY_REVOKED,
        approver={"revokedBefore": "2026-11-23T11:55:01Z"},
    ),
    "an approval issued before the key's revocation is void at V23": Case(
        23,
        Code.KEY_REVOKED,
        record={"revokedBefore": "2026-11-23T11:55:01Z"},
    ),
    "an approval issued at the moment of revocation counts": Case(
        24,
        None,
        approver={"revokedBefore": ISSUED},
        record={"revokedBefore": ISSUED},
    ),
    "a key before its time is expired at V23": Case(23, Code.KEY_EXPIRED, record={"notBefore": AFTER}),
    "a key after its time is expired at V23": Case(23, Code.KEY_EXPIRED, record={"notAfter": BEFORE}),
    "a key counts from its first to its last second": Case(
        24,
        None,
        record={"notBefore": "2026-11-23T12:00:00Z", "notAfter": "2026-11-23T12:00:00Z"},
    ),
    # V24
    "an approval under a policy that is not there is refused at V24": Case(
        24,
        Code.POLICY_CHANGED,
        {"predicate.policy": {"name": "prod", "sha256": "a" * 64}},
    ),
    "an approval under a policy that changed is refused at V24": Case(
        24,
        Code.POLICY_CHANGED,
        {"predicate.policy": {"name": "prod", "sha256": "a" * 64}},
        terms={"policies": {"prod": Digest("b" * 64)}},
    ),
    "an approval under the very policy counts": Case(
        24,
        None,
        {"predicate.policy": {"name": "prod", "sha256": "a" * 64}},
        terms={"policies": {"prod": Digest("a" * 64)}},
    ),
    "an approver whose identity is the requester's user name approves itself at V24 (A35)": Case(
        24,
        Code.SELF_APPROVAL,
        {"predicate.approver": BOT.username},
        approver={"identity": BOT.username},
    ),
    "an approver who also is the requester's account approves itself at V24 (A35)": Case(
        24,
        Code.SELF_APPROVAL,
        approver={"kubernetesUsernames": [BOT.username]},
    ),
    "an agent of the requester's owner is not independent at V24": Case(
        24,
        Code.SAME_OWNER,
        approver={
            "class": "agent",
            "owner": "team-platform",
            "kubernetesUsernames": ["system:serviceaccount:a:b"],
        },
    ),
    "an agent is not independent at V24 where the requester's owner is unknown": Case(
        24,
        Code.SAME_OWNER,
        target=lambda: update_target(requester_owner=""),
        approver={"class": "agent", "owner": "team-x", "kubernetesUsernames": ["system:serviceaccount:a:b"]},
    ),
    "an agent of another owner counts": Case(
        24,
        None,
        approver={"class": "agent", "owner": "team-x", "kubernetesUsernames": ["system:serviceaccount:a:b"]},
    ),
    "a person of the requester's owner counts": Case(24, None, approver={"owner": "team-platform"}),
    # what counts
    "an approval of an update of an object whose finalizer would choose how to delete counts": Case(
        24,
        None,
        target=lambda: update_target(
            old=changed("metadata", "finalizers", to=["orphan"]),
            new=changed("metadata", "finalizers", to=["orphan", "example.com/drain"]),
        ),
    ),
    "an approval of a deletion that leaves a pointer unbound counts": Case(
        24,
        None,
        {
            "predicate.ignore": [REPLICAS],
            "predicate.from.sha256": WITHOUT_REPLICAS,
            "subject.0.digest.sha256": WITHOUT_REPLICAS,
        },
        target=with_old("spec", "replicas", to=5),
        terms={"ignore": frozenset({REPLICAS})},
    ),
    "an approval of the update counts": Case(24, None),
    "an approval of the deletion counts": Case(24, None, target=delete_target),
    "an approval of a Pod's deletion counts": Case(24, None, target=pod_target),
    "an approval bound to the identity counts whatever the object became": Case(
        24,
        None,
        {
            "predicate.projection": "k8s-identity/v1",
            "predicate.from.sha256": "2302421d8ada64b1c14fe817fe24c3db06ce887b7679f2fe801ec619207be954",
            "subject.0.digest.sha256": "2302421d8ada64b1c14fe817fe24c3db06ce887b7679f2fe801ec619207be954",
        },
        target=with_old("spec", "paused", to=True),
        terms={"projections": IDENTITY},
    ),
    **{f"a signature by a key of kind {kind} counts": Case(24, None, kind=kind) for kind in KINDS},
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_one_changed_thing(case: Case):
    verdict = judge(case)
    if case.code is None:
        assert isinstance(verdict, Verified), verdict
        assert verdict.approver.identity == verdict.statement.predicate.approver
        assert verdict.slot == "alice"
    else:
        assert isinstance(verdict, Refused)
        assert (verdict.step, verdict.code) == (case.step, case.code)
        assert (verdict.approver != "") == (case.step > 11)
        assert (verdict.expires is not None) == (case.step > 13)
        assert verdict.payload is not None


def ignoring(target: Target, *, signed_as: Target | None = None) -> Verified | Refused:
    digests = (signed_as or target).digests("k8s-projection/v1", ignore=(REPLICAS,))
    value = approve(
        target,
        changes={
            "predicate.ignore": [REPLICAS],
            "predicate.from.sha256": digests.from_,
            "predicate.to.sha256": digests.to,
            "subject.0.digest.sha256": digests.from_,
        },
    )
    return verify_approval(
        value,
        slot="a",
        target=target,
        keyring=keyring(approver()),
        terms=terms(ignore=frozenset({REPLICAS})),
        now=NOW,
    )


def test_drift_by_others_at_an_ignored_pointer_is_tolerated():
    scaled = update_target(old=changed("spec", "replicas", to=5), new=changed("spec", "replicas", to=5))
    paused = update_target(
        old=changed("spec", "replicas", to=5),
        new={**scaled.old, "spec": {**scaled.old["spec"], "paused": True}},
    )
    before = update_target(new=changed("spec", "paused", to=True))
    assert isinstance(ignoring(paused, signed_as=before), Verified)


def test_a_request_that_changes_an_ignored_field_itself_is_refused_at_v20():
    target = update_target(new=changed("spec", "replicas", to=0))
    verdict = ignoring(target)
    assert isinstance(verdict, Refused)
    assert (verdict.step, verdict.code) == (20, Code.CHANGE_DIFFERS)


ENVELOPES: dict[str, tuple[Callable[[str], str], int, Code]] = {
    "a value above 8,192 bytes is refused at V7 (A13)": (
        lambda text: text + " " * (8193 - len(text)),
        7,
        Code.APPROVAL_TOO_LARGE,
    ),
    "text that is no JSON is refused at V8": (lambda _: "alice says yes", 8, Code.APPROVAL_MALFORMED),
    "an envelope without signatures is refused at V8 (A2)": (
        lambda text: json.dumps({**json.loads(text), "signatures": []}),
        8,
        Code.APPROVAL_MALFORMED,
    ),
    "an envelope with two signatures is refused at V8": (
        lambda text: json.dumps({**json.loads(text), "signatures": json.loads(text)["signatures"] * 2}),
        8,
        Code.APPROVAL_MALFORMED,
    ),
    "another payloadType is unsupported at V9 (A4, A5)": (
        lambda text: json.dumps({**json.loads(text), "payloadType": "application/json"}),
        9,
        Code.UNSUPPORTED_TYPE,
    ),
    "a payload that is no base64 is refused at V10 (A11)": (
        lambda text: json.dumps({**json.loads(text), "payload": "!"}),
        10,
        Code.APPROVAL_MALFORMED,
    ),
    "a payload above 3,900 bytes is refused at V10": (
        lambda _: envelope(b"x" * 3901, b""),
        10,
        Code.APPROVAL_TOO_LARGE,
    ),
    "an empty signature is refused at V11 (A1, A2)": (
        lambda _: envelope(b"{}", b""),
        11,
        Code.SIGNATURE_INVALID,
    ),
    "an HMAC with the public key is refused at V11 (A1)": (
        lambda _: envelope(b"{}", b"\x00" * 32),
        11,
        Code.SIGNATURE_INVALID,
    ),
    "a broken SSHSIG is refused at V11": (
        lambda _: envelope(b"{}", b"SSHSIG and so on"),
        11,
        Code.SIGNATURE_INVALID,
    ),
    "an SSHSIG by a key that is registered for raw signatures is refused at V11 (P10)": (
        lambda _: sign_document({}, key=_as_ssh()),
        11,
        Code.SIGNATURE_INVALID,
    ),
    "a payload that is no statement is refused at V13": (
        lambda _: sign_document([], key=make_key("ed25519")),
        13,
        Code.APPROVAL_MALFORMED,
    ),
    "a payload with a duplicate member is refused at V13 (A6)": (
        lambda _: sign_document(
            json.dumps(statement(update_target().change("k8s-projection/v1")))
            .replace('"reason"', '"nonce": "x", "reason"')
            .encode(),
            key=make_key("ed25519"),
        ),
        13,
        Code.APPROVAL_MALFORMED,
    ),
}


def _as_ssh():
    return MadeKey("ssh-ed25519", make_key("ed25519").private)


@pytest.mark.parametrize(("spoil", "step", "code"), ENVELOPES.values(), ids=ENVELOPES)
def test_a_spoilt_envelope(spoil: Callable[[str], str], step: int, code: Code):
    verdict = verify_approval(
        spoil(approve(update_target())),
        slot="alice",
        target=update_target(),
        keyring=keyring(approver()),
        terms=terms(),
        now=NOW,
    )
    assert isinstance(verdict, Refused)
    assert (verdict.step, verdict.code) == (step, code)
    assert (verdict.payload is None) == (step < 11)


def verify_with(ring, value):
    return verify_approval(
        value, slot="s", target=update_target(), keyring=ring, terms=terms(), now=NOW + timedelta(seconds=1)
    )


def test_a_lying_hint_at_a_registered_key_decides_nothing():
    mine, other = make_key("ed25519"), make_key("ecdsa-p256")
    ring = keyring(approver(ALICE, mine, other))
    assert isinstance(verify_with(ring, approve(update_target(), key=mine, keyid=other.id)), Verified)


def test_a_hint_at_an_ssh_key_makes_it_no_candidate():
    mine, other = make_key("ed25519"), make_key("ssh-ed25519")
    ring = keyring(approver(ALICE, mine, other))
    assert isinstance(verify_with(ring, approve(update_target(), key=mine, keyid=other.id)), Verified)


def test_at_most_sixteen_keys_are_tried_and_a_hint_puts_one_first():
    keys = [make_key("ed25519", str(number)) for number in range(20)]
    ring = keyring(*(approver(f"a{i}@example.com", key) for i, key in enumerate(keys)))
    last = max(keys, key=lambda key: key.id)
    identity = f"a{keys.index(last)}@example.com"
    blind = verify_with(ring, approve(update_target(), key=last, approver=identity))
    hinted = verify_with(ring, approve(update_target(), key=last, approver=identity, keyid=last.id))
    assert isinstance(blind, Refused)
    assert blind.code is Code.SIGNATURE_INVALID
    assert isinstance(hinted, Verified)
    tried = ring.candidates(signature=b"\x00" * 64, key_id=last.id)
    assert len(tried) == 16
    assert tried[0].public.id == last.id
    assert sorted(key.public.id for key in tried[1:]) == [key.public.id for key in tried[1:]]
