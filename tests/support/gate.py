"""Reviews and snapshots for tests of the pure decision."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from peergate.approval.keyring import build_keyring
from peergate.gate.effects import finding_for
from peergate.gate.findings import Finding, Situation
from peergate.gate.policies import PolicyIndex, compile_policy
from peergate.gate.principal import Agent
from peergate.gate.snapshot import Account, GateConfig, Snapshot, gate_config
from peergate.model.approver import ApproverSpec
from peergate.model.review import Gate, Kind, Resource, Review, User
from peergate.settings import Settings

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
AUDIENCE = "k8s:6f2c0d8e-7c42-4a58-9a0a-2d7b5d0c8f11"
AGENT_UID = "b7a2c1d0-3f0e-4a4b-9c9c-5d1f0a9be201"
OTHER_UID = "11111111-2222-3333-4444-555555555555"

RESOURCES = {
    "Deployment": ("apps", "v1", "deployments"),
    "StatefulSet": ("apps", "v1", "statefulsets"),
    "ConfigMap": ("", "v1", "configmaps"),
    "Secret": ("", "v1", "secrets"),
    "Pod": ("", "v1", "pods"),
    "ServiceAccount": ("", "v1", "serviceaccounts"),
    "Namespace": ("", "v1", "namespaces"),
    "Node": ("", "v1", "nodes"),
    "Lease": ("coordination.k8s.io", "v1", "leases"),
    "RoleBinding": ("rbac.authorization.k8s.io", "v1", "rolebindings"),
    "ClusterRoleBinding": ("rbac.authorization.k8s.io", "v1", "clusterrolebindings"),
    "ClusterRole": ("rbac.authorization.k8s.io", "v1", "clusterroles"),
    "CertificateSigningRequest": ("certificates.k8s.io", "v1", "certificatesigningrequests"),
    "CustomResourceDefinition": ("apiextensions.k8s.io", "v1", "customresourcedefinitions"),
    "Approver": ("peergate.dev", "v1alpha1", "approvers"),
    "ProtectionPolicy": ("peergate.dev", "v1alpha1", "protectionpolicies"),
    "ChangeRequest": ("peergate.dev", "v1alpha1", "changerequests"),
    "ApprovalUse": ("peergate.dev", "v1alpha1", "approvaluses"),
    "Widget": ("example.com", "v1", "widgets"),
    "DaemonSet": ("apps", "v1", "daemonsets"),
    "ReplicaSet": ("apps", "v1", "replicasets"),
    "ReplicationController": ("", "v1", "replicationcontrollers"),
    "Job": ("batch", "v1", "jobs"),
    "CronJob": ("batch", "v1", "cronjobs"),
    "HorizontalPodAutoscaler": ("autoscaling", "v2", "horizontalpodautoscalers"),
    "ScaledObject": ("keda.sh", "v1alpha1", "scaledobjects"),
    "NetworkPolicy": ("networking.k8s.io", "v1", "networkpolicies"),
    "ResourceQuota": ("", "v1", "resourcequotas"),
    "LimitRange": ("", "v1", "limitranges"),
    "Endpoints": ("", "v1", "endpoints"),
    "EndpointSlice": ("discovery.k8s.io", "v1", "endpointslices"),
    "DeleteBackupRequest": ("velero.io", "v1", "deletebackuprequests"),
    "Service": ("", "v1", "services"),
    "Event": ("", "v1", "events"),
    "Binding": ("", "v1", "bindings"),
    "PodCertificateRequest": ("certificates.k8s.io", "v1", "podcertificaterequests"),
    "DeviceTaintRule": ("resource.k8s.io", "v1", "devicetaintrules"),
    "VolumeAttachment": ("storage.k8s.io", "v1", "volumeattachments"),
    "PersistentVolume": ("", "v1", "persistentvolumes"),
    "VolumeSnapshotContent": ("snapshot.storage.k8s.io", "v1", "volumesnapshotcontents"),
    "PersistentVolumeClaim": ("", "v1", "persistentvolumeclaims"),
    "PodDisruptionBudget": ("policy", "v1", "poddisruptionbudgets"),
    "StorageClass": ("storage.k8s.io", "v1", "storageclasses"),
    "APIService": ("apiregistration.k8s.io", "v1", "apiservices"),
    "Sandbox": ("agents.x-k8s.io", "v1alpha1", "sandboxes"),
    "ValidatingWebhookConfiguration": (
        "admissionregistration.k8s.io",
        "v1",
        "validatingwebhookconfigurations",
    ),
}
CLUSTER_SCOPED = {
    "Namespace",
    "Node",
    "ClusterRoleBinding",
    "ClusterRole",
    "CertificateSigningRequest",
    "CustomResourceDefinition",
    "Approver",
    "ProtectionPolicy",
    "PersistentVolume",
    "DeviceTaintRule",
    "VolumeAttachment",
    "VolumeSnapshotContent",
    "StorageClass",
    "APIService",
    "ValidatingWebhookConfiguration",
}


def thing(
    kind: str, name: str = "web", *, namespace: str = "shop", uid: str = "", **members: Any
) -> dict[str, Any]:
    """Return an object; labels, annotations, finalizers and owners go into its metadata."""
    group, version, _ = RESOURCES[kind]
    metadata: dict[str, Any] = {"name": name, "uid": uid or f"uid-of-{kind.lower()}-{name}"}
    if kind not in CLUSTER_SCOPED:
        metadata["namespace"] = namespace
    for member in ("labels", "annotations", "finalizers", "ownerReferences", "deletionTimestamp"):
        if member in members:
            metadata[member] = members.pop(member)
    return {
        "apiVersion": f"{group}/{version}" if group else version,
        "kind": kind,
        "metadata": metadata,
        **members,
    }


def changed(document: Mapping[str, Any], *path: str, to: Any) -> dict[str, Any]:
    """Return a copy of an object with one member set; ``None`` removes it."""
    result = copy.deepcopy(dict(document))
    parent = result
    for step in path[:-1]:
        parent = parent.setdefault(step, {})
    if to is None:
        parent.pop(path[-1], None)
    else:
        parent[path[-1]] = to
    return result


def agent_user(username: str = "system:serviceaccount:agents:bot", uid: str = AGENT_UID) -> User:
    """Return the tagged agent of the default snapshot."""
    groups = {"system:authenticated"}
    parts = username.split(":")
    if parts[:2] == ["system", "serviceaccount"]:
        groups |= {"system:serviceaccounts", f"system:serviceaccounts:{parts[2]}"}
    return User(username=username, uid=uid, groups=frozenset(groups))


PERSON = User(username="jane@example.com", uid="", groups=frozenset({"system:authenticated"}))


def review(
    operation: str,
    *,
    old: dict[str, Any] | None = None,
    new: dict[str, Any] | None = None,
    user: User | None = None,
    gate: Gate | None = None,
    subresource: str = "",
    options: dict[str, Any] | None = None,
    dry_run: bool = False,
    collection: bool = False,
    uid: str = "request-1",
    kind: Kind | None = None,
) -> Review:
    """Return a review of the kind of its objects; the gate follows from the object's scope."""
    subject = old if old is not None else new
    assert subject is not None
    group, version, plural = RESOURCES[subject["kind"]]
    if gate is None:
        gate = Gate.CLUSTER if subject["kind"] in CLUSTER_SCOPED else Gate.NAMESPACED
    metadata = subject["metadata"] if isinstance(subject["metadata"], dict) else {}
    if options is None and operation == "DELETE":
        options = {"apiVersion": "meta.k8s.io/v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
    return Review(
        gate=gate,
        uid=uid,
        operation=operation,
        kind=kind or Kind(group=group, version=version, kind=subject["kind"]),
        resource=Resource(group=group, version=version, resource=plural),
        subresource=subresource,
        name="" if collection else metadata.get("name", ""),
        namespace=metadata.get("namespace", ""),
        user=user or agent_user(),
        object=new,
        old_object=old,
        options=options,
        dry_run=dry_run,
    )


def policy(name: str = "prod", **spec: Any) -> dict[str, Any]:
    """Return a ProtectionPolicy object; without arguments one rule with all its defaults."""
    return {
        "apiVersion": "peergate.dev/v1alpha1",
        "kind": "ProtectionPolicy",
        "metadata": {"name": name, "uid": f"uid-of-{name}"},
        "spec": {"rules": [{}], **spec},
    }


def snapshot(
    *,
    approvers: Mapping[str, ApproverSpec] | None = None,
    policies: Iterable[dict[str, Any]] = (),
    settings: Settings | None = None,
    **members: Any,
) -> Snapshot:
    """Return what the gate knows: agent ``agents/bot``, protected ``shop``, open ``sandbox``."""
    config: GateConfig = gate_config(settings or Settings())
    accounts = {
        ("agents", "bot"): Account(uid=AGENT_UID, tagged=True, owner="team-platform"),
        ("agents", "sibling"): Account(uid="uid-sibling", tagged=True, owner="team-platform"),
        ("agents", "stranger"): Account(uid="uid-stranger", tagged=True, owner="team-other"),
        ("agents", "ownerless"): Account(uid="uid-ownerless", tagged=True, owner=""),
        ("shop", "builder"): Account(uid="uid-builder", tagged=False, owner=""),
        ("kube-system", "tagged"): Account(uid="uid-system", tagged=True, owner=""),
    }
    namespaces = {
        "shop": {"peergate.dev/protected": "true", "team": "shop"},
        "sandbox": {},
        "crew": {"peergate.dev/agents": "true"},
    }
    return Snapshot(
        config=config,
        audience=AUDIENCE,
        keyring=build_keyring(dict(approvers or {})),
        policies=PolicyIndex.build(compile_policy(document) for document in policies),
        **{"accounts": accounts, "namespaces": namespaces, **members},
    )


def eviction(name: str = "web-0", *, options: dict[str, Any] | None = None, **members: Any) -> Review:
    """Return an eviction of a Pod, as the API server shows it: without the Pod (AR15)."""
    body: dict[str, Any] = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": "shop"},
    }
    if options is not None:
        body["deleteOptions"] = options
    shown = review("CREATE", new=thing("Pod", name), subresource="eviction", **members)
    return replace(shown, object=body, kind=Kind(group="policy", version="v1", kind="Eviction"))


def connection(resource: str, name: str = "web-0", *, gate: Gate = Gate.NAMESPACED, **asked: Any) -> Review:
    """Return a CONNECT to ``pods/exec`` or the like: the object is options without metadata (AR27)."""
    plural, _, subresource = resource.partition("/")
    shown = review("CONNECT", new=thing("Pod", "p"), gate=gate, subresource=subresource)
    return replace(
        shown,
        kind=Kind(group="", version="v1", kind="PodExecOptions"),
        resource=Resource(group="", version="v1", resource=plural),
        name=name,
        namespace="" if gate is Gate.CLUSTER else "shop",
        object={"apiVersion": "v1", "kind": "PodExecOptions", **asked},
    )


def found(subject: Review, **members: Any) -> Finding:
    """Return what the table says of a request of the default agent; ``members`` are the snapshot's."""
    agent = Agent(tag="label", owner="team-platform", display="agents/bot")
    return finding_for(Situation(review=subject, agent=agent, snapshot=snapshot(**members)))
