"""The same deletion by other means: T7, T8, T13."""

from __future__ import annotations

from tests.bypass.acts import sent, typed
from tests.bypass.bodies import (
    CLAIM,
    CM,
    MANIFEST,
    POD_PATH,
    eviction,
    secret,
)
from tests.bypass.model import Arm, Case
from tests.bypass.things import (
    bound_pod,
    config_map,
    deployment,
    pod,
    there,
    workload,
)


def being_deleted(arm: Arm) -> tuple[str, ...]:
    """Arrange a Pod that has ten minutes to end."""
    [path] = bound_pod(arm)
    arm.admin.request("DELETE", path, body={"gracePeriodSeconds": 600})
    return (path,)


def first_pod(arm: Arm) -> str:
    """Return the name of the StatefulSet's Pod."""
    return f"{arm.name}-0"


CASES = (
    Case(
        "DO1",
        "deletes an object",
        typed("kubectl -n {ns} delete configmap {name} --wait=false"),
        config_map(),
    ),
    Case(
        "DO1",
        "deletes a workload and orphans its Pods",
        typed("kubectl -n {ns} delete deployment {name} --cascade=orphan --wait=false"),
        deployment(),
    ),
    Case(
        "DO1",
        "deletes a workload after what it owns",
        typed("kubectl -n {ns} delete deployment {name} --cascade=foreground --wait=false"),
        deployment(),
    ),
    Case(
        "DO1",
        "deletes with options in the query alone",
        sent("DELETE", CM, None, propagationPolicy="Background", gracePeriodSeconds="0"),
        config_map(),
    ),
    Case(
        "DO1 T8",
        "deletes a Pod by force: two reviews, one half-deleted Pod",
        typed("kubectl -n {ns} delete pod {name} --force --grace-period=0 --wait=false"),
        pod(),
    ),
    Case(
        "DO1 T8",
        "shortens the time that a Pod has to end",
        sent("DELETE", POD_PATH, {"gracePeriodSeconds": 1}),
        being_deleted,
    ),
    Case(
        "DO1 T8",
        "ends a Pod by force that has time to end",
        typed("kubectl -n {ns} delete pod {name} --force --grace-period=0 --wait=false"),
        being_deleted,
    ),
    Case("DO1", "deletes by a file", typed("kubectl delete --wait=false -f -", given=MANIFEST), config_map()),
    Case(
        "DO2",
        "deletes a claim and with it the data",
        typed("kubectl -n {ns} delete pvc {name} --wait=false"),
        there(CLAIM),
    ),
    Case("T7", "evicts a Pod", sent("POST", POD_PATH + "/eviction", eviction()), pod()),
    Case(
        "T7",
        "evicts a Pod at once",
        sent("POST", POD_PATH + "/eviction", eviction(deleteOptions={"gracePeriodSeconds": 0})),
        pod(),
    ),
    Case(
        "T7 DO3",
        "evicts the Pod of a workload",
        lambda arm: arm.request(
            "POST",
            f"/api/v1/namespaces/{arm.namespace}/pods/{first_pod(arm)}/eviction",
            {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": first_pod(arm)}},
        ),
        workload("StatefulSet"),
    ),
    Case(
        "T7 DO3",
        "drains a node",
        typed("kubectl drain {name} --force --ignore-daemonsets --delete-emptydir-data --timeout=1s"),
        bound_pod,
    ),
    Case(
        "T7 DO3",
        "drains a node by deletions",
        typed("kubectl drain {name} --force --disable-eviction --ignore-daemonsets --timeout=1s"),
        bound_pod,
    ),
    Case(
        "T13 DO4",
        "replaces by force",
        typed("kubectl replace --force --timeout=1s -f -", given=MANIFEST),
        config_map(),
    ),
    Case(
        "T13 DO4",
        "applies by force what can't be patched",
        typed("kubectl -n {ns} apply --force -f -", given=secret("example.com/two")),
        there(secret("example.com/one")),
    ),
    Case(
        "T13",
        "deletes and creates under the same name",
        lambda arm: (
            typed("kubectl -n {ns} delete configmap {name}")(arm),
            typed("kubectl create -f -", given=MANIFEST)(arm),
        ),
        config_map(),
    ),
)
