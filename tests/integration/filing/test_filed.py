"""A refused change files itself: under its own name, after the answer, once, and only if it is real."""

from __future__ import annotations

import base64
import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.harness.namespaces import fresh_namespace
from tests.harness.waiting import wait_until
from tests.support.changes import BACKGROUND, DRY_DELETE, SLOT, id_of, path_of, reported, sign
from tests.support.filed import filed
from tests.support.requests_of import named, request_path, spec_of, wait_filed, wait_named
from tests.support.world import MERGE, victim

from peergate.approval.change import change_digest
from peergate.approval.patches import apply_patch
from peergate.cluster.client import Client
from peergate.cluster.filing import Registry
from peergate.gate import record
from peergate.gate.filed import recorded_change
from peergate.gate.record import Draft
from peergate.model.change import Effect
from peergate.model.decision import Facts, Filing
from peergate.model.names import ChangeId

JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"


def test_a_refused_deletion_files_itself_under_the_name_the_refusal_tells(desk, agent, admin, namespace):
    path = victim(admin, namespace)
    change = desk.deletion(path)
    reply = agent.request("DELETE", path, body=BACKGROUND)
    assert (reply.code, reported(reply)) == (403, "ApprovalMissing")
    assert named(reply) == f"{namespace}/{id_of(change)}"
    document = wait_filed(desk, change)
    spec = spec_of(document)
    assert recorded_change(spec) == change
    assert (spec.requester.owner, spec.effect, spec.rules) == ("team-platform", "Delete", ("built-in",))
    assert (spec.patch, spec.complete) == (None, True)
    assert spec.expires - spec.filed_at == timedelta(hours=24)
    assert f" expires={spec.expires:%Y-%m-%dT%H:%M}Z" in reply.body["message"]
    name = path.rpartition("/")[2]
    assert spec.summary.startswith(f"delete ConfigMap {namespace}/{name}: 1 key, created 2")
    assert "ownerReferences" not in document["metadata"]
    assert "finalizers" not in document["metadata"]


def test_a_thousand_retries_leave_one_request(desk, agent, admin, namespace):
    path = victim(admin, namespace)
    change = desk.deletion(path)
    first = agent.request("DELETE", path, body=BACKGROUND)
    document = wait_filed(desk, change)
    for _ in range(30):
        again = agent.request("DELETE", path, body=BACKGROUND)
        assert again.body["message"] == first.body["message"]
    assert desk.get(request_path(change))["metadata"]["uid"] == document["metadata"]["uid"]
    collection = request_path(change).rpartition("/")[0]
    assert len(desk.get(collection)["items"]) == 1


def deployment(namespace: str, name: str) -> dict[str, Any]:
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "annotations": {"note": "a/b~c"}},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "containers": [
                        {"name": "side", "image": "example.invalid/side:1"},
                        {
                            "name": "app",
                            "image": "example.invalid/app:1",
                            "env": [{"name": "A", "value": "1"}],
                        },
                    ]
                },
            },
        },
    }


def settled(desk, path, body):
    """Create a Deployment; return once its controllers are done with it: they write what is signed."""
    desk.create(path, body)
    wait_until("it has its Pods", lambda: desk.get(path).get("status", {}).get("unavailableReplicas") == 3)


UPDATES: dict[str, tuple[str, Any]] = {
    "a merge patch": (MERGE, {"spec": {"replicas": 0}, "metadata": {"labels": {"tier/x": "a"}}}),
    "a JSON patch that puts a container first": (
        JSON_PATCH,
        [
            {
                "op": "add",
                "path": "/spec/template/spec/containers/0",
                "value": {"name": "first", "image": "example.invalid/x:1"},
            },
            {"op": "remove", "path": "/metadata/annotations/note"},
        ],
    ),
    "a server-side apply": (
        APPLY,
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "spec": {
                "template": {"spec": {"containers": [{"name": "app", "image": "example.invalid/app:2"}]}}
            },
        },
    ),
}


@pytest.mark.parametrize(("content_type", "body"), UPDATES.values(), ids=UPDATES.keys())
def test_the_patch_of_an_update_leads_a_signer_to_the_very_digest(
    content_type, body, desk, agent, admin, namespace
):
    path = path_of("deployments", "web", namespace=namespace, api="apps/v1")
    settled(desk, path, deployment(namespace, "web"))
    query = {"fieldManager": "agent", "force": "true"} if content_type == APPLY else {}
    if content_type == APPLY:
        body = {**body, "metadata": {"name": "web", "namespace": namespace}}
    reply = agent.request("PATCH", path, body=body, content_type=content_type, query=query)
    assert (reply.code, reported(reply)) == (403, "ApprovalMissing"), reply.body
    document = wait_named(desk, reply)
    spec = spec_of(document)
    change = recorded_change(spec)
    assert id_of(change) == document["metadata"]["name"]
    assert spec.complete
    assert spec.patch

    def recomputed():
        """Do what a signer's tool does: its own GET, the patch on it, its own digests."""
        return desk.update(path, apply_patch(desk.get(path), spec.patch))

    # The desk reads twice, and a controller may write the status between.
    wait_until("a signer finds the very change", lambda: recomputed() == change, within=10)
    assert "a/b~c" not in spec.summary


