"""T11: destruction by an update: what is in an object, what runs, what selects, status."""

from __future__ import annotations

from tests.bypass.acts import MERGE, applying, sent, typed
from tests.bypass.bodies import CM, MANIFEST, SERVICE, secret
from tests.bypass.model import Arm, Case
from tests.bypass.things import (
    CONTAINER,
    account,
    config_map,
    custom_object,
    deployment,
    pod,
    there,
)
from tests.harness.waiting import wait_until

DEPLOYMENT = "/apis/apps/v1/namespaces/{ns}/deployments/{name}"
WIDGET = "/apis/{group}/v1/namespaces/{ns}/widgets/{name}"
POLICY = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "spec": {"podSelector": {"matchLabels": {"a": "b"}}, "policyTypes": ["Ingress"], "ingress": [{}]},
}
QUOTA = {"apiVersion": "v1", "kind": "ResourceQuota", "spec": {"hard": {"count/none.example.com": "10"}}}
BUDGET = {
    "apiVersion": "policy/v1",
    "kind": "PodDisruptionBudget",
    "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "{name}"}}},
}
ROLE = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "Role",
    "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}],
}
REVISION = "/apis/apps/v1/namespaces/{ns}/controllerrevisions/{name}"
HISTORY = {
    "apiVersion": "apps/v1",
    "kind": "ControllerRevision",
    "revision": 1,
    "data": {"spec": {"template": {"a": "b"}}},
}
BINARY = {"apiVersion": "v1", "kind": "ConfigMap", "binaryData": {"blob": "AAEC"}}


def applied(arm: Arm) -> tuple[str, ...]:
    """Arrange what a manager applied."""
    applying(CM, MANIFEST)(_as_admin(arm))
    return (arm.path("ConfigMap"),)


def two_revisions(arm: Arm) -> tuple[str, ...]:
    """Arrange a Deployment that was rolled out twice."""
    watched = deployment(replicas=0)(arm)
    spec = {"containers": [{**CONTAINER, "image": "example.invalid/none:2"}]}
    body = {"spec": {"template": {"spec": spec}}}
    arm.admin.request("PATCH", watched[0], body=body, content_type="application/strategic-merge-patch+json")
    key = "deployment.kubernetes.io/revision"
    wait_until("it is rolled out", lambda: arm.live(watched[0])["metadata"]["annotations"].get(key) == "2")
    return watched


def _as_admin(arm: Arm) -> Arm:
    return Arm(arm.admin, arm.admin, arm.namespace, arm.name, arm.place, guarded=False)


