"""An agent's evictions on a real API server: approved like deletions, read from the Pod, bound to its uid."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from tests.harness.clients import Client, Reply
from tests.harness.waiting import wait_until
from tests.support.changes import BACKGROUND, config_map, guarded, id_of, path_of, reported, sign, slots
from tests.support.cli import run

AT_ONCE = {"gracePeriodSeconds": 0}
MISSING = "node-that-is-not-there"


def path(namespace: str, name: str = "worker") -> str:
    return path_of("pods", name, namespace=namespace)


def pod(name: str = "worker", **spec: Any) -> dict[str, Any]:
    container = {"name": "worker", "image": "example.invalid/none:1"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"automountServiceAccountToken": False, "containers": [container], **spec},
    }


def evict(client: Client, namespace: str, name: str = "worker", **options: Any) -> Reply:
    body: dict[str, Any] = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": namespace},
    }
    if options:
        body["deleteOptions"] = options
    return client.request("POST", path(namespace, name) + "/eviction", body=body)


@pytest.fixture
def node(admin) -> Iterator[str]:
    """A node that takes no more Pods, as somebody who drains it leaves it."""
    name = f"n-{secrets.token_hex(4)}"
    body = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "spec": {"unschedulable": True},
    }
    assert admin.request("POST", "/api/v1/nodes", body=body).code == 201
    yield name
    admin.request("DELETE", f"/api/v1/nodes/{name}")


def test_a_node_is_drained_with_an_approval_on_each_of_its_pods(desk, agent, namespace, alice, node):
    names = ("one", "two")
    for name in names:
        desk.create(path(namespace, name), pod(name, nodeName=node))
    words = ("drain", node, "--force", "--grace-period=0", "--timeout=20s")
    refused = agent.kubectl(*words)
    assert not refused.ok
    assert "APPROVAL REQUIRED (pending 0/1): evict Pod" in refused.err
    assert "not a disruption budget" in refused.err
    approved, other = names
    for name in (approved, other):
        assert desk.there(path(namespace, name))
    approvals = {
        name: sign(desk.eviction(path(namespace, name), options=AT_ONCE), by=alice) for name in names
    }
    desk.attach(path(namespace, approved), slots(approvals[approved]))
    assert not agent.kubectl(*words).ok
    assert not desk.there(path(namespace, approved))
    assert desk.there(path(namespace, other))
    desk.attach(path(namespace, other), slots(approvals[other]))
    agent.kubectl(*words).must()
    assert not desk.there(path(namespace, other))


def test_an_approval_of_a_deletion_and_one_of_an_eviction_are_two(desk, agent, namespace, alice):
    desk.create(path(namespace), pod())
    desk.attach(path(namespace), slots(sign(desk.deletion(path(namespace)), by=alice)))
    refused = evict(agent, namespace)
    assert (refused.code, reported(refused)) == (403, "WrongObject")
    assert desk.there(path(namespace))
    desk.create(path(namespace, "other"), pod("other"))
    approval = sign(desk.eviction(path(namespace, "other")), by=alice)
    desk.attach(path(namespace, "other"), slots(approval))
    refused = agent.request("DELETE", path(namespace, "other"), body=BACKGROUND)
    assert (refused.code, reported(refused)) == (403, "WrongObject")
    assert desk.there(path(namespace, "other"))
    assert evict(agent, namespace, "other").code == 201
    assert not desk.there(path(namespace, "other"))


def test_it_is_filed_and_its_change_request_carries_the_approval(desk, agent, namespace, alice):
    desk.create(path(namespace), pod(nodeName=MISSING))
    change = desk.eviction(path(namespace))
    refused = evict(agent, namespace)
    assert (refused.code, reported(refused)) == (403, "ApprovalMissing")
    assert f"request={namespace}/{id_of(change)} " in refused.body["message"]
    request = path_of("changerequests", id_of(change), namespace=namespace, api="peergate.dev/v1alpha1")
    wait_until("it is filed", lambda: desk.there(request))
    desk.attach(request, slots(sign(change, by=alice)))
    # The gate hears of the annotation by a watch.
    wait_until("it is admitted", lambda: evict(agent, namespace, dryRun=["All"]).code == 201)
    assert evict(agent, namespace).code == 201
    assert "deletionTimestamp" in desk.get(path(namespace))["metadata"]


def test_an_eviction_gives_no_less_time_than_was_approved(desk, agent, namespace, alice):
    desk.create(path(namespace), pod(nodeName=MISSING))
    desk.attach(path(namespace), slots(sign(desk.eviction(path(namespace)), by=alice)))
    short = evict(agent, namespace, **AT_ONCE)
    assert (short.code, reported(short)) == (403, "OptionsDiffer")
    assert "deletionTimestamp" not in desk.get(path(namespace))["metadata"]
    assert evict(agent, namespace).code == 201
    terminating = desk.get(path(namespace))["metadata"]
    assert terminating["deletionGracePeriodSeconds"] == 30
    cut = evict(agent, namespace, **AT_ONCE)
    assert (cut.code, reported(cut)) == (403, "OptionsDiffer")
    assert desk.get(path(namespace))["metadata"] == terminating


def test_another_pod_of_the_same_name_is_not_evicted(desk, agent, admin, namespace, alice):
    desk.create(path(namespace), pod())
    approval = sign(desk.eviction(path(namespace)), by=alice)
    assert admin.request("DELETE", path(namespace), body=AT_ONCE).code == 200
    desk.create(path(namespace), pod())
    desk.attach(path(namespace), slots(approval))
    refused = evict(agent, namespace)
    assert (refused.code, reported(refused)) == (403, "ObjectReplaced")
    assert desk.there(path(namespace))


def test_a_pod_that_is_not_there_is_said_so(agent, namespace):
    refused = evict(agent, namespace, "nobody")
    assert (refused.code, reported(refused)) == (403, "NotApprovable")
    assert "would evict a Pod that is not there." in refused.body["message"]


def test_a_policy_may_want_the_uid(desk, agent, alice):
    spec = {"rules": [{"evictionNeedsUID": True, "approvals": {"required": 1, "minHumans": 1}}]}
    with guarded(desk, spec) as (namespace, _):
        made = desk.create(path(namespace), pod())
        desk.attach(path(namespace), slots(sign(desk.eviction(path(namespace)), by=alice)))
        refused = evict(agent, namespace)
        assert (refused.code, reported(refused)) == (403, "NotApprovable")
        assert desk.there(path(namespace))
        assert evict(agent, namespace, preconditions={"uid": made["metadata"]["uid"]}).code == 201
        assert not desk.there(path(namespace))


def test_a_peer_approves_an_eviction_on_the_command_line(desk, crew, agent, node, cluster, tmp_path):
    name = f"carol-{secrets.token_hex(4)}"
    person = crew.register(name, **{"class": "agent"}, kubernetesUsernames=[name])
    key = tmp_path / "key"
    key.touch(mode=0o600)
    key.write_bytes(person.key.private_text)
    anybody = {"rules": [{"approvals": {"required": 1, "minHumans": 0}}]}
    with guarded(desk, anybody) as (namespace, _):
        desk.create(path(namespace), pod(nodeName=node))
        words = ("-n", namespace, "approve", "evict", "worker", "--requester", "agents/demo-agent", "--force")
        shown = run(*words, "--dry-run", "-o", "name", kubeconfig=cluster.kubeconfig)
        assert shown.status == 0, shown.err
        expected = ("--yes", "--expect", shown.out.strip(), "--reason", "CHG-1")
        signed = run(*words, "--key", str(key), "--attach", *expected, kubeconfig=cluster.kubeconfig)
        assert signed.status == 0, signed.err
        assert f"EVICT Pod {namespace}/worker" in signed.err
        assert "kubectl drain NODE --grace-period=0" in signed.err
        refused = agent.request("DELETE", path(namespace), body={**BACKGROUND, **AT_ONCE})
        assert (refused.code, reported(refused)) == (403, "WrongObject")
        agent.kubectl("drain", node, "--force", "--grace-period=0", "--timeout=20s").must()
        assert not desk.there(path(namespace))


def test_nothing_but_a_pod_is_evicted(desk, namespace, cluster):
    desk.cluster.admin.apply(config_map(namespace))
    words = ("-n", namespace, "approve", "evict", "configmap/settings", "--requester", "agents/demo-agent")
    refused = run(*words, "--dry-run", kubeconfig=cluster.kubeconfig)
    assert refused.status == 2
    assert "only Pods are evicted" in refused.err


def test_a_dry_run_evicts_nothing(desk, agent, namespace, alice):
    desk.create(path(namespace), pod())
    refused = evict(agent, namespace, dryRun=["All"])
    assert (refused.code, reported(refused)) == (403, "ApprovalMissing")
    desk.attach(path(namespace), slots(sign(desk.eviction(path(namespace)), by=alice)))
    assert evict(agent, namespace, dryRun=["All"]).code == 201
    assert desk.there(path(namespace))
