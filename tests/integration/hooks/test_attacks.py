"""An agent that RBAC gives everything, while the hooks' accounts are there: it can't borrow or bend any."""

from __future__ import annotations

from typing import Any

import pytest
from tests.harness.principals import create_account
from tests.harness.waiting import wait_until
from tests.support.chart_hooks import NAMESPACE, Hook

pytestmark = pytest.mark.cluster

OPEN, HELD = "peergate-test-open", "peergate-test-held"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
TOKEN = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
MERGE = "application/merge-patch+json"


RESTRICTED_POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {},
    "spec": {
        "containers": [
            {
                "name": "main",
                "image": "example.com/any",
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "runAsNonRoot": True,
                    "capabilities": {"drop": ["ALL"]},
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
            }
        ]
    },
}


OTHER_SETTINGS = {
    "spec": {"template": {"metadata": {"annotations": {"peergate.dev/settings": "agents: {trusted: [x]}"}}}}
}


def account(namespace: str, name: str) -> str:
    return f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}"


def pod(namespace: str, name: str) -> dict[str, Any]:
    """Return a Pod that would run as an account, and so with its token."""
    return {
        **RESTRICTED_POD,
        "metadata": {"name": "borrowed", "namespace": namespace},
        "spec": {**RESTRICTED_POD["spec"], "serviceAccountName": name},
    }


def subject(name: str) -> dict[str, Any]:
    return {"subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "agents"}]}


ATTACKS: dict[str, tuple[str, str, Any]] = {
    "a token of who removes the gate": ("POST", f"{account(NAMESPACE, 'peergate-uninstall')}/token", TOKEN),
    "a token of who runs the test": ("POST", f"{account(NAMESPACE, 'peergate-self-test')}/token", TOKEN),
    "a token of the canary": ("POST", f"{account(OPEN, 'canary')}/token", TOKEN),
    "a token of the bystander, who is no agent": ("POST", f"{account(OPEN, 'bystander')}/token", TOKEN),
    "a Pod that runs as who removes the gate": (
        "POST", f"/api/v1/namespaces/{NAMESPACE}/pods", pod(NAMESPACE, "peergate-uninstall"),
    ),
    "a Pod that runs as the bystander": (
        "POST", f"/api/v1/namespaces/{OPEN}/pods", pod(OPEN, "bystander"),
    ),
    "the binding of who removes the gate, for itself": (
        "PATCH", f"{RBAC}/clusterrolebindings/peergate-uninstall", subject("bot"),
    ),
    "the canary without its tag": (
        "PATCH", account(OPEN, "canary"), {"metadata": {"labels": {"peergate.dev/agent": None}}},
    ),
    "the tag on the bystander": (
        "PATCH", account(OPEN, "bystander"), {"metadata": {"labels": {"peergate.dev/agent": "true"}}},
    ),
    "what the canary aims at, gone": ("DELETE", account(HELD, "peergate-self-test"), None),
    "the canary, gone": ("DELETE", account(OPEN, "canary"), None),
    "the canary's namespace, gone": ("DELETE", f"/api/v1/namespaces/{OPEN}", None),
    "the protected namespace, gone": ("DELETE", f"/api/v1/namespaces/{HELD}", None),
    "the protected namespace, open": (
        "PATCH", f"/api/v1/namespaces/{HELD}", {"metadata": {"labels": {"peergate.dev/protected": None}}},
    ),
    "other settings for the operator's Pods": (
        "PATCH", f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/peergate", OTHER_SETTINGS,
    ),
    "a Pod by the name of the test's, that says yes": (
        "POST",
        f"/api/v1/namespaces/{NAMESPACE}/pods",
        {**RESTRICTED_POD, "metadata": {"name": "peergate-self-test", "namespace": NAMESPACE}},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def bot(running_once, _stage):
    """A tagged account that may everything that RBAC knows."""
    cluster = running_once.cluster
    _stage.make()
    leaving = Hook(cluster, "pre-delete")
    client = create_account(cluster, "agents", "bot", owner="team")
    cluster.admin.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "bot-everything"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "cluster-admin",
            },
            "subjects": [{"kind": "ServiceAccount", "name": "bot", "namespace": "agents"}],
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "peergate", "namespace": NAMESPACE},
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": {"app": "peergate"}},
                "template": {
                    "metadata": {
                        "labels": {"app": "peergate"},
                        "annotations": {"peergate.dev/settings": "namespace: peergate-system"},
                    },
                    "spec": RESTRICTED_POD["spec"],
                },
            },
        },
    )
    path = account(OPEN, "canary")
    with leaving.made():
        wait_until(
            "the bot is judged",
            lambda: "gate.peergate.dev" in str(client.request("DELETE", path, query={"dryRun": "All"}).body),
        )
        yield client
    cluster.admin.kubectl("delete", "clusterrolebinding", "bot-everything").must()


def state(cluster) -> list[Any]:
    """Return what the attacks are after."""
    kinds = "roles rolebindings clusterroles clusterrolebindings serviceaccounts namespaces deployments pods"
    found = []
    for kind in kinds.split():
        items = cluster.kubectl("get", kind, "-A", "-o", "json").json()["items"]
        found += [
            {key: value for key, value in item.items() if key != "status"}
            for item in items
            if "peergate" in item["metadata"]["name"] or item["metadata"].get("namespace") in {OPEN, HELD}
        ]
    for item in found:
        item["metadata"].pop("managedFields", None)
        item["metadata"].pop("resourceVersion", None)
    return found


@pytest.mark.parametrize(("method", "path", "body"), ATTACKS.values(), ids=ATTACKS)
def test_it_is_refused_and_nothing_has_changed(bot, running_once, method, path, body):
    before = state(running_once.cluster)
    reply = bot.request(
        method, path, body=body, content_type=MERGE if method == "PATCH" else "application/json"
    )
    assert reply.code == 403, reply.body
    assert 'gate.peergate.dev" denied the request' in reply.body["message"]
    assert "token" not in str(reply.body.get("status", ""))
    assert state(running_once.cluster) == before


def test_what_is_left_of_a_hook_whose_helm_was_killed_opens_nothing(place, running_once, bot):
    """The account that removes the gate is still bound; without its token, which nobody gets, that is all."""
    admin = place.admin
    path = f"{account(NAMESPACE, 'peergate-uninstall')}/token"
    assert bot.request("POST", path, body=TOKEN).code == 403
    # And where the account itself was cleared away, nobody who is an agent makes it anew under its name.
    assert admin.request("DELETE", account(NAMESPACE, "peergate-uninstall")).code == 200
    made = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "peergate-uninstall", "namespace": NAMESPACE},
    }
    reply = bot.request("POST", f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", body=made)
    assert reply.code == 403
    assert admin.request("GET", account(NAMESPACE, "peergate-uninstall")).code == 404
    admin.apply(made)
