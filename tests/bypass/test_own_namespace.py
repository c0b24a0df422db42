"""An agent with operator-level rights reaches for Peergate's own namespace.

Every attack is first carried out by a bystander with equal rights in a namespace of equal content, where it
works; then the agent tries it on the real one, where nothing changes.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from tests.harness.clients import Client, Reply
from tests.harness.cluster import Cluster
from tests.harness.namespaces import fresh_namespace
from tests.harness.waiting import wait_until
from tests.support.changes import path_of, reported
from tests.support.resources import approval_use
from tests.support.world import CONFIGURATION, MERGE

OWN = "peergate-system"
REPORTER = "example.com/test"
"""Who reports the Events of this module."""
APPS, LEASES, EVENTS, OURS = "apps/v1", "coordination.k8s.io/v1", "events.k8s.io/v1", "peergate.dev/v1alpha1"
_CONTAINER = {
    "name": "c",
    "image": "example.invalid/none:1",
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    },
}
_POD = {"containers": [_CONTAINER], "automountServiceAccountToken": False}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object in the namespace: what it holds, and a change of it."""

    resource: str
    api: str
    kind: str
    members: Mapping[str, Any]
    patch: Mapping[str, Any]

    def body(self, namespace: str, name: str) -> dict[str, Any]:
        members = dict(self.members)
        if self.kind == "Event":
            members["regarding"] = {"apiVersion": "v1", "kind": "Pod", "namespace": namespace, "name": "x"}
        metadata = {"name": name, "namespace": namespace}
        return {"apiVersion": self.api, "kind": self.kind, "metadata": metadata, **members}

    def path(self, namespace: str, name: str) -> str:
        return path_of(self.resource, name, namespace=namespace, api=self.api)


_LABELS = {"metadata": {"labels": {"attack": "yes"}}}
KINDS = {
    "Secret": Kind("secrets", "v1", "Secret", {"data": {"a": "YQ=="}}, {"data": {"a": "Yg=="}}),
    "ConfigMap": Kind("configmaps", "v1", "ConfigMap", {"data": {"a": "1"}}, {"data": {"a": "2"}}),
    "Lease": Kind(
        "leases", LEASES, "Lease", {"spec": {"holderIdentity": "one"}}, {"spec": {"holderIdentity": "agent"}}
    ),
    "Deployment": Kind(
        "deployments",
        APPS,
        "Deployment",
        {
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": {"a": "b"}},
                "template": {"metadata": {"labels": {"a": "b"}}, "spec": _POD},
            }
        },
        {"spec": {"replicas": 0}},
    ),
    "ServiceAccount": Kind("serviceaccounts", "v1", "ServiceAccount", {}, _LABELS),
    "Pod": Kind("pods", "v1", "Pod", {"spec": _POD}, _LABELS),
    "ApprovalUse": Kind("approvaluses", OURS, "ApprovalUse", {"spec": approval_use()["spec"]}, _LABELS),
    "Event": Kind(
        "events",
        EVENTS,
        "Event",
        {
            "eventTime": "2026-11-23T12:00:00.000000Z",
            "reason": "Tested",
            "type": "Normal",
            "action": "Test",
            "note": "a note",
            "reportingController": REPORTER,
            "reportingInstance": "one",
        },
        {"series": {"count": 2, "lastObservedTime": "2026-11-23T12:00:00.000000Z"}},
    ),
    "Role": Kind("roles", "rbac.authorization.k8s.io/v1", "Role", {"rules": []}, _LABELS),
    "NetworkPolicy": Kind(
        "networkpolicies",
        "networking.k8s.io/v1",
        "NetworkPolicy",
        {"spec": {"podSelector": {}}},
        {"spec": {"policyTypes": ["Ingress"]}},
    ),
    "Service": Kind("services", "v1", "Service", {"spec": {"ports": [{"port": 443}]}}, _LABELS),
}


def name_of(kind: Kind, name: str) -> str:
    return f"use-{'0123456789abcdef' * 4}" if kind.kind == "ApprovalUse" and name == "old" else name


@dataclass(frozen=True, slots=True)
class Ground:
    """One namespace with an object of every kind, seen by somebody."""

    admin: Client
    client: Client
    namespace: str

    def object(self, kind: Kind) -> str:
        return kind.path(self.namespace, name_of(kind, "old"))

    def state(self, kind: Kind) -> Any:
        """Return the objects of a kind, but for what the cluster writes about them by itself."""
        collection = self.object(kind).rpartition("/")[0]
        items = self.admin.request("GET", collection).body["items"]
        return {
            item["metadata"]["name"]: {
                member: value for member, value in item.items() if member not in {"status", "metadata"}
            }
            | {"labels": item["metadata"].get("labels"), "uid": item["metadata"]["uid"]}
            for item in items
            # The replicas of this test run renew their own Lease all the time.
            if not item["metadata"]["name"].startswith("peergate-leader")
            # Peergate and the cluster's controllers report what happens; the attacks report as this one.
            and item.get("reportingController", REPORTER) == REPORTER
        }


