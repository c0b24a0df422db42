"""Hold and release: an unmodified client waits, and goes through as soon as a quick peer has signed."""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from kubernetes import client as kube
from tests.harness.binaries import find_helm
from tests.harness.waiting import wait_until
from tests.support.changes import BACKGROUND, DRY_DELETE, SLOT, config_map, guarded, path_of, reported, sign
from tests.support.requests_of import rejection, request_path, spec_of, wait_filed
from tests.support.world import MERGE, victim

from peergate.gate.filed import recorded_change

HELD = {"rules": [{"hold": "40s", "approvals": {"required": 1, "minHumans": 1}}]}
SHORT = {"rules": [{"hold": "6s", "approvals": {"required": 1, "minHumans": 1}}]}
AUTOMATIC = {"automountServiceAccountToken": False}


@contextlib.contextmanager
def quick_peer(desk, alice, namespace) -> Iterator[None]:
    """Sign every ChangeRequest of the namespace as soon as it is filed, by annotating it."""
    admin, ended = desk.cluster.admin, threading.Event()
    collection = request_path_of(namespace)

    def watch():
        while not ended.wait(0.2):
            for document in desk.get(collection)["items"]:
                if SLOT + "alice" in document["metadata"].get("annotations", {}):
                    continue
                approval = sign(recorded_change(spec_of(document)), by=alice)
                admin.request(
                    "PATCH",
                    f"{collection}/{document['metadata']['name']}",
                    body={"metadata": {"annotations": {SLOT + "alice": approval}}},
                    content_type=MERGE,
                )

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def request_path_of(namespace: str) -> str:
    return f"/apis/peergate.dev/v1alpha1/namespaces/{namespace}/changerequests"


@pytest.fixture
def node(admin) -> Iterator[str]:
    name = f"n-{secrets.token_hex(4)}"
    body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": {"unschedulable": True}}
    assert admin.request("POST", "/api/v1/nodes", body=body).code == 201
    yield name
    admin.request("DELETE", f"/api/v1/nodes/{name}")


def pod(name: str, node: str) -> dict:
    container = {"name": "c", "image": "example.invalid/none:1"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {**AUTOMATIC, "nodeName": node, "containers": [container]},
    }


def test_unmodified_clients_wait_and_go_through_when_a_peer_signs_in_time(desk, alice, agent, admin, node):
    """All of them at once; each of them meets 429 first, since nobody signs before it is filed."""
    with guarded(desk, HELD) as (namespace, _):
        names = ("deleted", "replaced", "patched", "applied", "merged", "py-deleted", "py-replaced")
        path = {name: path_of("configmaps", name, namespace=namespace) for name in names}
        for name in names:
            if name == "applied":
                admin.kubectl("-n", namespace, "apply", "-f", "-", input=config_map(namespace, name)).must()
            elif name == "merged":
                apply = ("apply", "--server-side", "--field-manager=kubectl", "-f", "-")
                admin.kubectl("-n", namespace, *apply, input=config_map(namespace, name)).must()
            else:
                desk.create(path[name], config_map(namespace, name))
        desk.create(path_of("pods", "drained", namespace=namespace), pod("drained", node))
        red = {"data": {"colour": "red"}}
        core = kube.CoreV1Api(agent.api)

        def wanted(name):
            return {**config_map(namespace, name), **red}

        calls = {
            "deleted": lambda: agent.kubectl("-n", namespace, "delete", "configmap", "deleted"),
            "replaced": lambda: agent.kubectl("replace", "-f", "-", input=wanted("replaced")),
            "patched": lambda: agent.kubectl(
                "-n", namespace, "patch", "configmap", "patched", "--type=merge", "-p", json.dumps(red)
            ),
            "applied": lambda: agent.kubectl("apply", "-f", "-", input=wanted("applied")),
            "merged": lambda: agent.kubectl(
                "apply", "--server-side", "--field-manager=kubectl", "-f", "-", input=wanted("merged")
            ),
            "drained": lambda: agent.kubectl("drain", node, "--force", "--grace-period=0", "--timeout=60s"),
            "py-deleted": lambda: core.delete_namespaced_config_map("py-deleted", namespace),
            "py-replaced": lambda: core.replace_namespaced_config_map(
                "py-replaced", namespace, wanted("py-replaced")
            ),
        }
        with quick_peer(desk, alice, namespace), ThreadPoolExecutor(len(calls)) as pool:
            running = {name: pool.submit(call) for name, call in calls.items()}
            results = {name: future.result() for name, future in running.items()}
        for name, result in results.items():
            if not name.startswith("py-"):
                assert result.ok, f"{name}: {result.err}"
        for name in ("deleted", "py-deleted"):
            assert not desk.there(path[name]), name
        assert not desk.there(path_of("pods", "drained", namespace=namespace))
        for name in ("replaced", "patched", "applied", "merged", "py-replaced"):
            assert desk.get(path[name])["data"] == {"colour": "red"}, name