CASES = (
    Case("T11 DO8 U1", "empties a ConfigMap", sent("PATCH", CM, {"data": None}, as_=MERGE), config_map()),
    Case(
        "T11 DO8 U1",
        "changes one value",
        typed('kubectl -n {ns} patch configmap {name} -p \'{"data":{"colour":"red"}}\''),
        config_map(),
    ),
    Case(
        "T11 DO8 U1",
        "empties the binary part of a ConfigMap",
        sent("PATCH", CM, {"binaryData": None}, as_=MERGE),
        there(BINARY),
    ),
    Case(
        "T11 DO8 U1",
        "empties a Secret",
        sent("PATCH", "/api/v1/namespaces/{ns}/secrets/{name}", {"data": None}, as_=MERGE),
        there(secret("Opaque")),
    ),
    Case(
        "T11 DO8 U1",
        "writes a Secret through stringData",
        sent("PATCH", "/api/v1/namespaces/{ns}/secrets/{name}", {"stringData": {"a": "mine"}}, as_=MERGE),
        there(secret("Opaque")),
    ),
    Case(
        "T11 U1",
        "makes a ConfigMap immutable",
        sent("PATCH", CM, {"immutable": True}, as_=MERGE),
        config_map(),
    ),
    Case("T11", "overwrites by PUT without a version", sent("PUT", CM, MANIFEST), config_map()),
    Case("T11", "overwrites by replace", typed("kubectl replace -f -", given=MANIFEST), config_map()),
    Case("T11", "overwrites by apply", typed("kubectl apply -f -", given=MANIFEST), config_map()),
    Case(
        "T11",
        "overwrites by server-side apply",
        typed("kubectl apply --server-side --force-conflicts -f -", given=MANIFEST),
        config_map(),
    ),
    Case(
        "T11 DO7",
        "applies without a field that the manager owned: it goes",
        applying(CM, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{name}"}}),
        applied,
    ),
    Case(
        "T11 DO8 U1",
        "sets another image",
        typed("kubectl -n {ns} set image deployment/{name} c=nothing:0"),
        deployment(replicas=0),
    ),
    Case(
        "T11 DO8 U1",
        "sets another command",
        sent(
            "PATCH",
            DEPLOYMENT,
            {"spec": {"template": {"spec": {"containers": [{**CONTAINER, "command": ["sleep"]}]}}}},
            as_=MERGE,
        ),
        deployment(replicas=0),
    ),
    Case(
        "T11 U1",
        "sets other limits",
        typed("kubectl -n {ns} set resources deployment/{name} --limits=memory=1Mi"),
        deployment(replicas=0),
    ),
    Case(
        "T11 U1",
        "sets an environment",
        typed("kubectl -n {ns} set env deployment/{name} A=b"),
        deployment(replicas=0),
    ),
    Case(
        "T11 U1",
        "restarts a workload",
        typed("kubectl -n {ns} rollout restart deployment/{name}"),
        deployment(replicas=0),
    ),
    Case(
        "T11 U1", "sets the image of a Pod", typed("kubectl -n {ns} set image pod/{name} c=nothing:0"), pod()
    ),
    Case(
        "T11 U1",
        "changes a custom resource",
        sent("PATCH", WIDGET, {"spec": {"size": 0}}, as_=MERGE),
        custom_object,
    ),
    Case(
        "U19 T11",
        "changes the status of a custom resource",
        sent("PATCH", WIDGET + "/status", {"status": {"phase": "Deleted"}}, as_=MERGE),
        custom_object,
        worked=lambda arm: "status" in arm.live(arm.fill(WIDGET)),
    ),
    Case(
        "U19 T11",
        "changes where a Service is balanced to",
        sent(
            "PATCH",
            "/api/v1/namespaces/{ns}/services/{name}/status",
            {"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.9"}]}}},
            as_=MERGE,
        ),
        there({**SERVICE, "spec": {**SERVICE["spec"], "type": "LoadBalancer"}}),
        worked=lambda arm: bool(arm.live(arm.path("Service"))["status"]["loadBalancer"]),
    ),
    Case(
        "U13 DO8",
        "turns a Service to other Pods",
        typed("kubectl -n {ns} set selector service {name} app=mine"),
        there(SERVICE),
    ),
    Case(
        "U15 DO12",
        "closes the network",
        sent(
            "PATCH",
            "/apis/networking.k8s.io/v1/namespaces/{ns}/networkpolicies/{name}",
            {"spec": {"podSelector": {"matchLabels": None}, "ingress": None}},
            as_=MERGE,
        ),
        there(POLICY),
    ),
    Case(
        "U15 DO12",
        "deletes what keeps the network closed",
        typed("kubectl -n {ns} delete networkpolicy {name}"),
        there(POLICY),
    ),
    Case(
        "U15 DO12",
        "lowers a quota to nothing",
        sent(
            "PATCH",
            "/api/v1/namespaces/{ns}/resourcequotas/{name}",
            {"spec": {"hard": {"count/none.example.com": "0"}}},
            as_=MERGE,
        ),
        there(QUOTA),
    ),
    Case(
        "U15 DO12", "removes a disruption budget", typed("kubectl -n {ns} delete pdb {name}"), there(BUDGET)
    ),
    Case(
        "U15 DO12",
        "weakens a disruption budget",
        sent(
            "PATCH",
            "/apis/policy/v1/namespaces/{ns}/poddisruptionbudgets/{name}",
            {"spec": {"minAvailable": 0}},
            as_=MERGE,
        ),
        there(BUDGET),
    ),
    Case(
        "U16 DO13",
        "changes what a Role allows",
        sent(
            "PATCH",
            "/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/roles/{name}",
            {"rules": []},
            as_=MERGE,
        ),
        there(ROLE),
    ),
    Case(
        "U17 T15",
        "writes on somebody's account",
        typed("kubectl -n {ns} annotate serviceaccount {name} owner=me"),
        account,
    ),
    Case("T11", "deletes the history that a rollback goes by", sent("DELETE", REVISION), there(HISTORY)),
    Case(
        "T11",
        "rolls back to what was before",
        typed("kubectl -n {ns} rollout undo deployment/{name}"),
        two_revisions,
    ),
)