def fill(cluster: Cluster, namespace: str, *, named: str = "old") -> None:
    for kind in KINDS.values():
        name = name_of(kind, named)
        path = kind.path(namespace, name).rpartition("/")[0]
        made = cluster.admin.request("POST", path, body=kind.body(namespace, name))
        assert made.code == 201, made.body


def put(ground: Ground, kind: Kind) -> Reply:
    path = ground.object(kind)
    live = ground.admin.request("GET", path).body
    return ground.client.request("PUT", path, body=_merged(live, kind.patch))


def patch(ground: Ground, kind: Kind) -> Reply:
    return ground.client.request("PATCH", ground.object(kind), body=kind.patch, content_type=MERGE)


def create(ground: Ground, kind: Kind) -> Reply:
    body = kind.body(ground.namespace, f"new-{secrets.token_hex(3)}")
    if kind.kind == "ApprovalUse":
        body["metadata"]["name"] = f"use-{secrets.token_hex(32)}"
    reply = ground.client.request("POST", ground.object(kind).rpartition("/")[0], body=body)
    if reply.code == 201:
        ground.admin.request("DELETE", kind.path(ground.namespace, body["metadata"]["name"]))
    return reply


def apply(ground: Ground, kind: Kind) -> Reply:
    body = _merged(kind.body(ground.namespace, name_of(kind, "old")), kind.patch)
    query = {"fieldManager": "attack", "force": "true"}
    return ground.client.request(
        "PATCH", ground.object(kind), body=body, content_type="application/apply-patch+yaml", query=query
    )


def delete(ground: Ground, kind: Kind) -> Reply:
    return ground.client.request("DELETE", ground.object(kind), body={"gracePeriodSeconds": 0})


def delete_all(ground: Ground, kind: Kind) -> Reply:
    return ground.client.request("DELETE", ground.object(kind).rpartition("/")[0])


ATTACKS: dict[str, Callable[[Ground, Kind], Reply]] = {
    "created": create,
    "updated by PUT": put,
    "patched": patch,
    "applied by force": apply,
    "deleted": delete,
    "deleted with all of its kind": delete_all,
}


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in over.items():
        below = merged.get(name)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        merged[name] = _merged(below, value) if both else value
    return merged


@pytest.fixture(scope="module")
def target(cluster: Cluster, _agent: Client) -> Iterator[Ground]:
    """The operator's own namespace with an object of every kind, before the agent."""
    fill(cluster, OWN)
    yield Ground(cluster.admin, _agent, OWN)
    for kind in KINDS.values():
        cluster.admin.request("DELETE", kind.path(OWN, name_of(kind, "old")), body={"gracePeriodSeconds": 0})


@pytest.fixture(scope="module")
def twin(cluster: Cluster, _bystander: Client) -> Iterator[Ground]:
    """A namespace of equal content, before somebody with equal rights who is no agent."""
    with fresh_namespace(cluster, protected=False) as namespace:
        fill(cluster, namespace)
        yield Ground(cluster.admin, _bystander, namespace)


@pytest.fixture
def fresh_twin(cluster: Cluster, bystander: Client) -> Iterator[Ground]:
    """Another one, for attacks after which nothing is as it was."""
    with fresh_namespace(cluster, protected=False) as namespace:
        fill(cluster, namespace)
        yield Ground(cluster.admin, bystander, namespace)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_an_agent_changes_nothing_in_the_operators_namespace(kind, target, twin):
    for how, attack in ATTACKS.items():
        worked = attack(twin, kind)
        assert worked.code in {200, 201}, (how, worked.body)
        if attack in {delete, delete_all}:  # what the next attack needs
            path = twin.object(kind).rpartition("/")[0]
            body = kind.body(twin.namespace, name_of(kind, "old"))

            def made(path=path, body=body) -> bool:
                return twin.admin.request("POST", path, body=body).code == 201

            wait_until("the object can be made again", made)
        before = target.state(kind)
        refused = attack(target, kind)
        assert (refused.code, reported(refused)) == (403, "NotApprovable"), (how, refused.body)
        assert refused.body["reason"] == "NotApprovable"
        assert "own.gate.peergate.dev" in refused.body["message"], how
        assert target.state(kind) == before, how


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_an_agent_reads_what_it_may_read_there(kind, target):
    assert target.client.request("GET", target.object(kind)).code == 200
    assert target.client.request("GET", target.object(kind).rpartition("/")[0]).code == 200


