"""What an agent does in a protected namespace without asking anybody."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.support.changes import SLOT, config_map, path_of, reported

NOW = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000000Z")

SERIES = {"count": 2, "lastObservedTime": NOW}


def settings(namespace: str) -> str:
    return path_of("configmaps", "settings", namespace=namespace)


def event(namespace: str, **members: Any) -> dict[str, Any]:
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "it", "namespace": namespace},
        "eventTime": NOW,
        "action": "Test",
        "reason": "Tested",
        "type": "Normal",
        "reportingController": "example.com/test",
        "reportingInstance": "one",
        "regarding": {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "name": "settings",
            "namespace": namespace,
        },
        **members,
    }


def lease(namespace: str, *, holder: str = "one") -> dict[str, Any]:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "it", "namespace": namespace},
        "spec": {"holderIdentity": holder},
    }


def test_creating_and_reading(desk, agent, namespace):
    agent.kubectl("-n", namespace, "create", "configmap", "settings", "--from-literal=colour=blue").must()
    assert desk.get(settings(namespace))["data"] == {"colour": "blue"}
    seen = agent.kubectl("-n", namespace, "get", "configmap", "settings", "-o", "json").json()
    assert seen["data"] == {"colour": "blue"}
    assert agent.request("GET", settings(namespace).rpartition("/")[0]).code == 200


def test_kubectl_apply_of_something_new(desk, agent, namespace):
    agent.kubectl("apply", "-f", "-", input=config_map(namespace)).must()
    agent.kubectl("apply", "--server-side", "-f", "-", input=config_map(namespace, "other")).must()
    assert desk.there(settings(namespace))
    assert desk.there(path_of("configmaps", "other", namespace=namespace))


RECORDS = {
    "an Event": ("events", "events.k8s.io/v1", event, {"series": SERIES}, "/series"),
    "a Lease": ("leases", "coordination.k8s.io/v1", lease, {"holder": "two"}, "/spec/holderIdentity"),
}


@pytest.mark.parametrize(
    ("resource", "api", "make", "later", "pointer"), RECORDS.values(), ids=RECORDS.keys()
)
def test_records_that_programs_keep_are_written_freely_and_deleted_with_approval(
    resource, api, make, later, pointer, desk, agent, namespace
):
    path = path_of(resource, "it", namespace=namespace, api=api)
    made = agent.request("POST", path.rpartition("/")[0], body=make(namespace))
    assert made.code == 201, made.body
    changed = {**make(namespace, **later), "metadata": made.body["metadata"]}
    written = agent.request("PUT", path, body=changed)
    assert written.code == 200, written.body
    live: Any = desk.get(path)
    for step in pointer.split("/")[1:]:
        live = live[step]
    assert live == next(iter(later.values()))
    refused = agent.request("DELETE", path)
    assert reported(refused) == "ApprovalMissing"
    assert desk.there(path)


ANNOTATIONS = {
    "an approval": ({f"{SLOT}alice": "not looked at yet"}, ""),
    "two approvals at once": ({f"{SLOT}alice": "{}", f"{SLOT}bob": "{}"}, ""),
    "another annotation": ({"team": "shop"}, "ApprovalMissing"),
    "an approval beside another annotation": ({f"{SLOT}alice": "{}", "team": "shop"}, "ApprovalMalformed"),
    "a reserved key that is no slot": ({f"{SLOT}Alice": "{}"}, "ApprovalMalformed"),
    "a reserved key of another version": ({"approval.peergate.dev/v2.alice": "{}"}, "ApprovalMalformed"),
    "an approval of more than 8 KiB": ({f"{SLOT}alice": "x" * 8193}, "ApprovalTooLarge"),
    "nine approvals": ({f"{SLOT}s{number}": "{}" for number in range(9)}, "TooManyApprovals"),
}


@pytest.mark.parametrize(("annotations", "code"), ANNOTATIONS.values(), ids=ANNOTATIONS.keys())
def test_attaching(annotations, code, desk, agent, namespace):
    before = desk.create(settings(namespace), config_map(namespace))
    reply = agent.request(
        "PATCH",
        settings(namespace),
        body={"metadata": {"annotations": annotations}},
        content_type="application/merge-patch+json",
    )
    after = desk.get(settings(namespace))
    if code:
        assert (reply.code, reported(reply)) == (403, code)
        assert after == before
    else:
        assert reply.code == 200, reply.body
        assert after["metadata"]["annotations"] == annotations
        assert after["data"] == before["data"]


def test_kubectl_annotate_attaches_replaces_and_removes_an_approval(desk, agent, namespace):
    desk.create(settings(namespace), config_map(namespace))
    words = ("-n", namespace, "annotate", "configmap", "settings")
    agent.kubectl(*words, f"{SLOT}alice=first").must()
    agent.kubectl(*words, "--overwrite", f"{SLOT}alice=second").must()
    assert desk.get(settings(namespace))["metadata"]["annotations"] == {f"{SLOT}alice": "second"}
    agent.kubectl(*words, f"{SLOT}alice-").must()
    assert "annotations" not in desk.get(settings(namespace))["metadata"]


def test_a_label_is_not_free(desk, agent, namespace):
    before = desk.create(settings(namespace), config_map(namespace))
    done = agent.kubectl("-n", namespace, "label", "configmap", "settings", "team=shop")
    assert "code=ApprovalMissing" in done.err
    assert desk.get(settings(namespace)) == before


def test_somebody_who_is_no_agent_needs_nobody(desk, bystander, admin, namespace):
    for client in (bystander, admin):
        desk.create(settings(namespace), config_map(namespace))
        words = ("-n", namespace, "patch", "configmap", "settings", "-p", '{"data":{"colour":"red"}}')
        client.kubectl(*words).must()
        client.kubectl("-n", namespace, "delete", "configmap", "settings").must()
        assert not desk.there(settings(namespace))


def test_an_agent_outside_protected_namespaces_needs_nobody(desk, agent, unprotected_namespace):
    path = settings(unprotected_namespace)
    desk.create(path, config_map(unprotected_namespace))
    patched = agent.request(
        "PATCH", path, body={"data": {"colour": "red"}}, content_type="application/merge-patch+json"
    )
    assert patched.code == 200
    assert agent.request("DELETE", path).code == 200
    assert not desk.there(path)
