"""Doors beside the ones that are named after a threat: how an agent tried them, and what is there afterwards.

Each is first shown to be a door: the same request works for a bystander with the same rights.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.harness.clients import Client, Reply
from tests.harness.namespaces import fresh_namespace
from tests.harness.principals import create_account
from tests.harness.waiting import wait_until
from tests.support.changes import BACKGROUND, id_of, path_of, reported, sign, slots
from tests.support.world import MERGE, victim, world

from peergate.model.wire import format_instant

BARRED = (403, "NotApprovable")
RBAC = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
APIS = "/apis/apiregistration.k8s.io/v1/apiservices"
LEASES = "coordination.k8s.io/v1"
FINALIZER = "example.com/keep"
MISSING = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "gone"}


def lease(namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": LEASES,
        "kind": "Lease",
        "metadata": {"name": "lock", "namespace": namespace, "finalizers": [FINALIZER]},
        "spec": {"holderIdentity": "one"},
    }


# --- a Lease, whose renewals nobody reviews --------------------------------------------------------------


@pytest.fixture
def lock(desk, admin, namespace) -> Iterator[str]:
    path = path_of("leases", "lock", namespace=namespace, api=LEASES)
    desk.create(path, lease(namespace))
    yield path
    admin.request("PATCH", path, body={"metadata": {"finalizers": None}}, content_type=MERGE)


LEASE_ATTACKS: dict[str, dict[str, Any]] = {
    "a foreign owner": {"metadata": {"ownerReferences": [MISSING]}},
    "a dropped finalizer": {"metadata": {"finalizers": None}},
    "a foreign owner beside a renewal": {
        "metadata": {"ownerReferences": [MISSING]},
        "spec": {"holderIdentity": "me"},
    },
    "a label": {"metadata": {"labels": {"keep": "no"}}},
}


@pytest.mark.parametrize("body", LEASE_ATTACKS.values(), ids=LEASE_ATTACKS.keys())
def test_a_lease_is_not_deleted_by_a_renewal_that_is_more(body, desk, agent, bystander, lock):
    renewed = agent.request("PATCH", lock, body={"spec": {"holderIdentity": "two"}}, content_type=MERGE)
    assert renewed.code == 200, renewed.body
    before = desk.get(lock)
    refused = agent.request("PATCH", lock, body=body, content_type=MERGE)
    assert (refused.code, reported(refused)) == (403, "ApprovalMissing")
    assert desk.get(lock) == before
    worked = bystander.request("PATCH", lock, body=body, content_type=MERGE, query={"dryRun": "All"})
    assert worked.code == 200, worked.body


# --- rights by way of other roles ------------------------------------------------------------------------


def role(name: str, **members: Any) -> dict[str, Any]:
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["delete"]}]
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name, **members},
        "rules": rules,
    }


INTO_VIEW = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}


def view_deletes(admin: Client) -> bool:
    rules = admin.request("GET", f"{RBAC}/view").body["rules"]
    return any("configmaps" in rule["resources"] and "delete" in rule["verbs"] for rule in rules)


def test_rights_do_not_flow_into_the_roles_of_others(admin, agent, bystander):
    name = f"r-{secrets.token_hex(4)}"
    try:
        assert bystander.request("POST", RBAC, body=role(name, labels=INTO_VIEW)).code == 201
        wait_until("the right has flowed", lambda: view_deletes(admin))
    finally:
        admin.request("DELETE", f"{RBAC}/{name}")
    wait_until("it is gone again", lambda: not view_deletes(admin))
    refused = agent.request("POST", RBAC, body=role(name, labels=INTO_VIEW))
    assert (refused.code, reported(refused)) == BARRED
    assert agent.request("POST", RBAC, body=role(name)).code == 201
    refused = agent.request(
        "PATCH", f"{RBAC}/{name}", body={"metadata": {"labels": INTO_VIEW}}, content_type=MERGE
    )
    assert (refused.code, reported(refused)) == BARRED
    assert "labels" not in admin.request("GET", f"{RBAC}/{name}").body["metadata"]
    assert not view_deletes(admin)
    admin.request("DELETE", f"{RBAC}/{name}")


# --- the kinds of the gate, and its part of the API ------------------------------------------------------


def served(name: str) -> Callable[[Client, str], Reply]:
    def stop(client: Client, dry: str) -> Reply:
        body = [{"op": "replace", "path": "/spec/versions/0/served", "value": False}]
        return client.request(
            "PATCH",
            f"{CRDS}/{name}",
            body=body,
            content_type="application/json-patch+json",
            query={"dryRun": dry} if dry else None,
        )

    return stop


def removed(path: str) -> Callable[[Client, str], Reply]:
    def remove(client: Client, dry: str) -> Reply:
        return client.request("DELETE", path, body={**BACKGROUND, **({"dryRun": [dry]} if dry else {})})

    return remove


OWN_ATTACKS: dict[str, tuple[str, Callable[[Client, str], Reply]]] = {
    "serving approvers no more": (f"{CRDS}/approvers.peergate.dev", served("approvers.peergate.dev")),
    "deleting the kind of policies": (
        f"{CRDS}/protectionpolicies.peergate.dev",
        removed(f"{CRDS}/protectionpolicies.peergate.dev"),
    ),
    "deleting the group": (f"{APIS}/v1alpha1.peergate.dev", removed(f"{APIS}/v1alpha1.peergate.dev")),
    "taking the operator's rights": (
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/peergate-operator",
        removed("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/peergate-operator"),
    ),
}


@pytest.mark.parametrize(("path", "attack"), OWN_ATTACKS.values(), ids=OWN_ATTACKS.keys())
def test_the_gates_own_kinds_and_rights_stay(path, attack, desk, agent, bystander):
    before = desk.get(path)
    worked = attack(bystander, "All")
    assert worked.code == 200, worked.body
    refused = attack(agent, "")
    assert (refused.code, reported(refused)) == BARRED, refused.body
    after = desk.get(path)
    assert (after["metadata"]["uid"], after.get("spec")) == (before["metadata"]["uid"], before.get("spec"))


def test_no_part_of_the_api_moves_past_the_gate(admin, agent, bystander):
    name = f"v1.g{secrets.token_hex(4)}.example.com"
    body = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": name},
        "spec": {
            "group": name.removeprefix("v1."),
            "version": "v1",
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "service": {"name": "mine", "namespace": "agents"},
            "insecureSkipTLSVerify": True,
        },
    }
    assert bystander.request("POST", APIS, body=body, query={"dryRun": "All"}).code == 201
    refused = agent.request("POST", APIS, body=body)
    assert (refused.code, reported(refused)) == BARRED
    assert admin.request("GET", f"{APIS}/{name}").code == 404


# --- so many agents that everybody is sent to the gate ---------------------------------------------------


def test_agents_do_not_multiply_without_end(cluster, peergate, admin, namespace):
    owner = f"team-{secrets.token_hex(3)}"
    with fresh_namespace(cluster, protected=False) as home:
        breeder = create_account(cluster, home, "breeder", owner=owner)
        peergate.wait_gated(breeder, namespace=namespace)
        accounts = f"/api/v1/namespaces/{home}/serviceaccounts"

        def one_more(number: int) -> Reply:
            metadata = {
                "name": f"bot-{number}",
                "labels": {"peergate.dev/agent": "true"},
                "annotations": {"peergate.dev/owner": owner},
            }
            return breeder.request(
                "POST", accounts, body={"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
            )

        replies = []
        for number in range(400):
            replies.append(one_more(number))
            if replies[-1].code != 201:
                break
        # What the gate counts is what it has seen, a moment ago.
        assert 99 <= len(replies) < 400
        assert (replies[-1].code, reported(replies[-1])) == BARRED
        assert "a person creates it" in replies[-1].body["message"]


# --- a token that outlives its account, and a gate that has just been started ----------------------------


def test_an_old_token_of_an_agent_is_no_way_in_after_a_restart():
    with world() as here:
        accounts = "/api/v1/namespaces/agents/serviceaccounts"
        for attempt in range(5):
            name = f"bot-{attempt}"
            agent = create_account(here.cluster, "agents", name, owner="team-platform")
            here.installation.wait_gated(agent, namespace=here.namespace)
            path = victim(here.admin, here.namespace)
            # Made anew without its tag while the gate is down: rights are bound to the name, and the old
            # token works for ten seconds more (I2).
            here.process.kill()
            assert here.admin.request("DELETE", f"{accounts}/{name}").code == 200
            body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
            assert here.admin.request("POST", accounts, body=body).code == 201
            here.process.start()
            here.process.wait_ready()
            refused = agent.request("DELETE", path, body=BACKGROUND)
            if refused.code != 401:
                break
        assert here.admin.request("GET", path).code == 200
        assert (refused.code, reported(refused)) == (403, "RequesterUnverified")


# --- a peer's no to a deletion, asked again with a second more --------------------------------------------


def test_a_rejection_is_not_evaded_by_another_grace(desk, crew, alice, agent, namespace, cluster):
    name = f"bob-{secrets.token_hex(4)}"
    bob = crew.register(name, kubernetesUsernames=[name])
    pod = path_of("pods", "victim", namespace=namespace)
    spec = {
        "automountServiceAccountToken": False,
        "containers": [{"name": "c", "image": "example.invalid/none:1"}],
        "nodeName": "node-that-is-not-there",
    }
    desk.create(pod, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "victim"}, "spec": spec})
    asked = desk.deletion(pod)
    any_grace = replace(asked, options={**BACKGROUND, "minGracePeriodSeconds": 0})
    assert agent.request("DELETE", pod, body=BACKGROUND).code == 403
    request = path_of("changerequests", id_of(asked), namespace=namespace, api="peergate.dev/v1alpha1")
    wait_until("it is filed", lambda: desk.there(request))
    now = datetime.now(UTC).replace(microsecond=0)
    no = {
        "by": bob.identity,
        "reason": "not now",
        "at": format_instant(now),
        "until": format_instant(now + timedelta(hours=1)),
    }
    rejecter = cluster.client(cluster.kubeconfig_for_user(name, groups=("system:masters",)))
    said = rejecter.request(
        "PATCH", f"{request}/status", body={"status": {"rejection": no}}, content_type=MERGE
    )
    assert said.code == 200, said.body
    desk.attach(pod, slots(sign(any_grace, by=alice)))
    dry = {**BACKGROUND, "dryRun": ["All"]}
    wait_until(
        "the gate knows the no",
        lambda: reported(agent.request("DELETE", pod, body=dry)) == "ChangeRejected",
    )
    before = desk.get(pod)
    for grace in (0, 29, 31, 3600):
        refused = agent.request("DELETE", pod, body={**BACKGROUND, "gracePeriodSeconds": grace})
        assert (refused.code, reported(refused)) == (403, "ChangeRejected"), refused.body
    assert desk.get(pod) == before
