"""What survives of a refusal through the tools that agents use (experience.md §1.5).

State, request and "unchanged" survive; where a tool loses the text, an Event and the ChangeRequest are there.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import yaml
from kubernetes.client import ApiException, CoreV1Api
from tests.harness.binaries import find_helm
from tests.harness.waiting import wait_until
from tests.support.changes import id_of
from tests.support.requests_of import request_path
from tests.support.world import victim

EVENTS = "/apis/events.k8s.io/v1/namespaces/{}/events"


@dataclass(frozen=True, slots=True)
class Rendering:
    """What a model gets to see."""

    show: Callable[[str], str]
    whole: bool
    """The name of the request survives too, not only what happened."""


def _json_escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


RENDERINGS = {
    "stderr as it is": Rendering(lambda text: text, whole=True),
    "a tool result cut at 1 kB": Rendering(lambda text: text.encode()[:1024].decode(), whole=True),
    "escaped into a JSON string": Rendering(_json_escaped, whole=True),
    "wrapped by a server of tools": Rendering(
        lambda text: f'{{"isError":true,"content":[{{"text":"Command failed: {_json_escaped(text)}"}}]}}',
        whole=True,
    ),
    "white space folded": Rendering(lambda text: " ".join(text.split()), whole=True),
    "the middle of a long output left out": Rendering(
        lambda text: f"{text[:600]}...{text[-300:]}", whole=False
    ),
    "the first line only": Rendering(lambda text: text.splitlines()[0], whole=False),
}  # fmt: skip


@pytest.fixture
def refused(table, agent, admin, namespace):
    """A refused deletion through kubectl: the change, and what kubectl wrote to stderr."""
    path = victim(admin, namespace)
    change = table.desk.deletion(path)
    agent.kubectl("-n", namespace, "delete", f"configmap/{change.object.name}")
    table.filed(change)
    again = agent.kubectl("-n", namespace, "delete", f"configmap/{change.object.name}")
    assert (again.status, again.out) == (1, "")
    return change, again.err


def _survives(text, change, *, whole):
    assert "APPROVAL REQUIRED (pending 0/1)" in text
    assert (
        f"delete ConfigMap {change.object.namespace}/{change.object.name} by AI agent agents/demo-agent"
        in text
    )
    assert "The object is unchanged." in text
    if whole:
        assert f"request={change.object.namespace}/{id_of(change)} state=pending code=ApprovalMissing" in text


@pytest.mark.parametrize("name", RENDERINGS)
def test_kubectl_and_what_is_made_of_its_output(name, refused):
    change, text = refused
    _survives(RENDERINGS[name].show(text), change, whole=RENDERINGS[name].whole)


def test_no_tool_takes_it_for_a_missing_object_or_a_reason_to_try_another_way(refused):
    _, text = refused
    assert text.startswith("Error from server (ApprovalRequired): admission webhook ")
    for word in ("not found", "forbidden", "conflict", "timeout", "already exists", "415", "409"):
        assert word not in text.lower().partition("denied the request: ")[2]


def test_the_python_client(table, agent, admin, namespace):
    path = victim(admin, namespace)
    change = table.desk.deletion(path)
    with pytest.raises(ApiException) as caught:
        CoreV1Api(agent.api).delete_namespaced_config_map(
            change.object.name, namespace, propagation_policy="Background"
        )
    assert caught.value.status == 403
    _survives(str(caught.value), change, whole=True)
    assert (
        '\\"'
        not in caught.value.body.partition('"message":"')[2]
        .partition('","reason"')[0]
        .partition("denied the request: ")[2]
    )


def test_where_the_text_is_lost_an_event_and_the_request_are_there(table, refused):
    change, _ = refused

    def told():
        found = table.desk.get(EVENTS.format(change.object.namespace))["items"]
        return [
            event
            for event in found
            if event.get("regarding", {}).get("uid") == change.object.uid
            and event["reason"] == "ApprovalRequired"
        ]

    wait_until("an Event regards the target", told)
    assert id_of(change) in told()[0]["note"]
    assert told()[0]["related"]["name"] == id_of(change)
    assert table.desk.there(request_path(change))


def test_helm_shows_nothing_of_it_and_what_it_wanted_is_filed(table, agent, admin, namespace, tmp_path):
    chart = tmp_path / "one"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text(yaml.safe_dump({"apiVersion": "v2", "name": "one", "version": "1.0.0"}))
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}, "data": {"colour": "blue"}}
    (chart / "templates" / "cm.yaml").write_text(yaml.safe_dump(body))
    helm = str(find_helm())

    def call(client, *words):
        return subprocess.run(
            [helm, *words, "--namespace", namespace],
            env=client.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    installed = call(admin, "install", "one", str(chart))
    assert installed.returncode == 0, installed.stderr
    path = f"/api/v1/namespaces/{namespace}/configmaps/kept"
    done = call(agent, "uninstall", "one")
    assert done.returncode != 0
    assert table.desk.there(path)
    # Helm 4 shows none of it, and goes on when the record of its release is guarded.
    assert (done.stdout, done.stderr) == ("", "Error: failed to delete release: one\n")
    requests = f"/apis/peergate.dev/v1alpha1/namespaces/{namespace}/changerequests"

    def asked():
        found = (one["spec"]["object"] for one in table.desk.get(requests)["items"])
        return {(one["resource"], one["name"]) for one in found}

    wanted = {("configmaps", "kept"), ("secrets", "sh.helm.release.v1.one.v1")}
    wait_until("what it wanted is filed", lambda: asked() == wanted)
