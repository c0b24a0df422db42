"""The whole way in front of the running gate: refused, approved, attached, admitted."""

from __future__ import annotations

import json
import re

import pytest
from tests.harness.waiting import wait_until


@pytest.fixture
def agent_name(agent):
    return "agents/demo-agent"


def _refused(agent, *words):
    done = agent.kubectl(*words)
    assert not done.ok
    assert "APPROVAL REQUIRED (pending 0/1)" in done.err


def _approve(scene, person, namespace, agent_name, *words):
    base = ("-n", namespace, "approve", *words, "--requester", agent_name, "--key", str(person.key))
    expect = scene.run(*base, "--dry-run", "-o", "name").out.strip()
    done = scene.run(*base, "--yes", "--expect", expect, "--reason", "CHG-1", "--attach")
    assert done.status == 0, done.err


def test_a_refused_delete_is_admitted_once_approved(peergate, scene, agent, agent_name, alice, web):
    _refused(agent, "-n", web, "delete", "deployment/web")
    _approve(scene, alice, web, agent_name, "delete", "deployment/web")
    wait_until(
        "the gate has learnt of the approver",
        lambda: agent.kubectl("-n", web, "delete", "deployment/web", "--wait=false").ok,
    )
    assert scene.cluster.admin.request("GET", f"/apis/apps/v1/namespaces/{web}/deployments/web").code == 404


def test_a_refused_replacement_is_admitted_once_approved(
    peergate, scene, agent, agent_name, alice, namespace, tmp_path
):
    scene.cluster.kubectl("-n", namespace, "create", "configmap", "cm", "--from-literal=a=1").must()
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "cm", "namespace": namespace},
        "data": {"b": "2"},
    }
    file = tmp_path / "cm.json"
    file.write_text(json.dumps(manifest))
    _refused(agent, "replace", "-f", str(file))
    _approve(scene, alice, namespace, agent_name, "replace", "-f", str(file))
    wait_until("the gate has learnt of the approver", lambda: agent.kubectl("replace", "-f", str(file)).ok)
    live = scene.cluster.admin.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/cm").body
    assert live["data"] == {"b": "2"}


def test_a_new_agent_is_handed_out_only_when_the_gate_knows_it(peergate, scene, namespace, tmp_path):
    file = tmp_path / "new.kubeconfig"
    done = scene.run(
        "-n", namespace, "agent", "create", "new", "--owner", "o", "--profile", "operator",
        "--kubeconfig-out", str(file),
    )  # fmt: skip
    assert done.status == 0, done.err
    assert "The gate knows the account." in done.err
    scene.cluster.kubectl("-n", namespace, "create", "configmap", "cm").must()
    refused = scene.cluster.kubectl("-n", namespace, "delete", "configmap", "cm", kubeconfig=file)
    assert "APPROVAL REQUIRED" in refused.err


def _filed(done):
    """Return the name of the request that a refusal names."""
    assert not done.ok
    return re.search(r"request=[a-z0-9-]+/(cr-[a-z]{20}) ", done.err)[1]


def _sign(scene, person, namespace, request):
    path = f"/apis/peergate.dev/v1alpha1/namespaces/{namespace}/changerequests/{request}"
    wait_until("it is filed", lambda: scene.cluster.admin.request("GET", path).code == 200)
    words = ("-n", namespace, "approve", request, "--key", str(person.key), "--yes", "--reason", "CHG-1")
    done = scene.run(*words)
    assert done.status == 0, done.err
    assert "complete; the agent may retry until" in done.err


FILED = {
    "a deletion": ("delete", "deployment/web", "--wait=false"),
    "a patch": ("patch", "deployment/web", "-p", '{"spec":{"paused":true}}'),
    "a label": ("label", "deployment/web", "tier=front"),
    "a scale": ("scale", "deployment/web", "--replicas=3"),
    "a restart": ("set", "image", "deployment/web", "web=nginx:2"),
}


@pytest.mark.parametrize("sentence", FILED)
def test_what_was_refused_is_admitted_once_its_request_is_approved(
    peergate, scene, agent, alice, web, sentence
):
    words = ("-n", web, *FILED[sentence])
    _sign(scene, alice, web, _filed(agent.kubectl(*words)))
    wait_until("the gate has learnt of the approver", lambda: agent.kubectl(*words).ok)


def test_a_rejection_reaches_the_agent_in_the_approvers_words(peergate, scene, agent, register, web):
    person = register("rex", "--username", "admin")
    words = ("-n", web, "delete", "deployment/web")
    request = _filed(agent.kubectl(*words))
    path = f"/apis/peergate.dev/v1alpha1/namespaces/{web}/changerequests/{request}"
    wait_until("it is filed", lambda: scene.cluster.admin.request("GET", path).code == 200)
    done = scene.run("-n", web, "reject", request, "--because", "smaller-first")
    assert done.status == 0, done.err
    wait_until("the gate has learnt of it", lambda: "APPROVAL REJECTED" in agent.kubectl(*words).err)
    said = agent.kubectl(*words).err
    assert "'Do less at once: ask for a smaller or reversible step first.'" in said
    assert f"by={person.identity}" in said
    assert scene.cluster.admin.request("GET", f"/apis/apps/v1/namespaces/{web}/deployments/web").code == 200
