"""Ordinary work, which no gate may refuse: what destroys nothing, and everything outside protection."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from tests.bypass.acts import MERGE, applying, exists, nothing, sent, typed
from tests.bypass.bodies import CLAIM, CM, EVENT, LEASE, MANIFEST, SERVICE, secret
from tests.bypass.cases.creations import a_pod
from tests.bypass.cases.identity import kin, tagged
from tests.bypass.cases.scaling import CRON_JOB
from tests.bypass.model import Act, Arm, Arrange, Case, Look
from tests.bypass.things import POD, TEMPLATE, config_map, deployment, leaving, there
from tests.harness.waiting import wait_until

DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "{name}"}}, "template": TEMPLATE},
}
JOB = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "spec": {"suspend": True, "template": {"spec": {**POD, "restartPolicy": "Never"}}},
}
INGRESS = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "Ingress",
    "spec": {"defaultBackend": {"service": {"name": "none", "port": {"number": 80}}}},
}


def created(body: dict[str, Any], *, api: str = "", ids: str = "T10") -> Case:
    kind = body["kind"]
    named = {**body, "metadata": {**body.get("metadata", {}), "name": "{name}"}}
    return Case(
        ids,
        f"creates {'an' if kind[0] in 'AEIOU' else 'a'} {kind}",
        typed("kubectl -n {ns} create -f -", given=named),
        leaving(kind, api or body["apiVersion"]),
        worked=exists(kind, api=api or body["apiVersion"]),
        harmless=True,
    )


def done(arm: Arm) -> bool:
    """Tell whether every request of the case was answered as wanted."""
    return bool(arm.answers) and all(answer.ok for answer in arm.answers)


def free(
    ids: str,
    name: str,
    act: Act,
    arrange: Arrange,
    worked: Look = done,
    applies: Callable[[Arm], str] = lambda _: "",
) -> Case:
    return Case(ids, name, act, arrange, worked=worked, applies=applies, harmless=True)


def outside(arrange: Arrange) -> Arrange:
    """Arrange it in a namespace that nobody protects, and go there."""

    def elsewhere(arm: Arm) -> tuple[str, ...]:
        arm.namespace = arm.shared["open"]
        return arrange(arm)

    return elsewhere


def as_kin(arm: Arm) -> None:
    """Create a workload that runs as an agent of the same owner."""
    spec = {key: value for key, value in POD.items() if key != "automountServiceAccountToken"}
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": arm.name},
        "spec": {**spec, "serviceAccountName": arm.name},
    }
    # Who is whose kind the gate knows some moments after the account is there.
    pods = f"/api/v1/namespaces/{arm.namespace}/pods"
    with contextlib.suppress(TimeoutError):
        wait_until("it may", lambda: arm.request("POST", pods, body)["kind"] == "Pod", within=15)


def applied(arm: Arm) -> tuple[str, ...]:
    """Arrange what the agent's own client applied."""
    arm.admin.kubectl("apply", "-f", "-", input=dict(as_text(arm)))
    return (arm.path("ConfigMap"),)


def as_text(arm: Arm) -> dict[str, Any]:
    body = {**MANIFEST, "metadata": {"name": arm.name, "namespace": arm.namespace}}
    return dict(body)


def our_gate(arm: Arm) -> str:
    return "" if arm.place.label[0].startswith("peergate.dev/") else "the annotations are Peergate's"


def namespace_made(arm: Arm) -> bool:
    arm.endings.append(lambda: arm.admin.request("DELETE", f"/api/v1/namespaces/{arm.name}"))
    return arm.live(f"/api/v1/namespaces/{arm.name}") is not None


REVIEW = {
    "apiVersion": "authorization.k8s.io/v1",
    "kind": "SelfSubjectAccessReview",
    "spec": {"resourceAttributes": {"verb": "delete", "resource": "pods", "namespace": "{ns}"}},
}
APPROVAL = "approval.peergate.dev/v1.bypass"

CASES = (
    created({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"}}),
    created(secret("Opaque")),
    created(SERVICE),
    created(DEPLOYMENT),
    created(JOB),
    created(CRON_JOB),
    created(CLAIM),
    created(INGRESS),
    created(a_pod()),
    created(LEASE, ids="T24"),
    created(EVENT, ids="T24"),
    created({"apiVersion": "v1", "kind": "ServiceAccount"}, ids="T2"),
    free(
        "T24",
        "renews a Lease",
        sent(
            "PATCH",
            "/apis/coordination.k8s.io/v1/namespaces/{ns}/leases/{name}",
            {"spec": {"holderIdentity": "b"}},
            as_=MERGE,
        ),
        there(LEASE),
    ),
    free(
        "T2", "creates a Pod as an agent of its own kind", as_kin, kin, worked=exists("Pod"), applies=tagged
    ),
    free(
        "T9", "creates a namespace", typed("kubectl create namespace {name}"), nothing, worked=namespace_made
    ),
    free("T11", "applies what is there already", typed("kubectl apply -f -", given=as_text), applied),
    free(
        "T11",
        "applies by server-side apply what is there already",
        applying(CM, as_text, manager="kubectl-client-side-apply"),
        applied,
    ),
    free("T11", "patches nothing", sent("PATCH", CM, {}, as_=MERGE), config_map()),
    free(
        "T11",
        "sets a value to what it is",
        sent("PATCH", CM, {"data": {"colour": "blue"}}, as_=MERGE),
        config_map(),
    ),
    free(
        "T11",
        "puts an annotation that carries an approval",
        typed("kubectl -n {ns} annotate configmap {name} " + APPROVAL + "=e30"),
        config_map(),
        worked=lambda arm: APPROVAL in arm.live(arm.fill(CM))["metadata"].get("annotations", {}),
        applies=our_gate,
    ),
    free(
        "T11",
        "takes it away again",
        sent("PATCH", CM, {"metadata": {"annotations": {APPROVAL: None}}}, as_=MERGE),
        config_map(metadata={"annotations": {APPROVAL: "e30"}}),
        applies=our_gate,
    ),
    free(
        "T14", "reads everything", typed("kubectl -n {ns} get all,configmaps,secrets -o name"), config_map()
    ),
    free(
        "T2",
        "asks what it may do",
        sent("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", REVIEW),
        nothing,
    ),
    free(
        "DO1",
        "deletes where nobody protects",
        typed("kubectl -n {ns} delete configmap {name}"),
        outside(config_map()),
        worked=lambda arm: arm.live(arm.fill(CM)) is None,
    ),
    free(
        "T11",
        "sets another image where nobody protects",
        typed("kubectl -n {ns} set image deployment/{name} c=example.invalid/none:2"),
        outside(deployment(replicas=0)),
    ),
    free(
        "T10",
        "scales to zero where nobody protects",
        typed("kubectl -n {ns} scale deployment {name} --replicas=0"),
        outside(deployment()),
    ),
    free(
        "T5",
        "writes owners and finalizers where nobody protects",
        sent("PATCH", CM, {"metadata": {"finalizers": ["example.com/x"]}}, as_=MERGE),
        outside(config_map(metadata={"finalizers": ["example.com/y"]})),
    ),
    free(
        "T16",
        "deletes a collection where nobody protects",
        sent("DELETE", "/api/v1/namespaces/{ns}/configmaps", None, labelSelector="app={name}"),
        outside(config_map()),
        worked=lambda arm: arm.live(arm.fill(CM)) is None,
    ),
)
