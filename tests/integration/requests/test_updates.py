"""Every way to send an update: refused without approval, admitted with one, and then really done.

At admission they all look alike (kubernetes-facts.md F1); so the change is computed from a dry run of the
very same command, which a person sends.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from kubernetes import client as kube
from tests.harness.clients import Client
from tests.support.changes import config_map, path_of, sign, slots

from peergate.approval.projection import unchanged
from peergate.model.review import Kind

CONFIG_MAP = Kind("", "v1", "ConfigMap")


@dataclass(frozen=True)
class Answer:
    """What a request gave: the object where it was admitted, the text where it was not."""

    admitted: bool
    text: str
    object: dict[str, Any]


def path(namespace: str) -> str:
    return path_of("configmaps", "settings", namespace=namespace)


def kubectl(*words: str, manifest: Callable[[str], dict[str, Any]] | None = None):
    """Send with kubectl; ``manifest`` goes to its standard input."""

    def send(client: Client, namespace: str, *, dry: bool) -> Answer:
        done = client.kubectl(
            "-n",
            namespace,
            *words,
            "-o",
            "json",
            *(["--dry-run=server"] if dry else []),
            input=manifest(namespace) if manifest else None,
        )
        return Answer(done.ok, done.err, json.loads(done.out) if done.ok else {})

    return send


def raw(method: str, content_type: str, body: Callable[[dict[str, Any]], Any], **query: str):
    """Send to the API as it is; the body is made from the live object."""

    def send(client: Client, namespace: str, *, dry: bool) -> Answer:
        live = client.request("GET", path(namespace)).body
        reply = client.request(
            method,
            path(namespace),
            body=body(live),
            content_type=content_type,
            query={**query, **({"dryRun": "All"} if dry else {})},
        )
        return Answer(reply.code == 200, json.dumps(reply.body), reply.body)

    return send


def python(method: str, body: Callable[[str], Any]):
    """Send with the Python client."""

    def send(client: Client, namespace: str, *, dry: bool) -> Answer:
        call = getattr(kube.CoreV1Api(client.api), f"{method}_namespaced_config_map")
        how = {"dry_run": "All"} if dry else {}
        try:
            reply = call("settings", namespace, body(namespace), _preload_content=False, **how)
        except kube.ApiException as refusal:
            return Answer(False, refusal.body, {})
        return Answer(True, "", json.loads(reply.data))

    return send


def red(namespace: str) -> dict[str, Any]:
    return config_map(namespace, data={"colour": "red"})


def edited(live: dict[str, Any]) -> dict[str, Any]:
    return {**live, "data": {"colour": "red"}}


JSON_PATCH = [{"op": "replace", "path": "/data/colour", "value": "red"}]
MERGE_PATCH = {"data": {"colour": "red"}}
COLOUR = {"data": {"colour": "red"}}
TEAM = {"metadata": {"annotations": {"team": "red"}}}
LABEL = {"metadata": {"labels": {"team": "red"}}}

FORMS: dict[str, tuple[Callable[..., Answer], dict[str, Any]]] = {
    "kubectl replace": (kubectl("replace", "-f", "-", manifest=red), COLOUR),
    "kubectl apply": (kubectl("apply", "-f", "-", manifest=red), COLOUR),
    "kubectl apply --server-side": (
        kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", manifest=red),
        COLOUR,
    ),
    "kubectl patch --type=json": (
        kubectl("patch", "configmap", "settings", "--type=json", "-p", json.dumps(JSON_PATCH)),
        COLOUR,
    ),
    "kubectl patch --type=merge": (
        kubectl("patch", "configmap", "settings", "--type=merge", "-p", json.dumps(MERGE_PATCH)),
        COLOUR,
    ),
    "kubectl patch --type=strategic": (
        kubectl("patch", "configmap", "settings", "--type=strategic", "-p", json.dumps(MERGE_PATCH)),
        COLOUR,
    ),
    "kubectl annotate": (kubectl("annotate", "configmap", "settings", "team=red"), TEAM),
    "kubectl label": (kubectl("label", "configmap", "settings", "team=red"), LABEL),
    "get, change, PUT with resourceVersion": (raw("PUT", "application/json", edited), COLOUR),
    "a PUT without resourceVersion": (
        raw("PUT", "application/json", lambda live: red(live["metadata"]["namespace"])),
        COLOUR,
    ),
    "an apply patch to the API": (
        raw(
            "PATCH",
            "application/apply-patch+yaml",
            lambda live: json.dumps(red(live["metadata"]["namespace"])),
            fieldManager="another",
            force="true",
        ),
        COLOUR,
    ),
    "the Python client's replace": (python("replace", red), COLOUR),
    "the Python client's patch": (python("patch", lambda _: MERGE_PATCH), COLOUR),
    "the Python client's JSON patch": (python("patch", lambda _: JSON_PATCH), COLOUR),
}


def holds(wanted: Any, live: Any) -> bool:
    """Tell whether everything wanted is in the live object."""
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(holds(value, live.get(key)) for key, value in wanted.items())
    return bool(wanted == live)


@pytest.mark.parametrize(("send", "wanted"), FORMS.values(), ids=FORMS.keys())
def test_an_update_takes_an_approval(send, wanted, desk, agent, namespace, alice):
    before = desk.create(path(namespace), config_map(namespace))

    refused = send(agent, namespace, dry=False)
    assert not refused.admitted
    assert "APPROVAL REQUIRED (pending 0/1): update ConfigMap" in refused.text
    assert desk.get(path(namespace)) == before

    change = desk.update(path(namespace), send(desk.cluster.admin, namespace, dry=True).object)
    desk.attach(path(namespace), slots(sign(change, by=alice)))
    admitted = send(agent, namespace, dry=False)
    assert admitted.admitted, admitted.text
    after = desk.get(path(namespace))
    assert holds(wanted, after)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert unchanged(admitted.object, after, kind=CONFIG_MAP)
