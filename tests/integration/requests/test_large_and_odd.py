"""Objects at the limits: a megabyte, 64-bit integers, text beyond ASCII."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from tests.harness.principals import grant_operator_level
from tests.harness.waiting import wait_until
from tests.support.changes import config_map, path_of, reported, sign, slots

MEGABYTE = (1 << 20) - 200
"""The most a ConfigMap holds is 1 MiB."""


def test_a_megabyte(desk, agent, namespace, alice):
    path = path_of("configmaps", "large", namespace=namespace)
    desk.create(path, config_map(namespace, "large", data={"blob": "a" * MEGABYTE}))
    wanted = config_map(namespace, "large", data={"blob": "b" * MEGABYTE})
    refused = agent.request("PUT", path, body=wanted)
    assert (refused.code, reported(refused)) == (403, "ApprovalMissing")
    assert desk.get(path)["data"]["blob"] == "a" * MEGABYTE
    change = desk.update(path, desk.dry_run("PUT", path, wanted))
    desk.attach(path, slots(sign(change, by=alice)))
    updated = agent.request("PUT", path, body=wanted)
    assert updated.code == 200, updated.body
    assert desk.get(path)["data"]["blob"] == "b" * MEGABYTE
    refused = agent.request("DELETE", path)
    assert (refused.code, reported(refused)) == (403, "ApprovalMissing")
    desk.attach(path, slots(sign(desk.deletion(path, options={}), by=alice)))
    assert agent.request("DELETE", path).code == 200
    assert not desk.there(path)


PROPERTIES = {
    "spec": {
        "type": "object",
        "properties": {"count": {"type": "integer", "format": "int64"}, "text": {"type": "string"}},
    },
    "status": {"type": "object", "properties": {"ready": {"type": "boolean"}}},
}


@pytest.fixture(scope="module")
def gauges(desk) -> Iterator[str]:
    """The API group of a custom resource with a 64-bit integer, free text and no status subresource."""
    group = f"g{secrets.token_hex(3)}.example.com"
    name = f"gauges.{group}"
    admin = desk.cluster.admin
    admin.apply(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": name},
            "spec": {
                "group": group,
                "scope": "Namespaced",
                "names": {"plural": "gauges", "singular": "gauge", "kind": "Gauge"},
                "versions": [
                    {
                        "name": "v1",
                        "served": True,
                        "storage": True,
                        "schema": {"openAPIV3Schema": {"type": "object", "properties": PROPERTIES}},
                    }
                ],
            },
        }
    )
    try:
        admin.kubectl("wait", "--for=condition=Established", "--timeout=30s", f"crd/{name}").must()
        wait_until("the resource is served", lambda: admin.request("GET", f"/apis/{group}/v1").code == 200)
        grant_operator_level(desk.cluster, "agents", "demo-agent")
        yield group
    finally:
        admin.request("DELETE", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}")


WIDE = 9007199254740993
"""2^53 + 1: the first integer that a double cannot hold."""
TEXT = "Zürich \U0001d518 \u2028 \u007f \ufb01 é e\u0301"


@pytest.fixture
def gauge(desk, namespace, agent, gauges) -> str:
    """The path of a Gauge that the agent may write."""
    path = path_of("gauges", "it", namespace=namespace, api=f"{gauges}/v1")
    desk.create(path, body(path, count=WIDE, text="before"))
    wait_until("the agent may write it", lambda: allowed(agent, gauges, namespace))
    return path


def allowed(agent, group: str, namespace: str) -> bool:
    words = ("auth", "can-i", "update", f"gauges.{group}", "-n", namespace)
    return agent.kubectl(*words).ok


def body(path: str, **spec: Any) -> dict[str, Any]:
    group = path.split("/")[2]
    return {"apiVersion": f"{group}/v1", "kind": "Gauge", "metadata": {"name": "it"}, "spec": spec}


def test_wide_integers_and_text_beyond_ascii_are_bound_exactly(gauge, desk, agent, alice):
    merge = {"content_type": "application/merge-patch+json"}
    wanted = {"spec": {"count": WIDE + 2, "text": TEXT}}
    refused = agent.request("PATCH", gauge, body=json.dumps(wanted), **merge)
    assert (refused.code, reported(refused)) == (403, "ApprovalMissing")
    change = desk.update(gauge, desk.dry_run("PATCH", gauge, wanted, **merge))
    before = desk.attach(gauge, slots(sign(change, by=alice)))
    for lie in ({"count": WIDE + 3, "text": TEXT}, {"count": WIDE + 2, "text": TEXT.replace("é", "e\u0301")}):
        other = agent.request("PATCH", gauge, body={"spec": lie}, **merge)
        assert (other.code, reported(other)) == (403, "ChangeDiffers")
        assert desk.get(gauge) == before
    updated = agent.request("PATCH", gauge, body=wanted, **merge)
    assert updated.code == 200, updated.body
    assert desk.get(gauge)["spec"] == {"count": WIDE + 2, "text": TEXT}
    desk.attach(gauge, slots(sign(desk.deletion(gauge, options={}), by=alice)))
    neighbour = {"spec": {"count": WIDE + 3}}
    assert desk.cluster.admin.request("PATCH", gauge, body=neighbour, **merge).code == 200
    stale = agent.request("DELETE", gauge)
    assert (stale.code, reported(stale)) == (403, "ObjectChanged")
    assert desk.get(gauge)["spec"]["count"] == WIDE + 3
    desk.attach(gauge, slots(sign(desk.deletion(gauge, options={}), by=alice)))
    assert agent.request("DELETE", gauge).code == 200
    assert not desk.there(gauge)


def test_a_status_that_nobody_approved_does_not_ride_along(gauge, desk, agent, alice):
    """B5: a kind without status subresource stores whatever status an update sends."""
    merge = {"content_type": "application/merge-patch+json"}
    plain = {"spec": {"text": "after"}}
    change = desk.update(gauge, desk.dry_run("PATCH", gauge, plain, **merge))
    before = desk.attach(gauge, slots(sign(change, by=alice)))
    hidden = {**plain, "status": {"ready": True}}
    reply = agent.request("PATCH", gauge, body=hidden, **merge)
    assert (reply.code, reported(reply)) == (403, "ChangeDiffers")
    alone = agent.request("PATCH", gauge, body={"status": {"ready": True}}, **merge)
    assert (alone.code, reported(alone)) == (403, "ChangeDiffers")
    assert desk.get(gauge) == before
    change = desk.update(gauge, desk.dry_run("PATCH", gauge, hidden, **merge))
    desk.attach(gauge, slots(sign(change, by=alice)))
    assert agent.request("PATCH", gauge, body=hidden, **merge).code == 200
    after = desk.get(gauge)
    assert (after["spec"]["text"], after["status"]) == ("after", {"ready": True})
