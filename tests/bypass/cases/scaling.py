"""T10: ordinary writes that make the controllers of the cluster destroy; what runs is scaled or paused."""

from __future__ import annotations

from typing import Any

from tests.bypass.acts import MERGE, exists, getting, gone, sent, typed
from tests.bypass.bodies import AUTOSCALER
from tests.bypass.cases.content import DEPLOYMENT, two_revisions
from tests.bypass.cases.creations import creating
from tests.bypass.model import Arm, Case
from tests.bypass.things import POD, TEMPLATE, also, deployment, leaving, pod, pods_of, there, workload
from tests.harness.waiting import wait_until

STATEFUL = "/apis/apps/v1/namespaces/{ns}/statefulsets/{name}"
JOB = "/apis/batch/v1/namespaces/{ns}/jobs/{name}"
CRON = "/apis/batch/v1/namespaces/{ns}/cronjobs/{name}"
SCALER = "/apis/autoscaling/v2/namespaces/{ns}/horizontalpodautoscalers/{name}"


def no_pods(arm: Arm) -> bool:
    return not arm.live(pods_of(arm))["items"]


def without_replicas(_: Arm, live: dict[str, Any]) -> None:
    """Leave the number out: in a Scale that is zero (AR16)."""
    live["spec"] = {}
    live["metadata"].pop("resourceVersion")


def job(**spec: Any) -> Any:
    body = {"template": {"spec": {**POD, "restartPolicy": "Never"}}, **spec}
    return there({"apiVersion": "batch/v1", "kind": "Job", "spec": body})


def finished_job(arm: Arm) -> tuple[str, ...]:
    """Arrange a Job that has failed, with its records."""
    [path] = job(activeDeadlineSeconds=3600, suspend=True)(arm)
    conditions = [
        {
            "type": kind,
            "status": "True",
            "reason": "DeadlineExceeded",
            "message": "x",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
            "lastProbeTime": "2026-01-01T00:00:00Z",
        }
        for kind in ("FailureTarget", "Failed")
    ]
    status = {"startTime": "2026-01-01T00:00:00Z", "conditions": conditions}
    arm.admin.request("PATCH", path + "/status", body={"status": status}, content_type=MERGE)
    return (path,)


CRON_JOB = {
    "apiVersion": "batch/v1",
    "kind": "CronJob",
    "spec": {
        "schedule": "0 0 1 1 *",
        "successfulJobsHistoryLimit": 3,
        "jobTemplate": {"spec": {"template": {"spec": {**POD, "restartPolicy": "Never"}}}},
    },
}
LONE = pod()


def orphans(arm: Arm) -> tuple[str, ...]:
    """Arrange two Pods that nobody owns."""
    for number in range(2):
        arm.make(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": f"{arm.name}-{number}", "labels": {"app": "{name}"}},
                "spec": POD,
            }
        )
    return (pods_of(arm),)


def adopting(kind: str, api: str) -> dict[str, Any]:
    selector: Any = (
        {"app": "{name}"} if kind == "ReplicationController" else {"matchLabels": {"app": "{name}"}}
    )
    spec = {"replicas": 0, "selector": selector, "template": TEMPLATE}
    return {"apiVersion": api, "kind": kind, "metadata": {"name": "{name}"}, "spec": spec}


def a_spare_and_a_set(arm: Arm) -> tuple[str, ...]:
    """Arrange a ReplicaSet with its Pod, and one more Pod outside."""
    watched = workload("ReplicaSet")(arm)
    spare = arm.make(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"{arm.name}-spare", "labels": {"app": "spare"}},
            "spec": POD,
        }
    )
    return (*watched, spare)


AUTOSCALED = there({**AUTOSCALER, "metadata": {"name": "{name}"}})


def patched(path: str, spec: dict[str, Any]) -> Any:
    return sent("PATCH", path, {"spec": spec}, as_=MERGE)


def displaced(arm: Arm) -> bool:
    """Tell whether the workload's first Pod went."""
    items = arm.live(pods_of(arm))["items"]
    there_still = {item["metadata"]["uid"] for item in items if "deletionTimestamp" not in item["metadata"]}
    return arm.notes["first"] not in there_still


