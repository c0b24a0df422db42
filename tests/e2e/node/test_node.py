"""Nodes are such: Pods run, are reached, and are held to what their security context says."""

from __future__ import annotations

import pytest
from tests.harness.node.prepare import IMAGE
from tests.harness.waiting import wait_until

import peergate

pytestmark = pytest.mark.e2e

RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "runAsGroup": 65532,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def pod(name: str, *command: str, **spec: object) -> dict[str, object]:
    container = {"name": "main", "image": IMAGE, "securityContext": RESTRICTED, **spec}
    if command:
        container["command"] = list(command)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": name}},
        "spec": {"restartPolicy": "Never", "containers": [container]},
    }


@pytest.fixture
def runs(node):
    """Run a Pod to its end; return what it said."""

    def run(made: dict) -> str:
        name = made["metadata"]["name"]
        node.admin.apply(made)
        try:
            path = f"/api/v1/namespaces/default/pods/{name}"
            wait_until(
                f"Pod {name} ends",
                lambda: (
                    node.admin.request("GET", path).body["status"].get("phase") in {"Succeeded", "Failed"}
                ),
            )
            return node.admin.kubectl("logs", name).must().out
        finally:
            node.admin.kubectl("delete", "pod", name, "--now").must()

    return run


def test_the_image_runs_as_its_entry_point_says(runs):
    assert runs(pod("version", args=["version"])) == f"peergate {peergate.__version__}\n"


def test_a_container_is_nobody_and_may_nothing(runs):
    script = (
        "import os, pathlib\n"
        "print(os.getuid(), os.getgid())\n"
        "lines = pathlib.Path('/proc/self/status').read_text().splitlines()\n"
        "print(*[line for line in lines if line.startswith(('CapEff', 'NoNewPrivs', 'Seccomp:'))])\n"
        "for name in '/x', '/home/x', '/opt/peergate/lib/x':\n"
        "    try: open(name, 'w')\n"
        "    except OSError as error: print(name, error.strerror)\n"
        "print([name for name in ('/bin/sh', '/bin/bash', '/usr/bin/apt') if os.path.exists(name)])\n"
    )
    assert runs(pod("nobody", "/usr/bin/python3", "-c", script)).splitlines() == [
        "65532 65532",
        "CapEff:\t0000000000000000 NoNewPrivs:\t1 Seccomp:\t2",
        "/x Read-only file system",
        "/home/x Read-only file system",
        "/opt/peergate/lib/x Read-only file system",
        "[]",
    ]


def test_pods_reach_each_other_and_themselves_through_a_service_and_nothing_beyond(node, runs):
    server = pod("server", "/usr/bin/python3", "-m", "http.server", "8000", "--directory", "/usr/share")
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "server", "namespace": "default"},
        "spec": {"selector": {"app": "server"}, "ports": [{"port": 80, "targetPort": 8000}]},
    }
    node.admin.apply(server, service)
    try:
        node.admin.kubectl("wait", "--for=condition=Ready", "pod/server", "--timeout=60s").must()
        address = node.admin.request("GET", "/api/v1/namespaces/default/services/server").body["spec"][
            "clusterIP"
        ]
        ask = (
            "import socket, time, urllib.request\n"
            "def asked():\n"
            f"    try: return urllib.request.urlopen('http://{address}/', timeout=2).status\n"
            "    except OSError: return 0\n"
            "end = time.monotonic() + 20\n"
            "while (status := asked()) != 200 and time.monotonic() < end: time.sleep(0.1)\n"
            "print(status)\n"
        )
        beyond = "try: socket.create_connection(('192.0.2.1', 80), 2)\nexcept OSError: print('no way out')\n"
        assert runs(pod("client", "/usr/bin/python3", "-c", ask + beyond)) == "200\nno way out\n"
        within = node.admin.kubectl("exec", "server", "--", "/usr/bin/python3", "-c", ask).must()
        assert within.out == "200\n", "by its own Service, through the bridge and back"
    finally:
        node.admin.kubectl("delete", "pod/server", "service/server", "--now").must()


def test_the_node_comes_back_after_its_power_was_cut(node):
    made = pod("survivor", "/usr/bin/python3", "-m", "http.server")
    made["spec"]["restartPolicy"] = "Always"
    node.admin.apply(made)
    node.admin.kubectl("wait", "--for=condition=Ready", "pod/survivor", "--timeout=60s").must()
    try:
        node.cut_power()
        node.restore_power()

        def restarted() -> bool:
            body = node.admin.request("GET", "/api/v1/namespaces/default/pods/survivor").body
            [status] = body["status"]["containerStatuses"]
            return status["ready"] and status["restartCount"] >= 1

        wait_until("the Pod runs again", restarted)
    finally:
        node.admin.kubectl("delete", "pod", "survivor", "--now").must()
