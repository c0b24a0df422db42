"""Ordinary work that needs an approval goes through with one, and only as it was approved."""

from __future__ import annotations

from tests.harness.waiting import wait_until
from tests.support.changes import path_of, sign, slots
from tests.support.world import MERGE

IMAGE = "example.invalid/app:2"


def test_a_new_image_of_a_workload_that_has_an_account_of_its_own(desk, alice, agent, namespace):
    path = path_of("deployments", "web", namespace=namespace, api="apps/v1")
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web"}}
    desk.create(path_of("serviceaccounts", "web", namespace=namespace), account)
    pod = {"serviceAccountName": "web", "containers": [{"name": "c", "image": "example.invalid/app:1"}]}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": pod}
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    desk.create(
        path, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}
    )

    # Its controller numbers it and reports on it first; an approval from before would be of another object.
    def settled() -> bool:
        live = desk.get(path)
        reasons = {condition["reason"] for condition in live.get("status", {}).get("conditions", ())}
        return bool(live["metadata"].get("annotations")) and "NewReplicaSetAvailable" in reasons

    wait_until("its controller is done with it", settled)

    def change(name: str, image: str) -> dict[str, object]:
        spec = {"serviceAccountName": name, "containers": [{"name": "c", "image": image}]}
        return {"spec": {"template": {"spec": spec}}}

    approved = change("web", IMAGE)
    new = desk.dry_run("PATCH", path, approved, content_type=MERGE)
    desk.attach(path, slots(sign(desk.update(path, new), by=alice)))
    for other in (change("default", IMAGE), change("web", "example.invalid/app:3")):
        assert agent.request("PATCH", path, body=other, content_type=MERGE).code == 403
    assert agent.request("PATCH", path, body=approved, content_type=MERGE).code == 200
    live = desk.get(path)["spec"]["template"]["spec"]
    assert (live["serviceAccountName"], live["containers"][0]["image"]) == ("web", IMAGE)
