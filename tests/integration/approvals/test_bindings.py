"""An approval holds for exactly one change: what others do between signature and request shows."""

from __future__ import annotations

from typing import Any

from tests.harness.waiting import wait_until
from tests.support.changes import BACKGROUND, config_map, path_of, reported, sign, slots
from tests.support.mutator import mutating

MERGE = {"content_type": "application/merge-patch+json"}


def settings(namespace: str) -> str:
    return path_of("configmaps", "settings", namespace=namespace)


def red(namespace: str) -> dict[str, Any]:
    return config_map(namespace, data={"colour": "red"})


def approve_red(desk, namespace: str, peer) -> dict[str, Any]:
    change = desk.update(settings(namespace), desk.dry_run("PUT", settings(namespace), red(namespace)))
    return dict(desk.attach(settings(namespace), slots(sign(change, by=peer))))


def test_what_a_mutating_webhook_adds_was_not_approved(desk, agent, namespace, alice):
    path = settings(namespace)
    desk.create(path, config_map(namespace))
    before = approve_red(desk, namespace, alice)
    patch = [{"op": "add", "path": "/data/sidecar", "value": "injected"}]
    when = "object.data.colour == 'red'"  # so that attaching an approval does not set it off
    with mutating(desk.cluster, namespace=namespace, when=when, patch=patch):
        wait_until(
            "the webhook injects",
            lambda: "sidecar" in desk.dry_run("PUT", path, red(namespace))["data"],
        )
        reply = agent.request("PUT", path, body=red(namespace))
        assert (reply.code, reported(reply)) == (403, "ChangeDiffers")
        assert desk.get(path) == before
        approve_red(desk, namespace, alice)
        reply = agent.request("PUT", path, body=red(namespace))
        assert reply.code == 200, reply.body
    assert desk.get(path)["data"] == {"colour": "red", "sidecar": "injected"}


CHANGES = {
    "its content": {"data": {"colour": "green"}},
    "its labels": {"metadata": {"labels": {"team": "shop"}}},
    "its annotations": {"metadata": {"annotations": {"team": "shop"}}},
    "its finalizers": {"metadata": {"finalizers": ["example.com/wait"]}},
}


def test_an_object_that_somebody_changed_meanwhile_is_not_the_approved_one(desk, agent, namespace, alice):
    admin = desk.cluster.admin
    for number, (what, patch) in enumerate(CHANGES.items()):
        name = f"c{number}"
        path = path_of("configmaps", name, namespace=namespace)
        desk.create(path, config_map(namespace, name))
        deletion = sign(desk.deletion(path), by=alice)
        wanted = config_map(namespace, name, data={"colour": "red"})
        update = sign(desk.update(path, desk.dry_run("PUT", path, wanted)), by=alice)
        desk.attach(path, slots(deletion, update))
        assert admin.request("PATCH", path, body=patch, **MERGE).code == 200
        before = desk.get(path)
        deleted = agent.request("DELETE", path, body=BACKGROUND)
        assert (what, deleted.code, reported(deleted)) == (what, 403, "ObjectChanged")
        updated = agent.request("PUT", path, body=wanted)
        assert (what, updated.code, reported(updated)) == (what, 403, "ObjectChanged")
        assert desk.get(path) == before
        assert admin.request("PATCH", path, body={"metadata": {"finalizers": None}}, **MERGE).code == 200


def test_another_change_than_the_signed_one(desk, agent, namespace, alice):
    path = settings(namespace)
    desk.create(path, config_map(namespace))
    before = approve_red(desk, namespace, alice)
    others = {
        "another value": {"data": {"colour": "green"}},
        "more than that": {"data": {"colour": "red", "size": "large"}},
        "a label beside it": {"data": {"colour": "red"}, "metadata": {"labels": {"team": "shop"}}},
        "a finalizer beside it": {"data": {"colour": "red"}, "metadata": {"finalizers": ["example.com/x"]}},
        "nothing left": {"data": None},
    }
    for what, body in others.items():
        reply = agent.request("PATCH", path, body=body, **MERGE)
        assert (what, reply.code, reported(reply)) == (what, 403, "ChangeDiffers")
        assert desk.get(path) == before
    assert agent.request("PATCH", path, body={"data": {"colour": "red"}}, **MERGE).code == 200
    assert desk.get(path)["data"] == {"colour": "red"}


def test_the_same_object_in_another_api_version(desk, agent, namespace, alice):
    path = path_of("horizontalpodautoscalers", "web", namespace=namespace, api="autoscaling/v2")
    desk.create(
        path,
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "web"},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
                "maxReplicas": 3,
            },
        },
    )
    desk.attach(path, slots(sign(desk.deletion(path), by=alice)))
    reply = agent.request("DELETE", path.replace("/v2/", "/v1/"), body=BACKGROUND)
    assert (reply.code, reported(reply)) == (403, "WrongVersion")
    assert desk.there(path)
    assert agent.request("DELETE", path, body=BACKGROUND).code == 200
    assert not desk.there(path)


def test_a_secret_is_deleted_by_its_identity(desk, agent, namespace, alice):
    path = path_of("secrets", "password", namespace=namespace)
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "password"}, "data": {"a": "Yg=="}}
    desk.create(path, body)
    by_content = sign(desk.deletion(path, projection="k8s-projection/v1"), by=alice)
    desk.attach(path, slots(by_content))
    reply = agent.request("DELETE", path, body=BACKGROUND)
    assert (reply.code, reported(reply)) == (403, "ProjectionNotAllowed")
    assert "From" not in [cause["reason"] for cause in reply.body["details"]["causes"]]
    assert desk.there(path)
    desk.attach(path, slots(sign(desk.deletion(path), by=alice)))
    rotated = {"data": {"a": "Yw=="}}
    assert desk.cluster.admin.request("PATCH", path, body=rotated, **MERGE).code == 200
    assert agent.request("DELETE", path, body=BACKGROUND).code == 200
    assert not desk.there(path)
