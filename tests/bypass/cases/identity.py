"""T2, T15: becoming somebody else: tokens, workloads, rights, certificates, the agent's own account."""

from __future__ import annotations

import base64
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.bypass.acts import MERGE, exists, gone, sent, typed
from tests.bypass.bodies import CM
from tests.bypass.model import Arm, Case
from tests.bypass.things import POD, TEMPLATE, account, also, config_map, deployment, leaving, served, there

ACCOUNT = "/api/v1/namespaces/{ns}/serviceaccounts/{name}"
RBAC = "rbac.authorization.k8s.io/v1"
_SPEC = {key: value for key, value in POD.items() if key != "automountServiceAccountToken"}
AS_ACCOUNT = {**_SPEC, "serviceAccountName": "{name}"}


def created(body: dict[str, Any]) -> Any:
    return typed("kubectl -n {ns} create -f -", given={**body, "metadata": {"name": "{name}"}})


def workload(kind: str, api: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": api, "kind": kind, "spec": spec}


_SET = {
    "selector": {"matchLabels": {"app": "{name}"}},
    "template": {"metadata": TEMPLATE["metadata"], "spec": AS_ACCOUNT},
}
_ONCE = {"template": {"spec": {**AS_ACCOUNT, "restartPolicy": "Never"}}}
TOKEN_SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "{name}", "annotations": {"kubernetes.io/service-account.name": "{name}"}},
    "type": "kubernetes.io/service-account-token",
}
ROLE = {
    "apiVersion": RBAC,
    "kind": "Role",
    "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}],
}
BINDING = {
    "apiVersion": RBAC,
    "kind": "RoleBinding",
    "metadata": {"name": "{name}"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "{name}"},
    "subjects": [{"kind": "ServiceAccount", "namespace": "{ns}", "name": "{name}"}],
}
TO_ALL = {
    "apiVersion": RBAC,
    "kind": "ClusterRoleBinding",
    "metadata": {"name": "{name}"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
    "subjects": [
        {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:serviceaccounts:{ns}"}
    ],
}


def has_token(arm: Arm) -> bool:
    """Tell whether a token came out that the API server takes."""
    answer = arm.answers[-1]
    if not answer.ok:
        return False
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": answer.text},
    }
    reply = arm.admin.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", body=body)
    return bool(reply.body.get("status", {}).get("authenticated"))


def certificate_request() -> dict[str, Any]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mallory")])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": "{name}"},
        "spec": {
            "request": base64.b64encode(request.public_bytes(serialization.Encoding.PEM)).decode(),
            "signerName": "kubernetes.io/kube-apiserver-client",
            "usages": ["client auth"],
        },
    }


def pod_certificate(arm: Arm) -> dict[str, Any]:
    """Return a request for the certificate of somebody's Pod, with a key of one's own."""
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    uid = "11111111-2222-4333-8444-555555555555"
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "PodCertificateRequest",
        "metadata": {"name": arm.name, "namespace": arm.namespace},
        "spec": {
            "signerName": "example.com/identities",
            "podName": "somebodys",
            "podUID": uid,
            "serviceAccountName": "default",
            "serviceAccountUID": uid,
            "nodeName": "node",
            "nodeUID": uid,
            "maxExpirationSeconds": 3600,
            "stubPKCS10Request": base64.b64encode(request.public_bytes(serialization.Encoding.DER)).decode(),
        },
    }


def asked(arm: Arm) -> tuple[str, ...]:
    """Arrange that somebody asked for a certificate."""
    arm.make(certificate_request())
    return ()


def approved(arm: Arm) -> bool:
    live = arm.live(arm.path("CertificateSigningRequest", api="certificates.k8s.io/v1"))
    return any(one["type"] == "Approved" for one in live["status"].get("conditions", ()))


# --- the agent's own account, and one like it ---


def own(arm: Arm) -> tuple[str, str]:
    """Return the account that is attacked: the agent's own, in the control arm one that is like it."""
    return (arm.place.account or ("", "")) if arm.guarded else (arm.namespace, arm.name)


def tags(arm: Arm) -> dict[str, Any]:
    """Return labels and annotations of the agent's account."""
    namespace, name = arm.place.account or ("", "")
    live = arm.live(f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}")
    metadata = live["metadata"] if live else {}
    return {member: metadata[member] for member in ("labels", "annotations") if metadata.get(member)}


def tagged(arm: Arm) -> str:
    if arm.place.account is None:
        return "the agent is no ServiceAccount"
    return "" if "labels" in tags(arm) else "nothing is written on the agent's account"