LIVE = {
    "the certificate's Secret": ("secrets", "v1", "peergate-tls", {"data": {"ca.crt": ""}}),
    "the leader's Lease": ("leases", LEASES, "peergate-leader", {"spec": {"holderIdentity": "agent"}}),
    "the operator's account": ("serviceaccounts", "v1", "peergate", _LABELS),
    "the operator's Role": ("roles", "rbac.authorization.k8s.io/v1", "peergate-operator", {"rules": []}),
    "the operator's RoleBinding": (
        "rolebindings",
        "rbac.authorization.k8s.io/v1",
        "peergate-operator",
        {"subjects": []},
    ),
}


@pytest.mark.parametrize(("resource", "api", "name", "change"), LIVE.values(), ids=LIVE.keys())
def test_an_agent_neither_changes_nor_deletes(resource, api, name, change, peergate, agent, admin):
    path = path_of(resource, name, namespace=OWN, api=api)
    uid = admin.request("GET", path).body["metadata"]["uid"]
    for reply in (
        agent.request("PATCH", path, body=change, content_type=MERGE),
        agent.request("DELETE", path),
    ):
        assert (reply.code, reported(reply)) == (403, "NotApprovable"), reply.body
    after = admin.request("GET", path).body
    assert after["metadata"]["uid"] == uid
    assert "agent" not in str(after.get("spec", {}).get("holderIdentity", ""))


CONNECTIONS = {
    "exec": ("GET", "exec?command=sh&stdin=true&stdout=true"),
    "attach": ("GET", "attach?stdin=true&stdout=true"),
    "portforward": ("GET", "portforward?ports=8080"),
    "proxy": ("GET", "proxy/"),
}


@pytest.mark.parametrize(("method", "what"), CONNECTIONS.values(), ids=CONNECTIONS.keys())
def test_an_agent_does_not_get_into_a_pod_there(method, what, target, twin):
    pod = KINDS["Pod"]
    worked = twin.client.request(method, f"{twin.object(pod)}/{what}")
    # There are no nodes: who is let through meets a pod without a host.
    assert "gate.peergate.dev" not in str(worked.body)
    assert worked.code != 403
    refused = target.client.request(method, f"{target.object(pod)}/{what}")
    assert (refused.code, reported(refused)) == (403, "NotApprovable"), refused.body


SERVICE_PATHS = ("old/proxy/", "https:old:443/proxy/gates/namespaced", "old:443/proxy/")


@pytest.mark.parametrize("what", SERVICE_PATHS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_agent_does_not_reach_a_service_there_through_the_api_server(method, what, target, twin):
    def attack(ground: Ground) -> Reply:
        return ground.client.request(method, f"{ground.object(KINDS['Service']).rpartition('/')[0]}/{what}")

    worked = attack(twin)
    # Nobody is behind the Service: who is let through is told so.
    assert worked.code == 503, worked.body
    refused = attack(target)
    assert (refused.code, reported(refused)) == (403, "NotApprovable"), refused.body


SUBRESOURCES: dict[str, tuple[str, str, str, Mapping[str, Any]]] = {
    "evicting a pod": (
        "Pod",
        "POST",
        "eviction",
        {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "old"}},
    ),
    "scaling a deployment": ("Deployment", "PATCH", "scale", {"spec": {"replicas": 0}}),
    "a pod's status": ("Pod", "PATCH", "status", {"status": {"phase": "Failed"}}),
    "a deployment's status": ("Deployment", "PATCH", "status", _LABELS),
    "a debug container": (
        "Pod",
        "PATCH",
        "ephemeralcontainers",
        {"spec": {"ephemeralContainers": [{**_CONTAINER, "name": "debug"}]}},
    ),
    "a token of an account": (
        "ServiceAccount",
        "POST",
        "token",
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}},
    ),
}


@pytest.mark.parametrize(
    ("kind", "method", "subresource", "body"), SUBRESOURCES.values(), ids=SUBRESOURCES.keys()
)
def test_no_subresource_leads_around(kind, method, subresource, body, target, fresh_twin):
    kind = KINDS[kind]
    content_type = MERGE if method == "PATCH" else "application/json"
    if subresource == "ephemeralcontainers":
        content_type = "application/strategic-merge-patch+json"

    def attack(ground: Ground) -> Reply:
        path = f"{ground.object(kind)}/{subresource}"
        return ground.client.request(method, path, body=body, content_type=content_type)

    worked = attack(fresh_twin)
    assert worked.code in {200, 201}, worked.body
    before = target.state(kind)
    refused = attack(target)
    assert (refused.code, reported(refused)) == (403, "NotApprovable"), refused.body
    assert target.state(kind) == before


