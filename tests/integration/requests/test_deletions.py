"""Every way to delete: refused without approval, admitted with one, and then really gone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from kubernetes import client as kube
from tests.harness.clients import Client
from tests.support.changes import BACKGROUND, config_map, path_of, sign, slots

NAMES = ("a", "b")


def path(namespace: str, name: str) -> str:
    return path_of("configmaps", name, namespace=namespace)


def kubectl(*words: str):
    def send(client: Client, namespace: str) -> tuple[bool, str]:
        done = client.kubectl("-n", namespace, *words)
        return done.ok, done.err

    return send


def raw(name: str, *, query: dict[str, str] | None = None, body: Any = None):
    def send(client: Client, namespace: str) -> tuple[bool, str]:
        reply = client.request("DELETE", path(namespace, name).rstrip("/"), query=query, body=body)
        return reply.code == 200, json.dumps(reply.body)

    return send


def python(client: Client, namespace: str) -> tuple[bool, str]:
    try:
        kube.CoreV1Api(client.api).delete_namespaced_config_map("a", namespace)
    except kube.ApiException as refusal:
        return False, refusal.body
    return True, ""


NONE: dict[str, Any] = {}
ONE = ("a",)
FORMS: dict[str, tuple[Callable[..., tuple[bool, str]], tuple[str, ...], dict[str, Any]]] = {
    "kubectl delete": (kubectl("delete", "configmap", "a"), ONE, BACKGROUND),
    "kubectl delete of two": (kubectl("delete", "configmap", "a", "b"), NAMES, BACKGROUND),
    "kubectl delete --cascade=orphan": (
        kubectl("delete", "configmap", "a", "--cascade=orphan"),
        ONE,
        {"propagationPolicy": "Orphan"},
    ),
    "kubectl delete --cascade=foreground": (
        kubectl("delete", "configmap", "a", "--cascade=foreground"),
        ONE,
        {"propagationPolicy": "Foreground"},
    ),
    "kubectl delete --now": (kubectl("delete", "configmap", "a", "--now"), ONE, BACKGROUND),
    "kubectl delete -l": (kubectl("delete", "configmap", "-l", "app=shop"), NAMES, BACKGROUND),
    "the raw API": (raw("a"), ONE, NONE),
    "the raw API with options": (raw("a", body=BACKGROUND), ONE, BACKGROUND),
    "a collection": (raw("", query={"labelSelector": "app=shop"}), NAMES, NONE),
    "a collection of one": (raw("", query={"fieldSelector": "metadata.name=a"}), ONE, NONE),
    "the Python client": (python, ONE, NONE),
}


@pytest.mark.parametrize(("send", "names", "options"), FORMS.values(), ids=FORMS.keys())
def test_a_deletion_takes_an_approval(send, names, options, desk, agent, namespace, alice):
    before = {
        name: desk.create(
            path(namespace, name), config_map(namespace, name, metadata={"labels": {"app": "shop"}})
        )
        for name in NAMES
    }

    admitted, text = send(agent, namespace)
    assert not admitted
    assert "APPROVAL REQUIRED (pending 0/1): delete ConfigMap" in text
    assert {name: desk.get(path(namespace, name)) for name in NAMES} == before

    for name in names:
        change = desk.deletion(path(namespace, name), options=options)
        desk.attach(path(namespace, name), slots(sign(change, by=alice)))
    admitted, text = send(agent, namespace)
    assert admitted, text
    assert {name for name in NAMES if not desk.there(path(namespace, name))} == set(names)


def test_kubectl_delete_all_goes_one_by_one_and_leaves_what_nobody_approved(desk, agent, namespace, alice):
    api = "networking.k8s.io/v1"
    paths = {name: path_of("networkpolicies", name, namespace=namespace, api=api) for name in "abc"}
    before = {
        name: desk.create(
            paths[name],
            {
                "apiVersion": api,
                "kind": "NetworkPolicy",
                "metadata": {"name": name},
                "spec": {"podSelector": {}},
            },
        )
        for name in paths
    }
    every = ("-n", namespace, "delete", "networkpolicies", "--all")
    assert not agent.kubectl(*every).ok
    assert {name: desk.get(at) for name, at in paths.items()} == before
    for name in "ac":
        desk.attach(paths[name], slots(sign(desk.deletion(paths[name]), by=alice)))
    done = agent.kubectl(*every)
    assert not done.ok
    assert done.err.count("APPROVAL REQUIRED") == 1
    assert [name for name, at in paths.items() if desk.there(at)] == ["b"]
    assert desk.get(paths["b"]) == before["b"]
    desk.attach(paths["b"], slots(sign(desk.deletion(paths["b"]), by=alice)))
    assert agent.kubectl(*every).ok
    assert not desk.there(paths["b"])


def test_a_collection_ends_at_the_first_object_that_nobody_approved(desk, agent, namespace, alice):
    paths = {name: path(namespace, name) for name in "abc"}
    for name, at in paths.items():
        desk.create(at, config_map(namespace, name, metadata={"labels": {"app": "shop"}}))
    for name in "ac":
        desk.attach(paths[name], slots(sign(desk.deletion(paths[name], options=NONE), by=alice)))
    kept = desk.get(paths["b"])
    admitted, text = raw("", query={"labelSelector": "app=shop"})(agent, namespace)
    assert not admitted
    assert "(one of a collection)" in text
    assert not desk.there(paths["a"])
    assert desk.get(paths["b"]) == kept
    assert desk.there(paths["c"])


def test_replace_by_force_is_a_deletion_first(desk, agent, namespace, alice):
    before = desk.create(path(namespace, "a"), config_map(namespace, "a"))
    red = config_map(namespace, "a", data={"colour": "red"})
    words = ("-n", namespace, "replace", "--force", "-f", "-")
    done = agent.kubectl(*words, input=red)
    assert not done.ok
    assert "APPROVAL REQUIRED (pending 0/1): delete ConfigMap" in done.err
    assert desk.get(path(namespace, "a")) == before
    desk.attach(path(namespace, "a"), slots(sign(desk.deletion(path(namespace, "a")), by=alice)))
    agent.kubectl(*words, input=red).must()
    after = desk.get(path(namespace, "a"))
    assert after["data"] == {"colour": "red"}
    assert after["metadata"]["uid"] != before["metadata"]["uid"]


def test_an_approval_of_the_update_does_not_cover_replace_by_force(desk, agent, namespace, alice):
    desk.create(path(namespace, "a"), config_map(namespace, "a"))
    red = config_map(namespace, "a", data={"colour": "red"})
    change = desk.update(path(namespace, "a"), desk.dry_run("PUT", path(namespace, "a"), red))
    before = desk.attach(path(namespace, "a"), slots(sign(change, by=alice)))
    done = agent.kubectl("-n", namespace, "replace", "--force", "-f", "-", input=red)
    assert not done.ok
    assert "code=WrongOperation" in done.err
    assert desk.get(path(namespace, "a")) == before