def a_set_that_is_known(arm: Arm) -> tuple[str, ...]:
    """Arrange a ReplicaSet with one Pod, and remember which."""
    path, _ = workload("ReplicaSet")(arm)
    arm.notes["first"] = arm.live(pods_of(arm))["items"][0]["metadata"]["uid"]
    return (path,)


def a_job_that_is_known(arm: Arm) -> tuple[str, ...]:
    """Arrange a Job with one Pod, and remember which, and the Job's uid."""
    labelled = {"metadata": {"labels": {"app": "{name}"}}, "spec": {**POD, "restartPolicy": "Never"}}
    [path] = job(template=labelled)(arm)
    wait_until("the Job has its Pod", lambda: bool(arm.live(pods_of(arm))["items"]))
    arm.notes["first"] = arm.live(pods_of(arm))["items"][0]["metadata"]["uid"]
    arm.notes["job"] = arm.live(path)["metadata"]["uid"]
    return (path,)


def adopted_pod(arm: Arm) -> dict[str, Any]:
    """Return a Pod that the Job takes for one that runs already: it is on a node."""
    free = {member: value for member, value in POD.items() if member != "schedulingGates"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "{name}",
            "labels": {"app": "{name}", "batch.kubernetes.io/controller-uid": arm.notes["job"]},
        },
        "spec": {**free, "restartPolicy": "Never", "nodeName": "nowhere"},
    }


DEAR_POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "{name}",
        "labels": {"app": "{name}"},
        "annotations": {"controller.kubernetes.io/pod-deletion-cost": "1000"},
    },
    "spec": POD,
}
TAKING_JOB = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "{name}"},
    "spec": {
        "manualSelector": True,
        "parallelism": 0,
        "selector": {"matchLabels": {"app": "{name}"}},
        "template": {**TEMPLATE, "spec": {**POD, "restartPolicy": "Never"}},
    },
}

