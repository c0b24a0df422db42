"""What the benchmark judges and judges with: objects, reviews, approvals, a small world and a large one.

Keys come from names, so that the processes of one run have the same without telling each other. Two worlds
differ in size alone: the policies that select the namespace under review stand in both, as the work that they
make is not a matter of size.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.support.gate import AGENT_UID, AUDIENCE, policy, snapshot

from peergate.approval.envelope import pae, write_envelope
from peergate.approval.sign import Signer, load_private_key
from peergate.approval.statement import write_statement
from peergate.approval.target import Target
from peergate.gate.filed import FiledRequest
from peergate.gate.snapshot import Account, Snapshot
from peergate.model.approver import ApproverSpec
from peergate.model.change import ObjectRef, Requester
from peergate.model.names import Digest, JsonObject
from peergate.model.review import Gate, Review, parse_review

__all__ = [
    "GATE_PATH",
    "LARGE",
    "Who",
    "configmap",
    "deployment",
    "large_world",
    "review_bytes",
    "review_of",
    "small_world",
]

Who = Literal["agent", "approved", "bystander"]
"""An agent without approval, an agent with one valid approval, and somebody who is no agent."""

GATE_PATH = "/gates/namespaced"
LARGE = {
    "approvers": 10_000,
    "agents": 10_000,
    "policies": 500,
    "namespaces": 2_000,
    "changeRequests": 50_000,
}
_BYSTANDER_UID = "uid-builder"
_SLOT = "approval.peergate.dev/v1.alice"
_ISSUED_AGO = timedelta(seconds=5)
_TTL = timedelta(minutes=14)

_USERS: Mapping[str, JsonObject] = {
    "agent": {
        "username": "system:serviceaccount:agents:bot",
        "uid": AGENT_UID,
        "groups": ["system:serviceaccounts", "system:serviceaccounts:agents", "system:authenticated"],
        "extra": {"authentication.kubernetes.io/credential-id": ["JTI=6d1fbc2e-6a0e-4e4c-a2ec-2f0f14f9a3c1"]},
    },
    "bystander": {
        "username": "system:serviceaccount:shop:builder",
        "uid": _BYSTANDER_UID,
        "groups": ["system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"],
        "extra": {"authentication.kubernetes.io/credential-id": ["JTI=0a4f3a52-93d6-4a8e-8a55-0b9b6a3bf6e7"]},
    },
}
_PLURALS = {"Deployment": ("apps", "deployments"), "ConfigMap": ("", "configmaps")}


def deployment(number: int = 0, *, namespace: str = "shop") -> JsonObject:
    """Return a Deployment of about 3.5 kB in JSON, as one with two containers is."""
    name = f"web-{number}"
    containers = [
        {
            "name": part,
            "image": f"registry.example.com/shop/{part}:1.{number}.2",
            "imagePullPolicy": "IfNotPresent",
            "ports": [{"containerPort": 8080, "name": "http", "protocol": "TCP"}],
            "env": [{"name": f"SETTING_{index}", "value": f"value-{index}"} for index in range(18)],
            "resources": {
                "limits": {"cpu": "500m", "memory": "256Mi"},
                "requests": {"cpu": "100m", "memory": "128Mi"},
            },
            "readinessProbe": {"httpGet": {"path": "/readyz", "port": "http", "scheme": "HTTP"}},
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
        }
        for part in ("web", "sidecar")
    ]
    labels = {"app.kubernetes.io/name": "web", "app.kubernetes.io/instance": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            **_metadata(name, namespace=namespace),
            "generation": 3,
            "labels": labels,
            "managedFields": [_managed("kubectl", "spec"), _managed("kube-controller-manager", "status")],
        },
        "spec": {
            "replicas": 3,
            "revisionHistoryLimit": 10,
            "selector": {"matchLabels": labels},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "containers": containers,
                    "dnsPolicy": "ClusterFirst",
                    "restartPolicy": "Always",
                    "terminationGracePeriodSeconds": 30,
                },
            },
        },
        "status": {"observedGeneration": 3, "replicas": 3, "readyReplicas": 3, "availableReplicas": 3},
    }


def configmap(number: int = 0, *, namespace: str = "shop") -> JsonObject:
    """Return a ConfigMap of about 1 MB in JSON: 64 files of 16 kB."""
    line = "key-{} = some value that a program reads at its start\n"
    text = "".join(line.format(index) for index in range(280))
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(f"limits-{number}", namespace=namespace),
        "data": {f"part-{index}.conf": text for index in range(64)},
    }


def review_of(
    document: JsonObject, *, operation: Literal["DELETE", "UPDATE"], who: Who, uid: str = "", now: datetime
) -> JsonObject:
    """Return the AdmissionReview of deleting or changing an object, its approval signed now."""
    user = _USERS["bystander" if who == "bystander" else "agent"]
    group, plural = _PLURALS[document["kind"]]
    new = None if operation == "DELETE" else _changed(document)
    metadata = document["metadata"]
    kind = {"group": group, "version": "v1", "kind": document["kind"]}
    resource = {"group": group, "version": "v1", "resource": plural}
    options = {"kind": "UpdateOptions", "apiVersion": "meta.k8s.io/v1"}
    if operation == "DELETE":
        options = {**options, "kind": "DeleteOptions", "propagationPolicy": "Background"}
    review = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": uid or metadata["uid"],
            "kind": kind,
            "resource": resource,
            "requestKind": kind,
            "requestResource": resource,
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "operation": operation,
            "userInfo": user,
            "object": new,
            "oldObject": document,
            "dryRun": False,
            "options": options,
        },
    }
    if who == "approved":
        approval = _approval(parse_review(review, gate=Gate.NAMESPACED), now=now)
        for carrier in (document, new):
            if carrier is not None:
                carrier["metadata"]["annotations"] = {_SLOT: approval}
    return review


def review_bytes(review: JsonObject) -> bytes:
    """Return the review as the API server sends it."""
    return orjson.dumps(review)


def small_world(*, selecting: int = 1) -> Snapshot:
    """Return a snapshot with one approver, a few accounts, and so many policies that select ``shop``."""
    return snapshot(
        approvers={"alice": _approver("alice")},
        policies=[_policy(f"selecting-{index}", team="shop") for index in range(selecting)],
    )


def large_world(*, selecting: int = 1) -> Snapshot:
    """Return a snapshot of the size ``LARGE``, with everything that the small one holds."""
    small = small_world(selecting=selecting)
    others = LARGE["policies"] - selecting
    return snapshot(
        approvers={name: _approver(name) for name in ("alice", *_names("peer", LARGE["approvers"] - 1))},
        policies=[
            *(_policy(f"selecting-{index}", team="shop") for index in range(selecting)),
            *(_policy(name, team=name) for name in _names("team", others)),
        ],
        accounts={
            **small.accounts,
            **{
                ("agents", name): Account(uid=f"uid-of-{name}", tagged=True, owner=f"team-{name}")
                for name in _names("bot", LARGE["agents"])
            },
        },
        namespaces={
            **small.namespaces,
            **{
                name: {"peergate.dev/protected": "true", "team": name}
                for name in _names("namespace", LARGE["namespaces"])
            },
        },
        requests={("shop", name): _filed(name) for name in _names("cr", LARGE["changeRequests"])},
    )


def _metadata(name: str, *, namespace: str) -> dict[str, Any]:
    uid = hashlib.sha256(f"{namespace}/{name}".encode()).hexdigest()
    return {
        "name": name,
        "namespace": namespace,
        "uid": f"{uid[:8]}-{uid[8:12]}-4{uid[13:16]}-a{uid[17:20]}-{uid[20:32]}",
        "resourceVersion": "48213",
        "creationTimestamp": "2026-11-01T08:00:00Z",
    }


def _managed(manager: str, member: str) -> JsonObject:
    fields: JsonObject = {
        f"f:{name}": {} for name in ("replicas", "selector", "strategy", "template", "conditions")
    }
    return {
        "manager": manager,
        "operation": "Update",
        "apiVersion": "apps/v1",
        "time": "2026-11-01T08:00:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": {f"f:{member}": fields},
    }


def _changed(document: JsonObject) -> JsonObject:
    """Return the object with one value of its desired state changed, its members read anew."""
    new: JsonObject = orjson.loads(orjson.dumps(document))
    if new["kind"] == "Deployment":
        new["spec"]["template"]["spec"]["containers"][0]["image"] += "-fixed"
    else:
        new["data"]["part-0.conf"] = "key-0 = another value\n"
    return new


def _names(stem: str, count: int) -> Iterator[str]:
    return (f"{stem}-{index}" for index in range(count))


@functools.cache
def _signer() -> Signer:
    pem = _private("alice").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return load_private_key(pem, key_type="ssh")


def _private(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


def _approver(name: str) -> ApproverSpec:
    raw = _private(name).public_key().public_bytes_raw()
    wire = b"".join(len(part).to_bytes(4, "big") + part for part in (b"ssh-ed25519", raw))
    return ApproverSpec.model_validate(
        {
            "identity": f"{name}@example.com",
            "class": "human",
            "owner": f"team-{name}",
            "kubernetesUsernames": [f"oidc:{name}@example.com"],
            "groups": ["sre"],
            "keys": [{"type": "ssh", "publicKey": f"ssh-ed25519 {base64.b64encode(wire).decode()} {name}"}],
        }
    )


def _policy(name: str, *, team: str) -> JsonObject:
    return policy(name, namespaces={"selector": {"matchLabels": {"team": team}}})


def _filed(name: str) -> FiledRequest:
    return FiledRequest(
        change=Digest(hashlib.sha256(name.encode()).hexdigest()),
        uid=f"uid-of-{name}",
        requester=Requester(username="system:serviceaccount:agents:bot", uid="uid-of-bot"),
        annotations={},
        rejection=None,
        created=datetime(2026, 11, 23, 12, 0, tzinfo=UTC),
        expires=datetime(2026, 11, 24, 12, 0, tzinfo=UTC),
    )


def _approval(review: Review, *, now: datetime) -> str:
    """Return Alice's signature on exactly what this review would do."""
    old = review.old_object or {}
    metadata = old["metadata"]
    change = Target(
        audience=AUDIENCE,
        operation="DELETE" if review.operation == "DELETE" else "UPDATE",
        object=ObjectRef(
            group=review.resource.group,
            version=review.resource.version,
            resource=review.resource.resource,
            subresource=review.subresource,
            namespace=metadata["namespace"],
            name=metadata["name"],
            uid=metadata["uid"],
        ),
        requester=Requester(username=review.user.username, uid=review.user.uid),
        requester_owner="team-platform",
        kind=review.kind,
        old=old,
        new=review.object if review.operation == "UPDATE" else None,
        options=review.options if review.operation == "DELETE" else None,
    ).change("k8s-projection/v1")
    issued = (now - _ISSUED_AGO).replace(microsecond=0)
    payload = write_statement(
        change,
        approver="alice@example.com",
        issued_at=issued,
        expires=issued + _TTL,
        nonce=hashlib.sha256(metadata["uid"].encode()).digest()[:16],
        reason="reviewed",
    )
    key = _signer()
    return write_envelope(payload, key.sign(pae(payload)), key.key_id)
