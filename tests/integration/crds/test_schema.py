"""What the API server takes as one of our resources, and what it refuses with which words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from tests.harness.cluster import Cluster
from tests.support.resources import (
    ED25519_LINE,
    PEM_KEY,
    SK_LINE,
    approval_use,
    approver,
    change_request,
    changed,
    path_of,
    policy,
)

pytestmark = pytest.mark.cluster

_SELECTOR = {"key": "app", "operator": "In", "values": ["shop"]}
_UPDATE = {"operation": "UPDATE", "effect": "Replace", "to": "b" * 64, "options": {}}
_PATCH = [
    {"op": "replace", "path": "/spec/replicas", "value": 3},
    {"op": "add", "path": "/data/x", "value": {"any": ["thing", None, 1.5]}},
    {"op": "remove", "path": "/data/y"},
    {"op": "move", "from": "/data/a", "path": "/data/b"},
]

ACCEPTED: dict[str, dict[str, Any]] = {
    "a policy of defaults only": policy(),
    "a policy with everything in it": policy(
        {
            "operations": ["Delete"],
            "resources": [{"apiGroups": ["*"], "resources": ["*"]}],
            "excludeResources": [{"apiGroups": ["", "events.k8s.io"], "resources": ["events"]}],
            "selector": {"matchLabels": {"app.kubernetes.io/name": "shop"}, "matchExpressions": [_SELECTOR]},
            "exempt": ["/spec/replicas", "/status", "/metadata/annotations/example.com~1note"],
            "ignore": ["/spec/replicas", "/data/a~1b"],
            "identityKinds": [],
            "collections": False,
            "evictionNeedsUID": True,
            "approvals": {
                "required": 2,
                "minHumans": 2,
                "fromGroups": ["sre"],
                "distinctOwners": True,
                "hardwareKeys": True,
            },
            "maxTTL": "1h30m",
            "hold": "45s",
        },
        mode="Audit",
        namespaces={"selector": {"matchExpressions": [{"key": "tier", "operator": "Exists"}]}},
        clusterResources=[{"apiGroups": ["example.com"], "resources": ["widgets"]}],
        allowCreate=[{"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"]}],
        allowConnect=["pods/portforward"],
    ),
    "approvals of a whole day": policy({"maxTTL": "24h"}),
    "a rule that any two agents satisfy": policy({"approvals": {"required": 2, "minHumans": 0}}),
    "a person with an SSH key": approver(),
    "a person with a PEM key": approver({"type": "ed25519", "publicKey": PEM_KEY}),
    "a hardware key with requirements": approver(
        {"publicKey": SK_LINE, "require": {"userVerification": True}}
    ),
    "a key with all its dates": approver(
        {
            "id": f"SHA256:{'A' * 43}",
            "comment": "laptop",
            "notBefore": "2026-01-01T00:00:00Z",
            "notAfter": "2027-06-01T00:00:00Z",
            "revokedBefore": "2026-02-01T00:00:00Z",
        }
    ),
    "dates that are null": approver({"notBefore": None, "notAfter": None}, revokedBefore=None),
    "an agent with owner and user name": approver(
        **{"class": "agent"}, owner="team-ai", kubernetesUsernames=["system:serviceaccount:ai:reviewer"]
    ),
    "a request for a deletion": change_request(),
    "a request for an update with its patch": change_request(**_UPDATE, patch=_PATCH, complete=False),
    "a request for a deletion that says null for to": change_request(to=None),
    "a scale to zero": change_request(**{**_UPDATE, "effect": "Delete"}),
    "a record of use": approval_use(),
}


@dataclass(frozen=True, slots=True)
class Refused:
    document: dict[str, Any]
    why: str


REFUSED: dict[str, Refused] = {
    "a policy without rules": Refused(policy(rules=[]), "should have at least 1 items"),
    "a policy without spec": Refused(changed(policy(), "spec", to=None), "spec: Required value"),
    "a misspelt field": Refused(policy({"maxTtl": "5m"}), 'unknown field "spec.rules[0].maxTtl"'),
    "an unknown mode": Refused(policy(mode="Off"), "supported values"),
    "an approval that lives longer than a day": Refused(
        policy({"maxTTL": "24h1s"}), "maxTTL is more than 0s and at most 24h"
    ),
    "an approval that never lives": Refused(
        policy({"maxTTL": "0s"}), "maxTTL is more than 0s and at most 24h"
    ),
    "a duration in days": Refused(policy({"maxTTL": "1d"}), "should match"),
    "a hold beyond a client's patience": Refused(policy({"hold": "46s"}), "hold is at most 45s"),
    "no approval required": Refused(policy({"approvals": {"required": 0}}), "greater than or equal to 1"),
    "more approvals than slots": Refused(policy({"approvals": {"required": 9}}), "less than or equal to 8"),
    "more people than approvers": Refused(
        policy({"approvals": {"minHumans": 2}}), "minHumans is more than required; raise required as well"
    ),
    "ignoring a whole top-level member": Refused(policy({"ignore": ["/spec"]}), "has at least two tokens"),
    "ignoring labels": Refused(
        policy({"ignore": ["/metadata/labels/app"]}), "never starts with apiVersion, kind, metadata or status"
    ),
    "ignoring status": Refused(
        policy({"ignore": ["/status/phase"]}), "never starts with apiVersion, kind, metadata or status"
    ),
    "ignoring what is no pointer": Refused(policy({"ignore": ["spec/replicas"]}), "should match"),
    "ignoring with a bad escape": Refused(policy({"ignore": ["/spec/a~2b"]}), "should match"),
    "exempting a whole spec": Refused(policy({"exempt": ["/spec"]}), "is /status or has at least two tokens"),
    "exempting finalizers": Refused(
        policy({"exempt": ["/metadata/finalizers/0"]}), "only single labels and annotations can be exempt"
    ),
    "exempting all labels": Refused(
        policy({"exempt": ["/metadata/labels"]}), "only single labels and annotations can be exempt"
    ),
    "exempting our own labels": Refused(
        policy({"exempt": ["/metadata/labels/peergate.dev~1protected"]}), "of peergate.dev are never exempt"
    ),
    "exempting approvals": Refused(
        policy({"exempt": ["/metadata/annotations/approval.peergate.dev~1v1.a"]}),
        "of peergate.dev are never exempt",
    ),
    "a resource with its subresource": Refused(
        policy({"resources": [{"apiGroups": ["apps"], "resources": ["deployments/scale"]}]}), "should match"
    ),
    "a kind in place of a resource": Refused(
        policy({"resources": [{"apiGroups": ["apps"], "resources": ["Deployment"]}]}), "should match"
    ),
    "resources without a group": Refused(
        policy({"resources": [{"resources": ["pods"]}]}), "apiGroups: Required value"
    ),
    "a connection without subresource": Refused(policy(allowConnect=["pods"]), "should match"),
    "In without values": Refused(
        policy({"selector": {"matchExpressions": [{"key": "app", "operator": "In"}]}}),
        "values belong to the operators In and NotIn",
    ),
    "Exists with values": Refused(
        policy({"selector": {"matchExpressions": [{**_SELECTOR, "operator": "Exists"}]}}),
        "values belong to the operators In and NotIn",
    ),
    "an unknown operator": Refused(
        policy({"selector": {"matchExpressions": [{**_SELECTOR, "operator": "Gt"}]}}), "supported values"
    ),
    "a label key that no object can have": Refused(
        policy({"selector": {"matchLabels": {"a key": "x"}}}), "a key is no label key"
    ),
    "an approver without keys": Refused(approver(keys=[]), "should have at least 1 items"),
    "an identity with a space": Refused(approver(identity="alice smith"), "should match"),
    "an agent without owner": Refused(
        approver(**{"class": "agent"}, kubernetesUsernames=["a"]), "needs an owner and at least one"
    ),
    "an agent without user name": Refused(
        approver(**{"class": "agent"}, owner="team-ai"), "needs an owner and at least one"
    ),
    "the same user name twice": Refused(approver(kubernetesUsernames=["a", "a"]), "Duplicate value"),
    "a key without type": Refused(
        changed(approver(), "spec", "keys", to=[{"publicKey": ED25519_LINE}]), "type: Required value"
    ),
    "a private key": Refused(
        approver({"publicKey": "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNz"}), "this is a private key"
    ),
    "an SSH key called PEM": Refused(approver({"type": "ed25519"}), "publicKey does not fit type"),
    "a PEM key called SSH": Refused(approver({"publicKey": PEM_KEY}), "publicKey does not fit type"),
    "an SSH certificate": Refused(
        approver({"publicKey": "ssh-ed25519-cert-v01@openssh.com AAAA"}), "publicKey does not fit type"
    ),
    "an SSH line with options": Refused(
        approver({"publicKey": f"no-pty {ED25519_LINE}"}), "publicKey does not fit type"
    ),
    "a key id of another form": Refused(approver({"id": "MD5:00"}), "should match"),
    "a key that ends before it begins": Refused(
        approver({"notBefore": "2027-01-01T00:00:00Z", "notAfter": "2026-01-01T00:00:00Z"}),
        "notBefore is not before notAfter",
    ),
    "a date that does not exist": Refused(approver({"notAfter": "2027-02-30T00:00:00Z"}), "date-time"),
    "a date with an offset": Refused(approver({"notAfter": "2027-02-20T00:00:00+01:00"}), "Too long"),
    "hardware requirements on a plain key": Refused(
        approver({"require": {"userPresence": True}}), "require is for hardware keys"
    ),
    "a request of another name": Refused(
        changed(change_request(), "metadata", "name", to="cr-aaaaaaaaaaaaaaaaaaaa"),
        "the name is cr- and 20 consonants",
    ),
    "a request without spec": Refused(changed(change_request(), "spec", to=None), "spec: Required value"),
    "an update without its outcome": Refused(
        change_request(**{**_UPDATE, "to": None}), "to belongs to an UPDATE, and to it alone"
    ),
    "a deletion with an outcome": Refused(
        change_request(to="b" * 64), "to belongs to an UPDATE, and to it alone"
    ),
    "a deletion that replaces": Refused(change_request(effect="Replace"), "the effect of a DELETE is Delete"),
    "an update bound to identity": Refused(
        change_request(**_UPDATE, projection="k8s-identity/v1"), "the projection of an UPDATE"
    ),
    "a digest in capitals": Refused(changed(change_request(), "spec", "from", to="A" * 64), "should match"),
    "an option that is an object": Refused(
        change_request(options={"a": {}}), "spec.options.a: Invalid value"
    ),
    "a patch operation that is none": Refused(
        change_request(**_UPDATE, patch=[{"op": "erase", "path": "/a"}]), "supported values"
    ),
    "a record of use of another name": Refused(
        changed(approval_use(), "metadata", "name", to="use-1"), "the name is use- and the SHA-256"
    ),
    "a record of use without spec": Refused(changed(approval_use(), "spec", to=None), "spec: Required value"),
}


@pytest.mark.parametrize("sentence", ACCEPTED)
def test_accepted(installed: Cluster, sentence: str) -> None:
    answer = _create(installed, ACCEPTED[sentence])
    assert answer.code == 201, answer.body
    assert "Warning" not in answer.headers


@pytest.mark.parametrize("sentence", REFUSED)
def test_refused(installed: Cluster, sentence: str) -> None:
    case = REFUSED[sentence]
    answer = _create(installed, case.document)
    assert answer.code in {400, 422}, answer.body
    assert case.why in answer.body["message"]


def test_defaults_are_written_out(installed: Cluster) -> None:
    spec = _create(installed, policy()).body["spec"]
    assert spec == {
        "mode": "Enforce",
        "rules": [
            {
                "operations": ["Delete", "Replace"],
                "resources": [{"apiGroups": ["*"], "resources": ["*"]}],
                "identityKinds": [
                    {"apiGroups": [""], "resources": ["pods", "secrets"]},
                    {"apiGroups": ["batch"], "resources": ["jobs"]},
                    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"]},
                ],
                "collections": True,
                "evictionNeedsUID": False,
                "approvals": {"required": 1, "minHumans": 1, "distinctOwners": True, "hardwareKeys": False},
                "maxTTL": "15m",
                "hold": "0s",
            }
        ],
    }


def _create(cluster: Cluster, document: dict[str, Any]) -> Any:
    return cluster.admin.request(
        "POST", path_of(document), body=document, query={"dryRun": "All", "fieldValidation": "Strict"}
    )
