"""T1, T17: the gate itself: admission configuration, and the namespace it lives in.

In the control arm the administrator does the same to a configuration and a namespace of the suite's own.
"""

from __future__ import annotations

from typing import Any

from tests.bypass.acts import MERGE, exists, sent, typed
from tests.bypass.bodies import LEASE, eviction
from tests.bypass.cases.creations import CLOSED, NO_QUOTA
from tests.bypass.model import Arm, Case
from tests.bypass.things import POD, leaving

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
API = "admissionregistration.k8s.io/v1"
LIVE = f"{ADMISSION}/validatingwebhookconfigurations/{{configuration}}"


def configuration(kind: str) -> dict[str, Any]:
    """Return a configuration that calls nobody."""
    return {"apiVersion": API, "kind": f"{kind}WebhookConfiguration", "metadata": {"name": "{name}"}}


POLICY = {
    "apiVersion": API,
    "kind": "ValidatingAdmissionPolicy",
    "metadata": {"name": "{name}"},
    "spec": {
        "matchConstraints": {
            "resourceRules": [
                {
                    "apiGroups": ["none.example.com"],
                    "apiVersions": ["v1"],
                    "resources": ["none"],
                    "operations": ["CREATE"],
                }
            ]
        },
        "validations": [{"expression": "true"}],
    },
}
BINDING = {
    "apiVersion": API,
    "kind": "ValidatingAdmissionPolicyBinding",
    "metadata": {"name": "{name}"},
    "spec": {"policyName": "{name}", "validationActions": ["Deny"]},
}


def present(body: dict[str, Any]) -> Any:
    """Arrange an object of admission configuration that does nothing."""
    return lambda arm: (arm.make(body),)


def the_live_one(arm: Arm) -> tuple[str, ...]:
    """Arrange that the gate's own configuration is put right again; in the control arm one of the suite's."""
    if not arm.guarded:
        arm.make(configuration("Validating"))
        return ()
    path = arm.fill(LIVE)
    body = {"metadata": {"labels": {"bypass": None}}}
    arm.endings.append(lambda: arm.admin.request("PATCH", path, body=body, content_type=MERGE))
    return ()


def labelled(arm: Arm) -> bool:
    return "bypass" in arm.live(arm.fill(LIVE))["metadata"].get("labels", {})


def not_named(arm: Arm) -> str:
    return "" if arm.live(arm.fill(LIVE)) else f"there is no webhook configuration {arm.place.configuration}"


def inside(body: dict[str, Any]) -> Any:
    """Arrange something in the gate's namespace."""

    def arrange(arm: Arm) -> tuple[str, ...]:
        metadata = {"name": "{name}", "namespace": arm.fill("{gate}"), "labels": {"app": "{name}"}}
        return (arm.make({**body, "metadata": metadata}),)

    return arrange


def there_now(kind: str, api: str = "v1") -> Any:
    return lambda arm: arm.live(arm.path(kind, api=api, namespace=arm.fill("{gate}"))) is not None


def nowhere(arm: Arm) -> str:
    here = arm.live(f"/api/v1/namespaces/{arm.place.gate_namespace}")
    return "" if here else f"there is no namespace {arm.place.gate_namespace}"


def namespace_labelled(arm: Arm) -> bool:
    return "bypass" in arm.live(arm.fill("/api/v1/namespaces/{gate}"))["metadata"]["labels"]


def unlabelled_after(arm: Arm) -> tuple[str, ...]:
    path = arm.fill("/api/v1/namespaces/{gate}")
    body = {"metadata": {"labels": {"bypass": None}}}
    arm.endings.append(lambda: arm.admin.request("PATCH", path, body=body, content_type=MERGE))
    return ()


CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"}}
SECRET = {"apiVersion": "v1", "kind": "Secret", "data": {"a": "Yg=="}}
RUNNING = {"apiVersion": "v1", "kind": "Pod", "spec": POD}
NAMED = {"metadata": {"name": "{name}"}}

