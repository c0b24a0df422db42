"""Which Pod a change came from: what the token named is a claim, what is said of the Pod is the cluster's."""

from __future__ import annotations

import re
import secrets

import pytest
from tests.harness.clients import Client
from tests.support.changes import BACKGROUND, path_of
from tests.support.cli import run
from tests.support.filed import filed
from tests.support.requests_of import request_path, spec_of, wait_filed
from tests.support.world import victim

AGENTS, ACCOUNT = "agents", "demo-agent"


@pytest.fixture
def pod(desk, admin):
    """Return a function that makes a Pod which runs as an account; it is gone afterwards."""
    made = []

    def make(account: str, *images: str) -> str:
        name = f"bot-{secrets.token_hex(4)}"
        containers = [{"name": f"c{number}", "image": image} for number, image in enumerate(images)]
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name},
            "spec": {"serviceAccountName": account, "containers": containers},
        }
        desk.create(path_of("pods", name, namespace=AGENTS), body)
        made.append(name)
        return name

    yield make
    for name in made:
        admin.request("DELETE", path_of("pods", name, namespace=AGENTS), body={"gracePeriodSeconds": 0})


def from_pod(cluster, name: str) -> Client:
    """Return the agent with a token that is bound to the Pod."""
    path = cluster.folder / "users" / f"{name}.kubeconfig"
    cluster.kubeconfig_for_token(cluster.token(AGENTS, ACCOUNT, pod=name), path=path)
    return cluster.client(path)


def shown(cluster, desk, change) -> tuple[str, dict]:
    namespace, name = change.object.namespace, request_path(change).rpartition("/")[2]
    screen = run("-n", namespace, "show", name, kubeconfig=cluster.kubeconfig)
    document = run("-n", namespace, "show", name, "-o", "json", kubeconfig=cluster.kubeconfig).json()
    assert screen.status == 0, screen.err
    return re.sub(r"\s+", " ", screen.out), document["request"]["claimedPod"]


def test_the_pod_of_a_token_and_its_images_are_shown(cluster, desk, agent, admin, namespace, pod):
    name = pod(ACCOUNT, "example.invalid/bot:7", "example.invalid/side:1")
    path = victim(admin, namespace)
    change = desk.deletion(path)
    assert from_pod(cluster, name).request("DELETE", path, body=BACKGROUND).code == 403
    assert spec_of(wait_filed(desk, change)).requester.pod == name
    words, claimed = shown(cluster, desk, change)
    assert f"claimed: from Pod {AGENTS}/{name}, image example.invalid/bot:7, example.invalid/side:1" in words
    assert (claimed["name"], claimed["images"]) == (name, ["example.invalid/bot:7", "example.invalid/side:1"])

    # The same change from elsewhere is the same request, and stays as it was filed.
    before = desk.get(request_path(change))["metadata"]["uid"]
    assert agent.request("DELETE", path, body=BACKGROUND).code == 403
    assert desk.get(request_path(change))["metadata"]["uid"] == before

    admin.request("DELETE", path_of("pods", name, namespace=AGENTS), body={"gracePeriodSeconds": 0})
    words, claimed = shown(cluster, desk, change)
    assert f"claimed: from Pod {AGENTS}/{name}, which is gone" in words
    assert claimed["images"] == []


def test_a_pod_of_another_account_is_said_to_be_one(cluster, desk, agent, admin, namespace, pod):
    name = pod("default", "example.invalid/innocent:1")
    path = victim(admin, namespace)
    change = desk.deletion(path)
    made_up = {
        "Impersonate-User": f"system:serviceaccount:{AGENTS}:{ACCOUNT}",
        "Impersonate-Uid": desk.requester.uid,
        "Impersonate-Extra-authentication.kubernetes.io%2Fpod-name": name,
    }
    assert admin.request("DELETE", path, body=BACKGROUND, headers=made_up).code == 403
    assert spec_of(wait_filed(desk, change)).requester.pod == name
    words, claimed = shown(cluster, desk, change)
    assert f"claimed: from Pod {AGENTS}/{name}, which runs as ANOTHER account" in words
    assert claimed["images"] == []
    assert "innocent" not in words


@pytest.mark.parametrize("name", ["evil/proxy/x", "../secrets/db", "bot?watch=1"])
def test_no_request_leads_an_approver_anywhere_but_to_a_pod(name, cluster, desk, admin, namespace):
    change = desk.deletion(victim(admin, namespace))
    requester = {"username": change.requester.username, "uid": change.requester.uid, "pod": name}
    body = filed(desk, change, post=False, requester=requester)
    made = admin.request("POST", request_path(change).rpartition("/")[0], body=body)
    assert made.code == 422, made.body
    assert "spec.requester.pod" in made.body["message"]