CASES = (
    Case(
        "T10",
        "creates a Pod that a Job keeps in place of its own",
        typed("kubectl -n {ns} create -f -", given=adopted_pod),
        a_job_that_is_known,
        worked=displaced,
    ),
    Case(
        "T10",
        "creates a Pod that a workload keeps in place of its own",
        typed("kubectl -n {ns} create -f -", given=DEAR_POD),
        a_set_that_is_known,
        worked=displaced,
    ),
    Case(
        "T10",
        "creates a Job that adopts Pods and ends them",
        typed("kubectl -n {ns} create -f -", given=TAKING_JOB),
        orphans,
        worked=no_pods,
    ),
    Case(
        "U19 T10",
        "says that a Pod has failed",
        sent(
            "PATCH", "/api/v1/namespaces/{ns}/pods/{name}/status", {"status": {"phase": "Failed"}}, as_=MERGE
        ),
        LONE,
        worked=lambda arm: bool(arm.live(arm.path("Pod"))["status"]["phase"] == "Failed"),
    ),
    creating("T10 DO6", "creates an autoscaler of one's own", {**AUTOSCALER, "metadata": {}}),
    Case(
        "T10 DO6 U2",
        "scales a Deployment to zero",
        typed("kubectl -n {ns} scale deployment {name} --replicas=0"),
        deployment(),
        worked=no_pods,
    ),
    Case(
        "T10 DO6 U2",
        "scales to zero by the spec",
        patched(DEPLOYMENT, {"replicas": 0}),
        deployment(),
        worked=no_pods,
    ),
    Case(
        "T10 DO6 U2",
        "scales to zero by a Scale without a number",
        getting(DEPLOYMENT + "/scale", without_replicas),
        deployment(),
        worked=no_pods,
    ),
    Case(
        "T10 DO6 U2",
        "scales a StatefulSet to zero",
        typed("kubectl -n {ns} scale statefulset {name} --replicas=0"),
        workload("StatefulSet"),
        worked=no_pods,
    ),
    Case(
        "T10 DO6 U2",
        "scales a ReplicationController to zero",
        typed("kubectl -n {ns} scale rc {name} --replicas=0"),
        workload("ReplicationController", api="v1"),
        worked=no_pods,
    ),
    Case(
        "T10 DO6 U2",
        "scales a Deployment down",
        typed("kubectl -n {ns} scale deployment {name} --replicas=1"),
        deployment(replicas=2),
        worked=lambda arm: len(arm.live(pods_of(arm))["items"]) < 2,
    ),
    Case(
        "T10 DO6 U2",
        "lowers the bounds of an autoscaler",
        patched(SCALER, {"minReplicas": 1, "maxReplicas": 1}),
        AUTOSCALED,
    ),
    Case(
        "T10 DO6 U2",
        "turns an autoscaler to another workload",
        patched(SCALER, {"scaleTargetRef": {"name": "other"}}),
        AUTOSCALED,
    ),
    Case(
        "T10 DO6",
        "creates an autoscaler for somebody's workload",
        typed("kubectl -n {ns} autoscale deployment {name} --min=1 --max=1"),
        also(deployment(replicas=0), leaving("HorizontalPodAutoscaler", "autoscaling/v2")),
        worked=exists("HorizontalPodAutoscaler", api="autoscaling/v2"),
    ),
    Case(
        "T10",
        "creates a ReplicaSet that adopts Pods and ends them",
        typed("kubectl -n {ns} create -f -", given=adopting("ReplicaSet", "apps/v1")),
        orphans,
        worked=no_pods,
    ),
    Case(
        "T10",
        "creates a ReplicationController that adopts Pods and ends them",
        typed("kubectl -n {ns} create -f -", given=adopting("ReplicationController", "v1")),
        orphans,
        worked=no_pods,
    ),
    Case(
        "T10 U13",
        "moves a Pod into a workload that has enough",
        lambda arm: arm.kubectl(
            "-n", arm.namespace, "label", "--overwrite", "pod", f"{arm.name}-spare", f"app={arm.name}"
        ),
        a_spare_and_a_set,
    ),
    Case(
        "T10 DO11 U9",
        "gives a Job seconds to live",
        patched(JOB, {"ttlSecondsAfterFinished": 0}),
        finished_job,
        worked=gone("Job", api="batch/v1"),
    ),
    Case("T10 DO6 U10", "suspends a Job", patched(JOB, {"suspend": True}), job()),
    Case("T10 DO6 U10", "lets a Job run nothing in parallel", patched(JOB, {"parallelism": 0}), job()),
    Case(
        "T10 DO6 U9",
        "gives a Job a second to end",
        patched(JOB, {"activeDeadlineSeconds": 1}),
        job(suspend=True),
    ),
    Case("T10 DO6 U10", "suspends a CronJob", patched(CRON, {"suspend": True}), there(CRON_JOB)),
    Case(
        "T10 U11",
        "drops the history of a CronJob",
        patched(CRON, {"successfulJobsHistoryLimit": 0}),
        there(CRON_JOB),
    ),
    Case(
        "T10 U11",
        "drops the history of a Deployment, and the way back",
        patched(DEPLOYMENT, {"revisionHistoryLimit": 0}),
        deployment(replicas=0),
    ),
    Case(
        "T10 U10",
        "pauses a Deployment",
        typed("kubectl -n {ns} rollout pause deployment/{name}"),
        deployment(replicas=0),
    ),
    Case(
        "T10 U8 DO11",
        "lets a StatefulSet delete its claims",
        patched(
            STATEFUL,
            {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete", "whenScaled": "Delete"}},
        ),
        workload("StatefulSet", replicas=0),
    ),
    Case(
        "T10 U6",
        "rolls back by an annotation",
        sent(
            "PATCH",
            DEPLOYMENT,
            {"metadata": {"annotations": {"deprecated.deployment.rollback.to": "1"}}},
            as_=MERGE,
        ),
        two_revisions,
    ),
    Case(
        "T10 U9",
        "gives a Pod a second to end",
        sent(
            "PATCH", "/api/v1/namespaces/{ns}/pods/{name}", {"spec": {"activeDeadlineSeconds": 1}}, as_=MERGE
        ),
        LONE,
    ),
)