CASES = (
    Case(
        "T1",
        "writes on the gate's webhook configuration",
        typed("kubectl label validatingwebhookconfiguration {configuration} bypass=x"),
        the_live_one,
        worked=labelled,
        applies=not_named,
    ),
    Case(
        "T1",
        "deletes a webhook configuration",
        typed("kubectl delete validatingwebhookconfiguration {name}"),
        present(configuration("Validating")),
    ),
    Case(
        "T1 DO18",
        "creates a webhook that changes requests",
        typed("kubectl create -f -", given=configuration("Mutating")),
        leaving("MutatingWebhookConfiguration", API),
        worked=exists("MutatingWebhookConfiguration", api=API),
    ),
    Case(
        "T1 DO18",
        "creates a webhook that refuses requests",
        typed("kubectl create -f -", given=configuration("Validating")),
        leaving("ValidatingWebhookConfiguration", API),
        worked=exists("ValidatingWebhookConfiguration", api=API),
    ),
    Case(
        "T1 DO18",
        "creates a policy",
        typed("kubectl create -f -", given=POLICY),
        leaving("ValidatingAdmissionPolicy", API),
        worked=exists("ValidatingAdmissionPolicy", api=API),
    ),
    Case("T1", "deletes a policy", typed("kubectl delete validatingadmissionpolicy {name}"), present(POLICY)),
    Case(
        "T1",
        "deletes a binding",
        typed("kubectl delete validatingadmissionpolicybinding {name}"),
        present(BINDING),
    ),
    Case(
        "T17",
        "deletes something of the gate",
        typed("kubectl -n {gate} delete configmap {name}"),
        inside(CONFIG_MAP),
        applies=nowhere,
    ),
    Case(
        "T17",
        "deletes a Secret of the gate",
        typed("kubectl -n {gate} delete secret {name}"),
        inside(SECRET),
        applies=nowhere,
    ),
    Case(
        "T17",
        "exchanges what the gate reads",
        sent("PATCH", "/api/v1/namespaces/{gate}/configmaps/{name}", {"data": {"a": "c"}}, as_=MERGE),
        inside(CONFIG_MAP),
        applies=nowhere,
    ),
    Case(
        "T17",
        "takes over the gate's Lease",
        sent(
            "PATCH",
            "/apis/coordination.k8s.io/v1/namespaces/{gate}/leases/{name}",
            {"spec": {"holderIdentity": "mallory"}},
            as_=MERGE,
        ),
        inside(LEASE),
        applies=nowhere,
    ),
    Case(
        "T17 T7",
        "evicts the gate",
        sent("POST", "/api/v1/namespaces/{gate}/pods/{name}/eviction", eviction()),
        inside(RUNNING),
        applies=nowhere,
    ),
    Case(
        "T17",
        "deletes the gate's Pods",
        sent("DELETE", "/api/v1/namespaces/{gate}/pods", None, labelSelector="app={name}"),
        inside(RUNNING),
        applies=nowhere,
    ),
    Case(
        "T17 DO12",
        "closes the gate's network",
        typed("kubectl -n {gate} create -f -", given={**CLOSED, **NAMED}),
        leaving("NetworkPolicy", "networking.k8s.io/v1", gate=True),
        worked=there_now("NetworkPolicy", "networking.k8s.io/v1"),
        applies=nowhere,
    ),
    Case(
        "T17 DO12",
        "leaves the gate no quota",
        typed("kubectl -n {gate} create -f -", given={**NO_QUOTA, **NAMED}),
        leaving("ResourceQuota", "v1", gate=True),
        worked=there_now("ResourceQuota"),
        applies=nowhere,
    ),
    Case(
        "T17",
        "runs something beside the gate",
        typed("kubectl -n {gate} create -f -", given={**RUNNING, **NAMED}),
        leaving("Pod", "v1", gate=True),
        worked=there_now("Pod"),
        applies=nowhere,
    ),
    Case(
        "T17",
        "labels the gate's namespace",
        typed("kubectl label namespace {gate} bypass=x"),
        unlabelled_after,
        worked=namespace_labelled,
        applies=nowhere,
    ),
)
