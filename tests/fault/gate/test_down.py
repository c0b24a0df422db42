"""The gate is down or stands still: agents are refused, and nobody else notices."""

from __future__ import annotations

import secrets
import time
from typing import Any

import pytest
from tests.harness.namespaces import fresh_namespace
from tests.harness.waiting import wait_until
from tests.support.changes import BACKGROUND, config_map, path_of, reported
from tests.support.world import MERGE, victim

pytestmark = pytest.mark.cluster

FAILED = "failed calling webhook"
TIMEOUT_SECONDS = 2
LEASES, EVENTS = "coordination.k8s.io/v1", "events.k8s.io/v1"
NOW = "2026-11-23T12:00:00.000000Z"


def requests_of(site) -> dict[str, tuple[str, str, Any, str]]:
    """Return one request of each kind that the gate is asked about: method, path, body, content type."""
    path = site.world.victim()
    object_ = site.world.desk.get(path)
    changed = {**object_, "data": {"colour": "red"}}
    collection = path.rpartition("/")[0]
    space = f"/api/v1/namespaces/{site.world.namespace}"
    plain = "application/json"
    return {
        "a deletion": ("DELETE", path, BACKGROUND, plain),
        "a PUT": ("PUT", path, changed, plain),
        "a patch": ("PATCH", path, {"data": {"colour": "red"}}, MERGE),
        "an annotation": ("PATCH", path, {"metadata": {"annotations": {"a": "b"}}}, MERGE),
        "a creation": (
            "POST",
            collection,
            config_map(site.world.namespace, f"n-{secrets.token_hex(4)}"),
            plain,
        ),
        "a namespace's label": ("PATCH", space, {"metadata": {"labels": {"a": "b"}}}, MERGE),
        "a namespace's deletion": ("DELETE", space, BACKGROUND, plain),
        "something in the operator's namespace": (
            "POST",
            "/api/v1/namespaces/peergate-system/configmaps",
            config_map("peergate-system", "x"),
            plain,
        ),
    }


def send(client, request, *, dry=False):
    method, path, body, content_type = request
    if dry and method == "DELETE":
        return client.request(method, path, body={**body, "dryRun": ["All"]}, content_type=content_type)
    query = {"dryRun": "All"} if dry else None
    return client.request(method, path, body=body, content_type=content_type, query=query)


def test_agents_are_refused_and_everybody_else_goes_on(site):
    world = site.world
    requests = requests_of(site)
    world.process.kill()
    for what, request in requests.items():
        if request[0] != "POST":
            before = world.desk.get(request[1])
        reply = send(world.agent, request)
        assert reply.code == 500, (what, reply.body)
        assert FAILED in reply.body["message"], what
        if request[0] != "POST":
            assert world.desk.get(request[1]) == before, what
        for client in (world.bystander, world.admin):
            assert send(client, request, dry=True).code in {200, 201}, what
    assert site.deletes(world.bystander) == 200
    assert site.deletes(world.admin) == 200
    # Reading is nobody's business.
    assert world.agent.request("GET", requests["a deletion"][1]).code == 200


def test_an_agent_is_free_where_nothing_is_protected(site):
    world = site.world
    with fresh_namespace(world.cluster, protected=False) as namespace:
        world.process.kill()
        path = victim(world.agent, namespace)
        assert world.delete(world.agent, path).code == 200


def test_controllers_go_on(site):
    world = site.world
    world.process.kill()
    path = path_of("deployments", "web", namespace=world.namespace, api="apps/v1")
    world.admin.kubectl(
        "-n", world.namespace, "create", "deployment", "web", "--image=example.invalid/none:1"
    ).must()
    replica_sets = path_of("replicasets", "", namespace=world.namespace, api="apps/v1").rstrip("/")

    def scaled_to(count):
        items = world.admin.request("GET", replica_sets).body["items"]
        return [item["spec"]["replicas"] for item in items] == [count]

    wait_until("the controller made a ReplicaSet", lambda: scaled_to(1))
    body = {"spec": {"replicas": 3}}
    assert world.admin.request("PATCH", f"{path}/scale", body=body, content_type=MERGE).code == 200
    wait_until("the controller scaled it", lambda: scaled_to(3))
    pods = path_of("pods", "", namespace=world.namespace).rstrip("/")
    wait_until("there are three pods", lambda: len(world.admin.request("GET", pods).body["items"]) == 3)
    assert world.admin.request("DELETE", path, body=BACKGROUND).code == 200
    wait_until("the garbage is collected", lambda: not world.admin.request("GET", replica_sets).body["items"])


