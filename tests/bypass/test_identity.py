"""An agent with operator-level rights tries to become somebody else, in protected and in open namespaces.

Each attack is first carried out by a bystander with equal rights, as a dry run where there is one, and works;
then the agent tries it in earnest, and nothing is there afterwards that was not there before.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.harness.clients import Client, Reply
from tests.harness.cluster import Cluster
from tests.harness.namespaces import fresh_namespace
from tests.harness.principals import OPERATOR_LEVEL
from tests.support.changes import path_of, reported
from tests.support.world import MERGE

RBAC = "rbac.authorization.k8s.io/v1"
BARRED = (403, "NotApprovable")
STRATEGIC = "application/strategic-merge-patch+json"
_POD = {"containers": [{"name": "c", "image": "example.invalid/none:1"}]}
_ROLE = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": OPERATOR_LEVEL}
"""What both hold themselves: RBAC lets nobody bind more."""
_TAG = {"peergate.dev/agent": "true"}
_OWNER = "peergate.dev/owner"


@dataclass(frozen=True, slots=True)
class Place:
    """A namespace with accounts in it, and who is there.

    ``kin`` is tagged and of the agent's owner, ``cousin`` is tagged and of another, ``worker`` is not tagged.
    """

    admin: Client
    client: Client
    namespace: str
    dry: bool = False

    def path(self, resource: str, name: str = "", *, api: str = "v1") -> str:
        return path_of(resource, name, namespace=self.namespace, api=api).rstrip("/")

    def send(
        self, method: str, path: str, body: Any = None, *, content_type: str = "application/json"
    ) -> Reply:
        query = {"dryRun": "All"} if self.dry and method != "GET" else None
        return self.client.request(method, path, body=body, content_type=content_type, query=query)

    def account(self, name: str) -> str:
        return self.path("serviceaccounts", name)

    def new(self, kind: str, api: str = "v1", **members: Any) -> dict[str, Any]:
        metadata = {"name": "new", "namespace": self.namespace, **members.pop("metadata", {})}
        return {"apiVersion": api, "kind": kind, "metadata": metadata, **members}

    def state(self) -> dict[str, Any]:
        """Return what the attacks are after: accounts, their labels, and names of all else."""
        found: dict[str, Any] = {}
        for resource, api in WATCHED:
            collection = path_of(resource, "", namespace=self.namespace, api=api).rstrip("/")
            for item in self.admin.request("GET", collection).body["items"]:
                metadata = item["metadata"]
                spec = item.get("spec", {})
                found[f"{resource}/{metadata['name']}"] = (
                    metadata["uid"],
                    metadata.get("labels"),
                    metadata.get("annotations") if resource == "serviceaccounts" else None,
                    (spec.get("template") or {}).get("spec", {}).get("serviceAccountName"),
                    len(spec.get("ephemeralContainers") or ()),
                    item.get("subjects"),
                )
        return found


WATCHED = (
    ("serviceaccounts", "v1"),
    ("secrets", "v1"),
    ("pods", "v1"),
    ("deployments", "apps/v1"),
    ("cronjobs", "batch/v1"),
    ("rolebindings", RBAC),
)


def fill(place: Place) -> None:
    """Put in what the attacks start from."""
    tagged = {"metadata": {"name": "kin", "labels": _TAG, "annotations": {_OWNER: "team-platform"}}}
    cousin = {"metadata": {"name": "cousin", "labels": _TAG, "annotations": {_OWNER: "team-search"}}}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": _POD}
    spec = {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    for body in (
        place.new("ServiceAccount", **tagged),
        place.new("ServiceAccount", **cousin),
        place.new("ServiceAccount", metadata={"name": "worker"}),
        place.new("Deployment", "apps/v1", metadata={"name": "web"}, spec=spec),
        place.new(
            "RoleBinding", RBAC, metadata={"name": "views"}, roleRef=_ROLE, subjects=[_subject("kin", place)]
        ),
        place.new("Pod", metadata={"name": "workers"}, spec={**_POD, "serviceAccountName": "worker"}),
    ):
        plural = f"{body['kind'].lower()}s"
        path = path_of(plural, "", namespace=place.namespace, api=body["apiVersion"]).rstrip("/")
        made = place.admin.request("POST", path, body=body)
        assert made.code == 201, made.body


def _subject(name: str, place: Place) -> dict[str, str]:
    return {"kind": "ServiceAccount", "name": name, "namespace": place.namespace}


def _edit(name: str, metadata: Mapping[str, Any]) -> Callable[[Place], Reply]:
    return lambda at: at.send("PATCH", at.account(name), {"metadata": dict(metadata)}, content_type=MERGE)


def _token(name: str) -> Callable[[Place], Reply]:
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    return lambda at: at.send("POST", f"{at.account(name)}/token", body)


def _token_secret(name: str) -> Callable[[Place], Reply]:
    def attack(at: Place) -> Reply:
        annotations = {"kubernetes.io/service-account.name": name}
        body = at.new(
            "Secret", type="kubernetes.io/service-account-token", metadata={"annotations": annotations}
        )
        return at.send("POST", at.path("secrets"), body)

    return attack


def _binding(*subjects: Mapping[str, str] | str) -> Callable[[Place], Reply]:
    def attack(at: Place) -> Reply:
        bound = [_subject(one, at) if isinstance(one, str) else dict(one) for one in subjects]
        body = at.new("RoleBinding", RBAC, roleRef=_ROLE, subjects=bound)
        return at.send("POST", at.path("rolebindings", api=RBAC), body)

    return attack


def _pod(name: str, **members: Any) -> Callable[[Place], Reply]:
    def attack(at: Place) -> Reply:
        return at.send(
            "POST", at.path("pods"), at.new("Pod", spec={**_POD, "serviceAccountName": name, **members})
        )

    return attack


def _cron_job(at: Place) -> Reply:
    inner = {**_POD, "serviceAccountName": "worker", "restartPolicy": "Never"}
    job = {"spec": {"template": {"spec": inner}}}
    spec = {"schedule": "0 0 1 1 *", "jobTemplate": job}
    return at.send("POST", at.path("cronjobs", api="batch/v1"), at.new("CronJob", "batch/v1", spec=spec))


def _switch(at: Place) -> Reply:
    body = {"spec": {"template": {"spec": {"serviceAccountName": "worker"}}}}
    return at.send("PATCH", at.path("deployments", "web", api="apps/v1"), body, content_type=MERGE)


def _debug(at: Place) -> Reply:
    container = {"name": "debug", "image": "example.invalid/none:1"}
    body = {"spec": {"ephemeralContainers": [container]}}
    path = f"{at.path('pods', 'workers')}/ephemeralcontainers"
    return at.send("PATCH", path, body, content_type=STRATEGIC)


def _agent_of(owner: str | None) -> Callable[[Place], Reply]:
    annotations = {} if owner is None else {_OWNER: owner}

    def attack(at: Place) -> Reply:
        metadata = {"labels": _TAG, "annotations": annotations}
        return at.send("POST", at.path("serviceaccounts"), at.new("ServiceAccount", metadata=metadata))

    return attack


_PERSON = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "mallory"}
_EVERYBODY = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:authenticated"}

ATTACKS: dict[str, Callable[[Place], Reply]] = {
    "untagging an agent": _edit("kin", {"labels": {"peergate.dev/agent": None}}),
    "tagging it otherwise": _edit("kin", {"labels": {"peergate.dev/agent": "false"}}),
    "tagging an account": _edit("worker", {"labels": _TAG, "annotations": {_OWNER: "team-platform"}}),
    "changing an owner": _edit("kin", {"annotations": {_OWNER: "team-mallory"}}),
    "labelling an account": _edit("worker", {"labels": {"a": "b"}}),
    "deleting an agent": lambda at: at.send("DELETE", at.account("kin")),
    "deleting an account": lambda at: at.send("DELETE", at.account("worker")),
    "creating an agent of another owner": _agent_of("team-search"),
    "creating an agent of nobody": _agent_of(None),
    "a token of an account": _token("worker"),
    "a token of an agent of another owner": _token("cousin"),
    "a token Secret of an account": _token_secret("worker"),
    "a token Secret of an agent of another owner": _token_secret("cousin"),
    "binding rights to an account": _binding("worker"),
    "binding rights to an account beside an agent": _binding("kin", "worker"),
    "binding rights to a person": _binding(_PERSON),
    "binding rights to everybody": _binding(_EVERYBODY),
    "a Pod that runs as an account": _pod("worker"),
    "a Pod that runs as an agent of another owner": _pod("cousin"),
    "a Pod that mounts another account's token by hand": _pod(
        "worker",
        automountServiceAccountToken=False,
        volumes=[{"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}],
    ),
    "a CronJob that runs as an account": _cron_job,
    "switching a workload to an account": _switch,
    "a debug container in a Pod of an account": _debug,
}


@pytest.fixture(scope="module", params=[True, False], ids=["protected", "open"])
def places(request, cluster: Cluster, _agent: Client, _bystander: Client) -> Iterator[tuple[Place, Place]]:
    """Two views of one namespace: the bystander's, who tries without effect, and the agent's."""
    with fresh_namespace(cluster, protected=request.param) as namespace:
        own = Place(cluster.admin, _agent, namespace)
        fill(own)
        yield Place(cluster.admin, _bystander, namespace, dry=True), own


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_an_agent_does_not_become_somebody_else_by(attack, places):
    theirs, own = places
    worked = attack(theirs)
    assert worked.code in {200, 201}, worked.body
    before = own.state()
    refused = attack(own)
    assert (refused.code, reported(refused)) == BARRED, refused.body
    assert own.state() == before


ALLOWED: dict[str, Callable[[Place], Reply]] = {
    "a token of an agent of the same owner": _token("kin"),
    "a token Secret of an agent of the same owner": _token_secret("kin"),
    "binding rights to an agent": _binding("kin"),
    "a Pod that runs as the default account": _pod("default"),
    "a Pod that runs as an agent of the same owner": _pod("kin"),
    "a Pod that mounts no token": _pod("worker", automountServiceAccountToken=False),
    "an agent of the same owner": _agent_of("team-platform"),
    "an account without a tag": lambda at: at.send(
        "POST", at.path("serviceaccounts"), at.new("ServiceAccount")
    ),
    "a Secret": lambda at: at.send("POST", at.path("secrets"), at.new("Secret", data={"a": "YQ=="})),
}


@pytest.mark.parametrize("attempt", ALLOWED.values(), ids=ALLOWED.keys())
def test_an_agent_may_create(attempt, places, admin):
    _, own = places
    reply = attempt(own)
    assert reply.code == 201, reply.body
    kinds = {"Pod": "pods", "Secret": "secrets", "ServiceAccount": "serviceaccounts"}
    plural = kinds.get(reply.body["kind"])
    if reply.body["kind"] == "RoleBinding":
        assert admin.request("DELETE", own.path("rolebindings", "new", api=RBAC)).code == 200
    elif plural:
        gone = admin.request("DELETE", own.path(plural, "new"), body={"gracePeriodSeconds": 0})
        assert gone.code == 200, gone.body
    else:
        assert reply.body["kind"] == "TokenRequest"


# --- cluster-wide ---


def test_rights_in_the_whole_cluster_are_bound_to_agents_alone(cluster, admin, agent, bystander):
    path = f"/apis/{RBAC}/clusterrolebindings"

    def attack(client: Client, name: str) -> Reply:
        subject = {"kind": "ServiceAccount", "name": "bystander", "namespace": "workers"}
        body = {
            "apiVersion": RBAC,
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": _ROLE,
            "subjects": [subject],
        }
        return client.request("POST", path, body=body)

    name = f"b-{secrets.token_hex(4)}"
    assert attack(bystander, name).code == 201
    assert admin.request("DELETE", f"{path}/{name}").code == 200
    refused = attack(agent, name)
    assert (refused.code, reported(refused)) == BARRED
    assert admin.request("GET", f"{path}/{name}").code == 404


def _certificate_request(name: str) -> dict[str, Any]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mallory")])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": {
            "request": base64.b64encode(request.public_bytes(serialization.Encoding.PEM)).decode(),
            "signerName": "kubernetes.io/kube-apiserver-client",
            "usages": ["client auth"],
        },
    }


def test_an_agent_neither_asks_for_a_client_certificate_nor_approves_one(admin, agent, bystander):
    path = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
    name = f"c-{secrets.token_hex(4)}"

    def approve(client: Client) -> Reply:
        body = admin.request("GET", f"{path}/{name}").body
        body["status"] = {
            "conditions": [{"type": "Approved", "status": "True", "reason": "x", "message": "y"}]
        }
        return client.request("PUT", f"{path}/{name}/approval", body=body)

    refused = agent.request("POST", path, body=_certificate_request(name))
    assert (refused.code, reported(refused)) == BARRED
    assert bystander.request("POST", path, body=_certificate_request(name)).code == 201
    refused = approve(agent)
    assert (refused.code, reported(refused)) == BARRED
    assert "conditions" not in admin.request("GET", f"{path}/{name}").body["status"]
    assert approve(bystander).code == 200
    assert admin.request("DELETE", f"{path}/{name}").code == 200


CONNECTIONS = ("exec?command=sh&stdout=true", "attach?stdout=true", "portforward?ports=8080", "proxy/")


@pytest.mark.parametrize("what", CONNECTIONS)
def test_an_agent_does_not_get_into_a_pod_of_somebody_else(what, places):
    theirs, own = places
    worked = theirs.send("GET", f"{theirs.path('pods', 'workers')}/{what}")
    # There are no nodes: who is let through meets a pod without a host.
    assert worked.code != 403
    assert "gate.peergate.dev" not in str(worked.body)
    refused = own.send("GET", f"{own.path('pods', 'workers')}/{what}")
    assert (refused.code, reported(refused)) == BARRED, refused.body
