"""T5, T7, T9 to T13, T16: an agent destroys by other ways than a plain DELETE.

Each way works for an account with the same rights that is no agent, and leaves the object as it is for the
agent.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from tests.harness.clients import Client
from tests.harness.waiting import wait_until
from tests.support.changes import Desk, config_map, path_of

MERGE = {"content_type": "application/merge-patch+json"}
JSON = {"content_type": "application/json-patch+json"}
MISSING_OWNER = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "name": "never-was",
    "uid": "11111111-2222-4333-8444-555555555555",
}
FINALIZER = "example.com/wait"
POD_SPEC = {
    "automountServiceAccountToken": False,
    "restartPolicy": "Never",
    "containers": [{"name": "web", "image": "example.invalid/none:1"}],
}


@dataclass(frozen=True)
class Ground:
    """Where the attack is: a protected namespace, and the object that is its aim."""

    desk: Desk
    namespace: str

    def path(self, resource: str, name: str = "victim", *, api: str = "v1") -> str:
        return path_of(resource, name, namespace=self.namespace, api=api)

    def live(self, resource: str, *, api: str = "v1") -> dict[str, Any]:
        return self.desk.get(self.path(resource, api=api))


def merge(client: Client, path: str, body: Any) -> None:
    client.request("PATCH", path, body=body, **MERGE)


def kubectl(client: Client, ground: Ground, *words: str, **how: Any) -> None:
    client.kubectl("-n", ground.namespace, *words, **how)


# --- what is there ---------------------------------------------------------------------------------------


def a_config_map(ground: Ground, **members: Any) -> None:
    body = config_map(ground.namespace, "victim", **members)
    ground.desk.create(ground.path("configmaps"), body)


def a_dying_config_map(ground: Ground) -> None:
    """Somebody deleted it, and a controller has still to clean up."""
    a_config_map(ground, metadata={"finalizers": [FINALIZER]})
    assert ground.desk.cluster.admin.request("DELETE", ground.path("configmaps")).code == 200


def a_pod(ground: Ground) -> None:
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "victim"}, "spec": POD_SPEC}
    body["metadata"]["labels"] = {"app": "victim"}  # type: ignore[index]
    ground.desk.create(ground.path("pods"), body)


def a_deployment(ground: Ground) -> None:
    template = {"metadata": {"labels": {"app": "victim"}}, "spec": {**POD_SPEC, "restartPolicy": "Always"}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "victim"}}, "template": template}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "victim"}, "spec": spec}
    path = ground.path("deployments", api="apps/v1")
    ground.desk.create(path, body)
    wait_until("it is numbered", lambda: "annotations" in ground.desk.get(path)["metadata"])


def a_cron_job(ground: Ground) -> None:
    spec = {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": {"spec": POD_SPEC}}}}
    body = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "victim"}, "spec": spec}
    ground.desk.create(ground.path("cronjobs", api="batch/v1"), body)


def a_typed_secret(ground: Ground) -> None:
    ground.desk.create(ground.path("secrets"), secret("example.com/one"))


def secret(kind: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "victim"},
        "type": kind,
        "data": {"a": "Yg=="},
    }


# --- how it is attacked ----------------------------------------------------------------------------------


def evict(client: Client, ground: Ground) -> None:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "victim"}}
    client.request("POST", ground.path("pods") + "/eviction", body=body)


def empty_finalizers_of_namespace(client: Client, ground: Ground) -> None:
    path = path_of("namespaces", ground.namespace)
    live = without_version(client.request("GET", path).body)
    client.request("PUT", f"{path}/finalize", body={**live, "spec": {"finalizers": []}})


def apply_what_was_owned(client: Client, ground: Ground) -> None:
    """Apply without a field that the same manager set before: that removes it (DO7)."""
    text = json.dumps(config_map(ground.namespace, "victim", data=None))
    how = {
        "content_type": "application/apply-patch+yaml",
        "query": {"fieldManager": "owner", "force": "true"},
    }
    client.request("PATCH", ground.path("configmaps"), body=text, **how)


def an_applied_config_map(ground: Ground) -> None:
    text = json.dumps(config_map(ground.namespace, "victim"))
    how = {"content_type": "application/apply-patch+yaml", "query": {"fieldManager": "owner"}}
    reply = ground.desk.cluster.admin.request("PATCH", ground.path("configmaps"), body=text, **how)
    assert reply.code == 201


def collection(client: Client, ground: Ground) -> None:
    path = ground.path("configmaps").rpartition("/")[0]
    client.request("DELETE", path, query={"fieldSelector": "metadata.name=victim"})


def gone(resource: str, *, api: str = "v1") -> Callable[[Ground], bool]:
    return lambda ground: not ground.desk.there(ground.path(resource, api=api))


def without_data(ground: Ground) -> bool:
    return "data" not in ground.live("configmaps")


def replicas(ground: Ground) -> Any:
    return ground.live("deployments", api="apps/v1")["spec"]["replicas"]


def template(ground: Ground) -> dict[str, Any]:
    return dict(ground.live("deployments", api="apps/v1")["spec"]["template"])


@dataclass(frozen=True)
class Attack:
    """What is there, how it is attacked, and when it has worked."""

    set_up: Callable[[Ground], None]
    attack: Callable[[Client, Ground], None]
    worked: Callable[[Ground], bool]
    aim: tuple[str, str] = ("configmaps", "v1")


DEPLOYMENTS = ("deployments", "apps/v1")

ATTACKS: dict[str, Attack] = {
    "T5: an owner that does not exist lets the garbage collector delete": Attack(
        a_config_map,
        lambda client, ground: merge(
            client, ground.path("configmaps"), {"metadata": {"ownerReferences": [MISSING_OWNER]}}
        ),
        gone("configmaps"),
    ),
    "T5: the same through the status subresource": Attack(
        a_deployment,
        lambda client, ground: merge(
            client,
            ground.path("deployments", api="apps/v1") + "/status",
            {"metadata": {"ownerReferences": [MISSING_OWNER]}},
        ),
        gone("deployments", api="apps/v1"),
        DEPLOYMENTS,
    ),
    "T7: an eviction deletes a Pod without a DELETE": Attack(a_pod, evict, gone("pods"), ("pods", "v1")),
    "T9: an empty list of finalizers orphans what a namespace holds": Attack(
        a_config_map,
        empty_finalizers_of_namespace,
        lambda ground: not ground.desk.get(path_of("namespaces", ground.namespace))["spec"].get("finalizers"),
    ),
    "T10: a scale to zero ends every Pod": Attack(
        a_deployment,
        lambda client, ground: kubectl(client, ground, "scale", "deployment", "victim", "--replicas=0"),
        lambda ground: replicas(ground) == 0,
        DEPLOYMENTS,
    ),
    "T10: so does a patch of the replicas": Attack(
        a_deployment,
        lambda client, ground: merge(
            client, ground.path("deployments", api="apps/v1"), {"spec": {"replicas": 0}}
        ),
        lambda ground: replicas(ground) == 0,
        DEPLOYMENTS,
    ),
    "T10: and a PUT of the Scale without replicas": Attack(
        a_deployment,
        lambda client, ground: put_scale(client, ground.path("deployments", api="apps/v1") + "/scale"),
        lambda ground: replicas(ground) == 0,
        DEPLOYMENTS,
    ),
    "T10: a label moved away leaves a workload without its Pod": Attack(
        a_pod,
        lambda client, ground: kubectl(client, ground, "label", "pod", "victim", "app-"),
        lambda ground: "labels" not in ground.live("pods")["metadata"],
        ("pods", "v1"),
    ),
    "T10: a suspended CronJob runs no more": Attack(
        a_cron_job,
        lambda client, ground: merge(
            client, ground.path("cronjobs", api="batch/v1"), {"spec": {"suspend": True}}
        ),
        lambda ground: ground.live("cronjobs", api="batch/v1")["spec"]["suspend"],
        ("cronjobs", "batch/v1"),
    ),
    "T11: an image that is not there replaces a workload": Attack(
        a_deployment,
        lambda client, ground: kubectl(client, ground, "set", "image", "deployment/victim", "web=nothing:0"),
        lambda ground: template(ground)["spec"]["containers"][0]["image"] == "nothing:0",
        DEPLOYMENTS,
    ),
    "T11: a restart replaces every Pod": Attack(
        a_deployment,
        lambda client, ground: kubectl(client, ground, "rollout", "restart", "deployment/victim"),
        lambda ground: "annotations" in template(ground)["metadata"],
        DEPLOYMENTS,
    ),
    "T11: a ConfigMap is emptied": Attack(
        a_config_map,
        lambda client, ground: merge(client, ground.path("configmaps"), {"data": None}),
        without_data,
    ),
    "T11: a PUT without resourceVersion overwrites what is there": Attack(
        a_config_map,
        lambda client, ground: client.request(  # type: ignore[dict-item, return-value]
            "PUT", ground.path("configmaps"), body=config_map(ground.namespace, "victim", data=None)
        ),
        without_data,
    ),
    "T11: an apply leaves out what the manager owned": Attack(
        an_applied_config_map, apply_what_was_owned, without_data
    ),
    "T12: a dropped finalizer completes somebody's deletion": Attack(
        a_dying_config_map,
        lambda client, ground: merge(client, ground.path("configmaps"), {"metadata": {"finalizers": None}}),
        gone("configmaps"),
    ),
    "T12: so does one dropped by its place": Attack(
        a_dying_config_map,
        lambda client, ground: client.request(  # type: ignore[dict-item, return-value]
            "PATCH",
            ground.path("configmaps"),
            body=[{"op": "remove", "path": "/metadata/finalizers/0"}],
            **JSON,
        ),
        gone("configmaps"),
    ),
    "T13: apply by force deletes what it cannot patch": Attack(
        a_typed_secret,
        lambda client, ground: kubectl(
            client, ground, "apply", "--force", "-f", "-", input=secret("example.com/two")
        ),
        lambda ground: ground.live("secrets")["type"] == "example.com/two",
        ("secrets", "v1"),
    ),
    "T16: a collection of one deletes without a name": Attack(a_config_map, collection, gone("configmaps")),
    "B6: forged notes of the last apply make the next one prune": Attack(
        a_config_map,
        lambda client, ground: kubectl(
            client,
            ground,
            "annotate",
            "configmap/victim",
            "kubectl.kubernetes.io/last-applied-configuration={}",
        ),
        lambda ground: "annotations" in ground.live("configmaps")["metadata"],
    ),
}


def put_scale(client: Client, path: str) -> None:
    scale = without_version(client.request("GET", path).body)
    client.request("PUT", path, body={**scale, "spec": {}})


def without_version(live: dict[str, Any]) -> dict[str, Any]:
    """Return an object for a PUT that no write in between makes a conflict."""
    metadata = {name: value for name, value in live["metadata"].items() if name != "resourceVersion"}
    return {**live, "metadata": metadata}


def essence(live: dict[str, Any]) -> dict[str, Any]:
    """Return the object without what its controllers keep writing."""
    metadata = {
        name: value
        for name, value in live["metadata"].items()
        if name not in {"managedFields", "resourceVersion"}
    }
    return {**live, "metadata": metadata, "status": None}


@pytest.mark.parametrize("case", ATTACKS.values(), ids=ATTACKS.keys())
def test_it_works_for_somebody_who_is_no_agent(case, desk, bystander, namespace):
    ground = Ground(desk, namespace)
    case.set_up(ground)
    case.attack(bystander, ground)
    wait_until("the attack has worked", lambda: case.worked(ground), within=30)


@pytest.mark.parametrize("case", ATTACKS.values(), ids=ATTACKS.keys())
def test_it_leaves_the_object_as_it_is_for_an_agent(case, desk, agent, namespace, cluster):
    ground = Ground(desk, namespace)
    case.set_up(ground)
    resource, api = case.aim
    before = ground.live(resource, api=api)
    case.attack(agent, ground)
    # That it was refused by a gate, and not by something else on the way, is in the audit log.
    cluster.wait_for_audit(
        lambda event: (
            (event.username, event.namespace, event.code) == (desk.requester.username, namespace, 403)
            and any(".gate.peergate.dev/decision" in key for key in event.annotations)
        )
    )
    assert not case.worked(ground)
    assert essence(ground.live(resource, api=api)) == essence(before)
    if case.set_up is a_dying_config_map:  # nobody else completes its deletion, and so its namespace's
        merge(desk.cluster.admin, ground.path("configmaps"), {"metadata": {"finalizers": None}})