def kin(arm: Arm) -> tuple[str, ...]:
    """Arrange an account with the same tags."""
    return (arm.make({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": tags(arm)}),)


def itself(arm: Arm) -> tuple[str, ...]:
    """Arrange that the agent's own account is watched, and put right should the attack work."""
    if not arm.guarded:
        return kin(arm)
    namespace, name = own(arm)
    path, before = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}", tags(arm)
    arm.endings.append(
        lambda: arm.admin.request("PATCH", path, body={"metadata": before}, content_type=MERGE)
    )
    return (path,)


def untag_itself(arm: Arm) -> None:
    namespace, name = own(arm)
    labels = [f"{key}-" for key in tags(arm)["labels"]]
    arm.kubectl("-n", namespace, "label", "serviceaccount", name, *labels)


def rename_owner(arm: Arm) -> None:
    namespace, name = own(arm)
    body = {"metadata": {"annotations": dict.fromkeys(tags(arm).get("annotations", {"a": ""}), "mallory")}}
    arm.request("PATCH", f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}", body, content_type=MERGE)


IMPERSONATED = "kubectl --as=mallory --as-group=system:masters -n {ns} delete configmap {name} --wait=false"
RUNS_AS = exists("Pod")
SECRET = exists("Secret")

CASES = (
    Case(
        "T2 DO16",
        "asks for a token of another account",
        typed("kubectl -n {ns} create token {name}"),
        account,
        worked=has_token,
    ),
    Case(
        "T2",
        "creates a Secret that is another account's token",
        typed("kubectl -n {ns} create -f -", given=TOKEN_SECRET),
        account,
        worked=exists("Secret"),
    ),
    Case(
        "T2 DO15",
        "creates a Pod as another account",
        created(workload("Pod", "v1", AS_ACCOUNT)),
        account,
        worked=exists("Pod"),
    ),
    Case(
        "T2 DO15",
        "creates a Deployment as another account",
        created(workload("Deployment", "apps/v1", {**_SET, "replicas": 0})),
        account,
        worked=exists("Deployment", api="apps/v1"),
    ),
    Case(
        "T2 DO15",
        "creates a DaemonSet as another account",
        created(workload("DaemonSet", "apps/v1", _SET)),
        account,
        worked=exists("DaemonSet", api="apps/v1"),
    ),
    Case(
        "T2 DO15",
        "creates a Job as another account",
        created(workload("Job", "batch/v1", {**_ONCE, "suspend": True})),
        account,
        worked=exists("Job", api="batch/v1"),
    ),
    Case(
        "T2 DO15",
        "creates a CronJob as another account",
        created(workload("CronJob", "batch/v1", {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": _ONCE}})),
        account,
        worked=exists("CronJob", api="batch/v1"),
    ),
    Case(
        "T2",
        "lets a running workload act as another account",
        typed("kubectl -n {ns} set serviceaccount deployment/{name} {name}"),
        also(account, deployment(replicas=0)),
    ),
    Case(
        "T2 DO13",
        "binds rights to another account",
        typed("kubectl create -f -", given={**BINDING, "metadata": {"name": "{name}", "namespace": "{ns}"}}),
        also(account, there(ROLE)),
        worked=exists("RoleBinding", api=RBAC),
    ),
    Case(
        "T2 DO13",
        "binds rights in the whole cluster to all accounts of a namespace",
        typed("kubectl create -f -", given=TO_ALL),
        leaving("ClusterRoleBinding", RBAC),
        worked=exists("ClusterRoleBinding", api=RBAC),
    ),
    Case(
        "T2 DO13",
        "adds itself to a binding",
        sent(
            "PATCH",
            "/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings/{name}",
            {"subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "mallory"}]},
            as_=MERGE,
        ),
        also(there(ROLE), there({**BINDING, "subjects": []})),
    ),
    Case(
        "T2 DO16",
        "asks for a client certificate",
        typed("kubectl create -f -", given=lambda _: certificate_request()),
        leaving("CertificateSigningRequest", "certificates.k8s.io/v1"),
        worked=exists("CertificateSigningRequest", api="certificates.k8s.io/v1"),
    ),
    Case(
        "T2 DO16",
        "asks for the certificate of somebody's Pod",
        typed("kubectl create -f -", given=pod_certificate),
        leaving("PodCertificateRequest", "certificates.k8s.io/v1"),
        worked=exists("PodCertificateRequest", api="certificates.k8s.io/v1"),
        applies=served("PodCertificateRequest", "certificates.k8s.io/v1"),
    ),
    Case(
        "T2 DO16",
        "approves a client certificate",
        typed("kubectl certificate approve {name}"),
        asked,
        worked=approved,
    ),
    Case("T2 DO16", "impersonates an administrator", typed(IMPERSONATED), config_map()),
    Case(
        "T2 DO16",
        "impersonates by headers",
        lambda arm: arm.request(
            "DELETE",
            arm.fill(CM),
            headers={"Impersonate-User": "system:admin", "Impersonate-Group": "system:masters"},
        ),
        config_map(),
    ),
    Case("T15 DO14 U17", "takes the tag off its own account", untag_itself, itself, applies=tagged),
    Case("T15 U17", "changes who answers for its own account", rename_owner, itself, applies=tagged),
    Case(
        "T15 DO14 U17",
        "takes the tag off another agent",
        sent("PATCH", ACCOUNT, {"metadata": {"labels": None}}, as_=MERGE),
        kin,
        applies=tagged,
    ),
    Case(
        "T15 U17",
        "deletes an agent's account, to make it anew without the tag",
        lambda arm: (
            typed("kubectl -n {ns} delete serviceaccount {name}")(arm),
            typed("kubectl -n {ns} create serviceaccount {name}")(arm),
        ),
        kin,
        applies=tagged,
    ),
    Case(
        "T15",
        "deletes an account by a collection",
        sent("DELETE", "/api/v1/namespaces/{ns}/serviceaccounts", None, fieldSelector="metadata.name={name}"),
        kin,
        applies=tagged,
        worked=gone("ServiceAccount"),
    ),
)