NAMESPACE_CHANGES = {
    "labels": ("PATCH", "", _LABELS),
    "labels through status": ("PATCH", "/status", _LABELS),
    "labels through finalize": ("PUT", "/finalize", _LABELS),
    "finalizers through finalize": ("PUT", "/finalize", {"spec": {"finalizers": []}}),
    "annotations": ("PATCH", "", {"metadata": {"annotations": {"attack": "yes"}}}),
    "deletion": ("DELETE", "", None),
}


@pytest.mark.parametrize(
    ("method", "subresource", "change"), NAMESPACE_CHANGES.values(), ids=NAMESPACE_CHANGES.keys()
)
def test_the_namespace_itself_is_closed(method, subresource, change, cluster, admin, agent, bystander):
    def attack(client: Client, namespace: str) -> Reply:
        path = f"/api/v1/namespaces/{namespace}"
        body = _merged(admin.request("GET", path).body, change) if method == "PUT" else change
        content_type = MERGE if method == "PATCH" else "application/json"
        return client.request(method, path + subresource, body=body, content_type=content_type)

    with fresh_namespace(cluster, protected=False) as namespace:
        worked = attack(bystander, namespace)
        assert worked.code == 200, worked.body
    before = admin.request("GET", f"/api/v1/namespaces/{OWN}").body
    refused = attack(agent, OWN)
    assert (refused.code, reported(refused)) == (403, "NotApprovable"), refused.body
    assert admin.request("GET", f"/api/v1/namespaces/{OWN}").body == before


def test_people_and_other_accounts_go_on_there(target, cluster, bystander):
    kind = KINDS["ConfigMap"]
    for client in (cluster.admin, bystander):
        ground = Ground(cluster.admin, client, OWN)
        assert create(ground, kind).code == 201
        assert patch(ground, kind).code == 200


FOUNDATIONS = {
    "the definition of Approvers": (
        "customresourcedefinitions",
        "apiextensions.k8s.io/v1",
        "approvers.peergate.dev",
        {"spec": {"names": {"shortNames": ["mallory"]}}},
    ),
    "the definition of ApprovalUses": (
        "customresourcedefinitions",
        "apiextensions.k8s.io/v1",
        "approvaluses.peergate.dev",
        {"metadata": {"labels": {"a": "b"}}},
    ),
    "the operator's ClusterRole": (
        "clusterroles",
        "rbac.authorization.k8s.io/v1",
        "peergate-operator",
        {"rules": []},
    ),
    "the operator's ClusterRoleBinding": (
        "clusterrolebindings",
        "rbac.authorization.k8s.io/v1",
        "peergate-operator",
        None,  # to change it takes the rights it gives, and RBAC says so first
    ),
}


@pytest.mark.parametrize(("resource", "api", "name", "change"), FOUNDATIONS.values(), ids=FOUNDATIONS.keys())
def test_what_the_gate_stands_on_in_the_whole_cluster_is_out_of_reach(
    resource, api, name, change, peergate, agent, admin
):
    path = path_of(resource, name, api=api)
    before = admin.request("GET", path).body
    replies = [agent.request("DELETE", path)]
    if change is not None:
        replies.append(agent.request("PATCH", path, body=change, content_type=MERGE))
    for reply in replies:
        # Its kinds and the rights that are bound to it are closed; its role takes an approval.
        code = "ApprovalMissing" if resource == "clusterroles" else "NotApprovable"
        assert (reply.code, reported(reply)) == (403, code), reply.body
        assert "cluster.gate.peergate.dev" in reply.body["message"]
    after = admin.request("GET", path).body
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert [after.get(member) for member in ("spec", "rules", "subjects")] == [
        before.get(member) for member in ("spec", "rules", "subjects")
    ]


def test_the_webhook_configuration_itself_is_for_rbac_to_guard(peergate, agent, admin):
    """The API server asks no webhook about these (C2)."""
    before = admin.request("GET", CONFIGURATION).body["metadata"]["uid"]
    for reply in (
        agent.request("DELETE", CONFIGURATION),
        agent.request("PATCH", CONFIGURATION, body={"webhooks": []}, content_type=MERGE),
    ):
        assert reply.code == 403
        assert "gate.peergate.dev" not in reply.body["message"]
    assert admin.request("GET", CONFIGURATION).body["metadata"]["uid"] == before