def test_an_agent_that_is_a_controller_keeps_its_lease_and_its_events(site):
    world = site.world
    name = f"l-{secrets.token_hex(4)}"
    path = path_of("leases", name, namespace=world.namespace, api=LEASES)
    world.process.kill()
    body = {
        "apiVersion": LEASES,
        "kind": "Lease",
        "metadata": {"name": name},
        "spec": {"holderIdentity": "one", "renewTime": NOW},
    }
    made = world.agent.request("POST", path.rpartition("/")[0], body=body)
    assert made.code == 201, made.body
    renewed = {**made.body, "spec": {"holderIdentity": "one", "renewTime": "2026-11-23T12:00:10.000000Z"}}
    assert world.agent.request("PUT", path, body=renewed).code == 200
    event = {
        "apiVersion": EVENTS,
        "kind": "Event",
        "metadata": {"name": name, "namespace": world.namespace},
        "eventTime": NOW,
        "reason": "Tested",
        "type": "Normal",
        "action": "Test",
        "reportingController": "example.com/test",
        "reportingInstance": "one",
        "regarding": {"apiVersion": "v1", "kind": "Pod", "namespace": world.namespace, "name": "x"},
    }
    events = path_of("events", "", namespace=world.namespace, api=EVENTS).rstrip("/")
    assert world.agent.request("POST", events, body=event).code == 201
    refused = world.agent.request("DELETE", path)
    assert (refused.code, FAILED in refused.body["message"]) == (500, True)


def test_a_namespace_that_an_administrator_deletes_goes(site):
    world = site.world
    with fresh_namespace(world.cluster, protected=True) as namespace:
        for _ in range(3):
            victim(world.admin, namespace)
        world.process.kill()
        path = f"/api/v1/namespaces/{namespace}"
        assert world.admin.request("DELETE", path).code == 200
        wait_until("the namespace is gone", lambda: world.admin.request("GET", path).code == 404)


def test_what_was_approved_before_a_crash_counts_after_it(site):
    world = site.world
    path = world.approved(world.victim(), site.alice)
    world.process.kill()
    assert world.delete(world.agent, path).code == 500
    assert world.desk.there(path)
    world.process.start()
    world.process.wait_ready()
    assert site.deletes(world.agent) == 403
    assert world.delete(world.agent, path).code == 200
    assert not world.desk.there(path)


def test_a_replica_that_ends_in_order_takes_nothing_of_the_gate_along(site):
    world = site.world
    before = world.configuration()
    assert world.process.stop() == 0
    assert world.configuration() == before
    reply = world.delete(world.agent, world.victim())
    assert (reply.code, FAILED in reply.body["message"]) == (500, True)
    assert site.deletes(world.bystander) == 200


def test_a_gate_that_stands_still_holds_up_agents_alone(site):
    world = site.world
    path, other = world.victim(), world.victim()
    world.process.pause()
    began = time.monotonic()
    reply = world.delete(world.agent, path)
    waited = time.monotonic() - began
    assert (reply.code, FAILED in reply.body["message"]) == (500, True)
    assert world.desk.there(path)
    assert waited >= TIMEOUT_SECONDS * 0.9
    began = time.monotonic()
    assert world.delete(world.bystander, other).code == 200
    assert time.monotonic() - began < waited
    world.process.resume()
    wait_until("it answers again", lambda: reported(world.delete(world.agent, path)) == "ApprovalMissing")
    assert world.desk.there(path)
