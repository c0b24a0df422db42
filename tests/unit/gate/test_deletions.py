"""Updates that end in a deletion by somebody else: one sentence, one row."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.gate import changed, found, review, thing

from peergate.model.change import Effect

CONTROLLER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "u", "controller": True}
PLAIN_OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "v"}
SETTINGS = thing("ConfigMap", "settings", data={"mode": "on"})
OWNED = thing("ConfigMap", "settings", ownerReferences=[PLAIN_OWNER])
JOB = thing("Job", spec={"parallelism": 2, "ttlSecondsAfterFinished": 600})
POD = thing("Pod", labels={"app": "web"}, ownerReferences=[CONTROLLER], spec={})
LOOSE = thing("Pod", labels={"app": "web"}, ownerReferences=[PLAIN_OWNER], spec={})
BOX = thing("Sandbox", spec={})
WEB = thing("Deployment", spec={"replicas": 3})
CRON = thing("CronJob", spec={"successfulJobsHistoryLimit": 3})
DATABASE = thing("StatefulSet", spec={"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain"}})
VOLUME = thing("PersistentVolume", spec={"persistentVolumeReclaimPolicy": "Retain", "claimRef": {"uid": "a"}})
NODE = thing("Node", spec={"taints": [{"key": "a", "effect": "NoExecute"}, {"key": "b"}]})
ROLLBACK = {"deprecated.deployment.rollback.to": "1"}
REPLACE = (Effect.REPLACE, "")


def deletes(note: str) -> tuple[Effect, str]:
    return Effect.DELETE, note


def update(old: dict[str, Any], *path: str, to: Any, **how: Any) -> Any:
    return review("UPDATE", old=old, new=changed(old, *path, to=to), **how)


def taints(*found_taints: dict[str, str]) -> Any:
    return update(NODE, "spec", "taints", to=list(found_taints))


EVICTING, SAME = {"key": "c", "effect": "NoExecute"}, {"key": "a", "effect": "NoExecute"}

CASES = {
    "a changed owner is a Delete (T5)": (
        update(OWNED, "metadata", "ownerReferences", to=[{**PLAIN_OWNER, "blockOwnerDeletion": True}]),
        deletes("foreign owner"),
    ),
    "an owner put in another's place is a Delete (T5)": (
        update(OWNED, "metadata", "ownerReferences", to=[CONTROLLER]),
        deletes("foreign owner"),
    ),
    "owners in another order are a Replace": (
        update(
            thing("ConfigMap", ownerReferences=[PLAIN_OWNER, CONTROLLER]),
            "metadata",
            "ownerReferences",
            to=[CONTROLLER, PLAIN_OWNER],
        ),
        REPLACE,
    ),
    "a finalizer dropped through /status is a Delete (T12)": (
        update(
            thing("PersistentVolumeClaim", finalizers=["kubernetes.io/pvc-protection"]),
            "metadata",
            "finalizers",
            to=[],
            subresource="status",
        ),
        deletes("drops finalizers"),
    ),
    "a Job that is cleaned up sooner is a Delete (T10)": (
        update(JOB, "spec", "ttlSecondsAfterFinished", to=0),
        deletes("ends by itself"),
    ),
    "a Job that gets a time to be cleaned up is a Delete (T10)": (
        update(changed(JOB, "spec", to={}), "spec", "ttlSecondsAfterFinished", to=60),
        deletes("ends by itself"),
    ),
    "a Job that is cleaned up later is a Replace": (
        update(JOB, "spec", "ttlSecondsAfterFinished", to=601),
        REPLACE,
    ),
    "a Job that is never cleaned up is a Replace": (
        update(JOB, "spec", "ttlSecondsAfterFinished", to=None),
        REPLACE,
    ),
    "a Job with the same time is a Replace": (update(JOB, "spec", "completions", to=1), REPLACE),
    "a time that is no number is a Delete": (
        update(JOB, "spec", "ttlSecondsAfterFinished", to="600"),
        deletes("ends by itself"),
    ),
    "a Job with a deadline is a Delete (T10)": (
        update(JOB, "spec", "activeDeadlineSeconds", to=1),
        deletes("ends by itself"),
    ),
    "a Pod with a deadline is a Delete (T10)": (
        update(LOOSE, "spec", "activeDeadlineSeconds", to=1),
        deletes("ends by itself"),
    ),
    "a sandbox that is to shut down is a Delete (T10)": (
        update(BOX, "spec", "shutdownTime", to="2026-11-24T12:00:00Z"),
        deletes("ends by itself"),
    ),
    "a sandbox that is not is a Replace": (
        update(changed(BOX, "spec", "shutdownTime", to="x"), "spec", "shutdownTime", to=None),
        REPLACE,
    ),
    "a Deployment without history is a Delete (T10)": (
        update(WEB, "spec", "revisionHistoryLimit", to=0),
        deletes("drops history"),
    ),
    "one with less is a Replace": (update(WEB, "spec", "revisionHistoryLimit", to=1), REPLACE),
    "a CronJob that forgets its Jobs is a Delete (T10)": (
        update(CRON, "spec", "successfulJobsHistoryLimit", to=0),
        deletes("drops history"),
    ),
    "one that forgets those that failed too (T10)": (
        update(CRON, "spec", "failedJobsHistoryLimit", to=0),
        deletes("drops history"),
    ),
    "claims that go with a StatefulSet are a Delete (T10)": (
        update(DATABASE, "spec", "persistentVolumeClaimRetentionPolicy", to={"whenDeleted": "Delete"}),
        deletes("deletes claims"),
    ),
    "claims that go with its replicas are a Delete (T10)": (
        update(
            DATABASE,
            "spec",
            "persistentVolumeClaimRetentionPolicy",
            to={"whenDeleted": "Retain", "whenScaled": "Delete"},
        ),
        deletes("deletes claims"),
    ),
    "claims that stay are a Replace": (
        update(DATABASE, "spec", "persistentVolumeClaimRetentionPolicy", to=None),
        REPLACE,
    ),
    "a volume to be deleted with its claim is a Delete (T10)": (
        update(VOLUME, "spec", "persistentVolumeReclaimPolicy", to="Delete"),
        deletes("frees the volume"),
    ),
    "a volume to be kept is a Replace": (
        update(
            changed(VOLUME, "spec", "persistentVolumeReclaimPolicy", to="Delete"),
            "spec",
            "persistentVolumeReclaimPolicy",
            to="Retain",
        ),
        REPLACE,
    ),
    "a volume without its claim is a Delete (T10)": (
        update(VOLUME, "spec", "claimRef", to=None),
        deletes("frees the volume"),
    ),
    "a volume that was deleting already is a Replace": (
        update(
            changed(VOLUME, "spec", "persistentVolumeReclaimPolicy", to="Delete"),
            "spec",
            "mountOptions",
            to=["ro"],
        ),
        REPLACE,
    ),
    "a volume of a policy that is none is a Replace": (
        update(VOLUME, "spec", "persistentVolumeReclaimPolicy", to=[]),
        REPLACE,
    ),
    "the rollback annotation is a Delete (T10)": (
        update(WEB, "metadata", "annotations", to=ROLLBACK),
        deletes("rollback"),
    ),
    "taking it away is a Replace": (
        update(changed(WEB, "metadata", "annotations", to=ROLLBACK), "metadata", "annotations", to={}),
        REPLACE,
    ),
    "a NoExecute taint is a Delete (T10)": (taints(SAME, EVICTING), deletes("evicts pods")),
    "another taint is a Replace": (taints(SAME, {"key": "d", "effect": "NoSchedule"}), REPLACE),
    "a cordon is a Replace": (update(NODE, "spec", "unschedulable", to=True), REPLACE),
    "the labels of a controller's Pod are a Delete (T10)": (
        update(POD, "metadata", "labels", to={"app": "stray"}),
        deletes("relabels a pod"),
    ),
    "the labels of a Pod without one are a Replace": (
        update(LOOSE, "metadata", "labels", to={"app": "stray"}),
        REPLACE,
    ),
    "an annotation of a controller's Pod is a Replace": (
        update(POD, "metadata", "annotations", to={"a": "b"}),
        REPLACE,
    ),
    "resizing a Pod is a Replace": (
        update(POD, "spec", "containers", to=[{"resources": {}}], subresource="resize"),
        REPLACE,
    ),
    "deleting what is terminating already is a Delete (DO1)": (
        review("DELETE", old=thing("Pod", deletionTimestamp="2026-11-23T12:00:00Z"), options=None),
        deletes(""),
    ),
    "removing a disruption budget is a Delete (DO12)": (
        review("DELETE", old=thing("PodDisruptionBudget")),
        deletes(""),
    ),
    "deleting a node is a Delete (DO3)": (review("DELETE", old=NODE), deletes("")),
    "deleting an Event is a Delete (T24)": (review("DELETE", old=thing("Event")), deletes("")),
}


@pytest.mark.parametrize(("subject", "want"), CASES.values(), ids=CASES.keys())
def test_deletion(subject, want):
    finding = found(subject)
    assert (finding.effect, finding.note) == want
