"""The first start: no certificate, no Lease, nobody who serves, and a gate that fails without an answer."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from tests.harness.clients import Client
from tests.harness.waiting import wait_until
from tests.support.changes import path_of
from tests.support.world import CONFIGURATION, World, conditions, victim, world

from peergate.shipped.webhookconfig import render

pytestmark = pytest.mark.cluster

OWN = "peergate-system"
SECRET = path_of("secrets", "peergate-tls", namespace=OWN)
LEASE = path_of("leases", "peergate-leader", namespace=OWN, api="coordination.k8s.io/v1")


@pytest.fixture(scope="module")
def here() -> Iterator[World]:
    with world(settings={"webhook": {"drainSeconds": 0}}) as made:
        yield made


@pytest.fixture
def cold(here: World) -> World:
    """Everything as the chart leaves it: the operator has never run."""
    here.process.stop()
    here.admin.request("DELETE", SECRET)
    here.admin.request("DELETE", LEASE)
    here.admin.request("DELETE", CONFIGURATION)
    client_config = lambda gate: {"url": f"{here.installation.url}/gates/{gate}"}  # noqa: E731
    here.admin.apply(render(here.installation.settings, client_config=client_config))
    wait_until("the configuration is in force", lambda: here.delete(here.agent, here.victim()).code == 500)
    return here


def deletes(world: World, client: Client) -> int:
    path = victim(world.admin, world.namespace)
    code = world.delete(client, path).code
    assert world.desk.there(path) == (code != 200)
    return code


def test_it_starts_makes_its_certificate_and_serves(cold):
    assert not cold.desk.there(SECRET)
    before = cold.configuration()
    assert set(conditions(before).values()) == {None}
    assert not any("caBundle" in entry["clientConfig"] for entry in before["webhooks"])

    cold.process.start()
    cold.process.wait_ready()
    cold.wait_judged()

    wait_until("it narrows the gate", lambda: None not in conditions(cold.configuration()).values())

    secret = cold.desk.get(SECRET)
    assert secret["type"] == "kubernetes.io/tls"
    after = cold.configuration()
    # The bundle is the Secret's, and the key that signed it is nowhere.
    assert {entry["clientConfig"]["caBundle"] for entry in after["webhooks"]} == {secret["data"]["ca.crt"]}
    assert set(secret["data"]) == {"ca.crt", "tls.crt", "tls.key"}
    assert b"PRIVATE KEY" not in base64.b64decode(secret["data"]["ca.crt"])
    assert '"agents:demo-agent"' in str(set(conditions(after).values()))
    assert cold.desk.get(LEASE)["spec"]["holderIdentity"]
    # None of its own writes asked anybody.
    users = {line.get("user") for line in cold.process.log_lines()}
    assert f"system:serviceaccount:{OWN}:peergate" not in users


def test_until_then_nobody_who_could_be_an_agent_gets_through_and_everybody_else_does(cold):
    assert deletes(cold, cold.agent) == 500
    # Nobody has narrowed the gate yet: every service account outside kube-system waits.
    assert deletes(cold, cold.bystander) == 500
    assert deletes(cold, cold.admin) == 200
    deployment = cold.cluster.kubectl(
        "-n", cold.namespace, "create", "deployment", "web", "--image=example.invalid/none:1"
    )
    deployment.must()
    listing = f"/apis/apps/v1/namespaces/{cold.namespace}/replicasets"
    wait_until("the controllers work", lambda: cold.admin.request("GET", listing).body["items"])
    cold.process.start()
    cold.process.wait_ready()
    cold.wait_judged()
    wait_until("the bystander is free", lambda: deletes(cold, cold.bystander) == 200)


def test_a_secret_that_cannot_serve_is_replaced(here):
    here.process.stop()
    broken = {"data": {"tls.crt": "", "tls.key": ""}}
    assert (
        here.admin.request("PATCH", SECRET, body=broken, content_type="application/merge-patch+json").code
        == 200
    )
    here.process.start()
    here.process.wait_ready()
    here.wait_judged()
    assert here.desk.get(SECRET)["data"]["tls.key"]