def test_a_scale_is_filed_over_the_scale_object(desk, agent, admin, namespace):
    path = path_of("deployments", "web", namespace=namespace, api="apps/v1")
    settled(desk, path, deployment(namespace, "web"))
    body = {"spec": {"replicas": 0}}
    reply = agent.request("PATCH", f"{path}/scale", body=body, content_type=MERGE)
    assert reported(reply) == "ApprovalMissing"
    spec = spec_of(wait_named(desk, reply))
    assert spec.object.subresource == "scale"
    assert spec.summary == f"scale Deployment {namespace}/web (scale to 0): 1 removed"
    assert [dict(step) for step in spec.patch] == [{"op": "remove", "path": "/spec/replicas"}]


def test_a_dry_run_files_nothing(desk, agent, admin, namespace):
    path, witness = victim(admin, namespace), victim(admin, namespace)
    change = desk.deletion(path)
    assert reported(agent.request("DELETE", path, body=DRY_DELETE)) == "ApprovalMissing"
    other = desk.deletion(witness)
    agent.request("DELETE", witness, body=BACKGROUND)
    wait_filed(desk, other)
    assert not desk.there(request_path(change))


def test_a_cluster_scoped_target_is_filed_in_the_operators_namespace(desk, agent, cluster):
    with fresh_namespace(cluster, protected=True) as name:
        path = f"/api/v1/namespaces/{name}"
        change = desk.deletion(path)
        reply = agent.request("DELETE", path, body=BACKGROUND)
        assert named(reply) == f"peergate-system/{id_of(change)}"
        document = wait_filed(desk, change)
        assert spec_of(document).summary.startswith(f"delete Namespace {name} (with all it holds): created ")
        reason = {"metadata": {"annotations": {"peergate.dev/reason": "the tests are done"}}}
        assert agent.request("PATCH", request_path(change), body=reason, content_type=MERGE).code == 200


def secret(namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "creds",
            "namespace": namespace,
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": '{"password":"hunter-one"}'},
        },
        "stringData": {"password": "hunter-one", "user": "app", "old": "hunter-zero"},
    }


def test_a_secrets_values_stay_out_of_its_request(desk, agent, admin, namespace):
    path = path_of("secrets", "creds", namespace=namespace)
    desk.create(path, secret(namespace))
    body = {
        "metadata": {
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": '{"password":"hunter-two"}'},
            "labels": {"tier": "a"},
        },
        "stringData": {"password": "hunter-two"},
        "data": {"old": None, "new": base64.b64encode(b"hunter-new").decode()},
    }
    change = desk.update(path, desk.dry_run("PATCH", path, body, content_type=MERGE))
    agent.request("PATCH", path, body=body, content_type=MERGE)
    document = wait_filed(desk, change)
    spec = spec_of(document)
    assert not spec.complete
    annotation = "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration"
    assert [dict(step) for step in spec.patch] == [
        {"op": "add", "path": "/data/new"},
        {"op": "remove", "path": "/data/old"},
        {"op": "replace", "path": "/data/password"},
        {"op": "replace", "path": annotation},
        {"op": "add", "path": "/metadata/labels", "value": {"tier": "a"}},
        {"op": "test", "path": "/data/user"},
    ]
    text = json.dumps(document)
    for value in ("hunter-zero", "hunter-one", "hunter-two", "hunter-new", "app"):
        assert base64.b64encode(value.encode()).decode() not in text
        assert value not in text or value == "app"


def test_a_patch_above_256_kib_is_left_out(desk, agent, admin, namespace):
    path = victim(admin, namespace)
    body = {"data": {"colour": "x" * 900_000}}
    change = desk.update(path, desk.dry_run("PATCH", path, body, content_type=MERGE))
    assert reported(agent.request("PATCH", path, body=body, content_type=MERGE)) == "ApprovalMissing"
    document = wait_filed(desk, change)
    assert (spec_of(document).patch, spec_of(document).complete) == (None, False)
    assert len(json.dumps(document)) < 8_000


def test_an_approval_on_the_filed_request_admits(desk, alice, agent, admin, namespace):
    path = victim(admin, namespace)
    change = desk.deletion(path)
    agent.request("DELETE", path, body=BACKGROUND)
    wait_filed(desk, change)
    body = {"metadata": {"annotations": {SLOT + "alice": sign(change, by=alice)}}}
    assert admin.request("PATCH", request_path(change), body=body, content_type=MERGE).code == 200
    wait_until("it is admitted", lambda: agent.request("DELETE", path, body=BACKGROUND).code == 200)
    assert not desk.there(path)