def test_helm_takes_a_release_away_when_a_peer_signs_in_time(desk, alice, agent, admin, tmp_path):
    """What it deletes, and the record of its release, which it changes first and deletes last."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text(json.dumps({"apiVersion": "v2", "name": "one", "version": "1.0.0"}))
    with guarded(desk, HELD) as (namespace, _):
        (tmp_path / "templates" / "cm.yaml").write_text(json.dumps(config_map(namespace, "kept")))

        def helm(user, *words):
            return subprocess.run(
                [str(find_helm()), *words, "--namespace", namespace],
                env=user.environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=150,
            )

        installed = helm(admin, "install", "one", str(tmp_path))
        assert installed.returncode == 0, installed.stderr
        with quick_peer(desk, alice, namespace):
            done = helm(agent, "uninstall", "one")
        assert (done.returncode, done.stdout) == (0, 'release "one" uninstalled\n'), done.stderr
        assert not desk.there(path_of("configmaps", "kept", namespace=namespace))
        assert not desk.there(path_of("secrets", "sh.helm.release.v1.one.v1", namespace=namespace))


def test_the_hold_ends_in_the_full_refusal_with_the_same_text(desk, agent, admin):
    with guarded(desk, SHORT) as (namespace, _):
        path = victim(admin, namespace)
        change = desk.deletion(path)
        first = agent.request("DELETE", path, body=BACKGROUND)
        assert (first.code, first.headers["Retry-After"]) == (429, "5")
        assert first.body["details"]["retryAfterSeconds"] == 5
        wait_filed(desk, change)
        assert agent.request("DELETE", path, body=BACKGROUND).code == 429
        last = first

        def refused():
            nonlocal last
            last = agent.request("DELETE", path, body=BACKGROUND)
            return last.code == 403

        wait_until("the hold is over", refused, within=15)
        assert last.body["message"] == first.body["message"]
        assert reported(last) == "ApprovalMissing"
        assert agent.request("DELETE", path, body=BACKGROUND).code == 403, "it is not held again"
        shown = agent.kubectl("-n", namespace, "delete", "configmap", change.object.name)
        assert not shown.ok
        assert "Error from server (ApprovalRequired): " in shown.err
        assert desk.there(path)


def test_a_dry_run_is_never_held(desk, agent, admin):
    with guarded(desk, HELD) as (namespace, _):
        path = victim(admin, namespace)
        assert agent.request("DELETE", path, body=DRY_DELETE).code == 403
        assert agent.request("DELETE", path, body=BACKGROUND).code == 429
        assert agent.request("DELETE", path, body=DRY_DELETE).code == 403


def test_nobody_holds_a_socket(desk, peergate, agent, admin):
    """A held request is answered like any other: at once."""
    with guarded(desk, HELD) as (namespace, _):
        path = victim(admin, namespace)
        assert agent.request("DELETE", path, body=BACKGROUND).code == 429
        assert peergate.process.metric("peergate_reviews_in_flight") == 0
        bucket = {"decision": "hold", "le": "1.0"}
        name = "peergate_review_duration_seconds"
        wait_until("it is counted", lambda: peergate.process.metric(f"{name}_count", decision="hold") >= 1)
        held = peergate.process.metric(f"{name}_count", decision="hold")
        assert peergate.process.metric(f"{name}_bucket", **bucket) == held


def test_what_is_rejected_is_not_held(desk, cluster, crew, agent, admin):
    username = f"rejecter-{secrets.token_hex(4)}"
    peer = crew.register("holdbreaker", kubernetesUsernames=[username])
    person = cluster.client(cluster.kubeconfig_for_user(username, groups=("system:masters",)))
    with guarded(desk, HELD) as (namespace, _):
        path = victim(admin, namespace)
        change = desk.deletion(path)
        assert agent.request("DELETE", path, body=BACKGROUND).code == 429
        wait_filed(desk, change)
        status = f"{request_path(change)}/status"
        reply = person.request("PATCH", status, body=rejection(peer.identity), content_type=MERGE)
        assert reply.code == 200, reply.body
        wait_until("the agent is told", lambda: agent.request("DELETE", path, body=BACKGROUND).code == 403)
        assert reported(agent.request("DELETE", path, body=BACKGROUND)) == "ChangeRejected"