def test_a_request_that_tells_another_story_is_replaced(desk, agent, admin, namespace):
    """Squatting: somebody with rights files first, under the right name, about the right change."""
    path = victim(admin, namespace)
    change = desk.deletion(path)
    forged = filed(desk, change, post=False)
    forged["spec"]["summary"] = "delete a test object that nobody needs"
    squatter = desk.create(request_path(change), forged)
    agent.request("DELETE", path, body=BACKGROUND)

    def replaced():
        there = admin.request("GET", request_path(change))
        return there.code == 200 and there.body["metadata"]["uid"] != squatter["metadata"]["uid"]

    wait_until("the forged request is replaced", replaced)
    assert spec_of(desk.get(request_path(change))).summary.startswith("delete ConfigMap ")


async def test_what_was_signed_goes_to_the_request_of_a_replica_that_is_first(
    peergate, desk, alice, agent, admin, namespace
):
    """With the operator's own rights: the other replica files just when this one has taken the old away."""
    path = victim(admin, namespace)
    change = desk.deletion(path)
    old = filed(desk, change, post=False, summary="in other words")
    old["metadata"]["annotations"] = {SLOT + "alice": sign(change, by=alice)}
    desk.create(request_path(change), old)
    now = datetime.now(UTC)
    draft = Draft(
        change=change,
        facts=Facts(
            effect=Effect.DELETE,
            owner="team-platform",
            rules=("built-in",),
            change=change,
            change_digest=change_digest(change),
            change_id=ChangeId(id_of(change)),
        ),
        filing=Filing(namespace=namespace, filed_at=now, expires=now + timedelta(hours=1)),
        wanted=None,
    )
    client = await Client.connect(peergate.process.kubeconfig)
    taken_away = []

    async def delete(*args: Any, **members: Any) -> Any:
        miss = await Client.delete(client, *args, **members)
        if miss is None:
            taken_away.append(members["uid"])
        if len(taken_away) == 1:
            spec = record.spec_of(draft, desk.get(path))
            desk.create(request_path(change), {**old, "metadata": {"name": id_of(change)}, "spec": spec})
        return miss

    client.delete = delete
    try:
        uid = await Registry(client, clock=lambda: datetime.now(UTC)).file(draft, carried={})
    finally:
        await client.close()
    there = desk.get(request_path(change))
    assert (there["metadata"]["uid"], len(taken_away)) == (uid, 2)
    assert set(there["metadata"]["annotations"]) == {SLOT + "alice"}
    wait_until("it is admitted", lambda: agent.request("DELETE", path, body=BACKGROUND).code == 200)
    assert not desk.there(path)


def test_a_request_of_that_name_about_another_change_is_replaced(desk, agent, admin, namespace):
    path, other = victim(admin, namespace), victim(admin, namespace)
    change = desk.deletion(path)
    forged = filed(desk, desk.deletion(other), post=False)
    forged["metadata"]["name"] = id_of(change)
    desk.create(request_path(change), forged)
    agent.request("DELETE", path, body=BACKGROUND)

    def replaced():
        there = admin.request("GET", request_path(change))
        return there.code == 200 and recorded_change(spec_of(there.body)) == change

    wait_until("the forged request is replaced", replaced)


def test_an_agent_cannot_file_for_itself(desk, agent, admin, namespace):
    path = victim(admin, namespace)
    change = desk.deletion(path)
    reply = agent.request(
        "POST", request_path(change).rpartition("/")[0], body=filed(desk, change, post=False)
    )
    assert (reply.code, reported(reply)) == (403, "NotApprovable")
    assert not desk.there(request_path(change))


def test_what_the_operator_may_not_look_at_is_not_filed(peergate, desk, agent, admin, cluster, namespace):
    """A kind that no part of the aggregated role covers: said from the second refusal on."""
    group = f"g{secrets.token_hex(3)}.example.com"
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {
                        "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
                    },
                }
            ],
        },
    }
    admin.apply(crd)
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": f"widgets-{group}"},
        "rules": [{"apiGroups": [group], "resources": ["*"], "verbs": ["*"]}],
    }
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"widgets-{group}"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": f"widgets-{group}",
        },
        "subjects": [{"kind": "ServiceAccount", "namespace": "agents", "name": "demo-agent"}],
    }
    admin.apply(role, binding)
    try:
        path = path_of("widgets", "one", namespace=namespace, api=f"{group}/v1")
        body = {"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": {"name": "one"}}
        made = lambda: admin.request("POST", path.rpartition("/")[0], body=body).code == 201  # noqa: E731
        wait_until("the kind is served", made)
        wait_until(
            "the agent may delete it",
            lambda: reported(agent.request("DELETE", path, body=BACKGROUND)) == "ApprovalMissing",
        )
        wait_until(
            "the refusal says that it is not filed",
            lambda: named(agent.request("DELETE", path, body=BACKGROUND)) == "none",
        )
        assert desk.there(path)
        assert peergate.process.metric("peergate_filing_dropped_total", cause="rights") >= 1
    finally:
        for kind, name in (
            ("clusterrolebindings", f"widgets-{group}"),
            ("clusterroles", f"widgets-{group}"),
        ):
            admin.request("DELETE", path_of(kind, name, api="rbac.authorization.k8s.io/v1"))
        admin.request(
            "DELETE", path_of("customresourcedefinitions", f"widgets.{group}", api="apiextensions.k8s.io/v1")
        )
