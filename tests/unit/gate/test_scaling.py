"""What leaves a workload with nothing that runs: one sentence, one row."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.gate import changed, found, review, thing

from peergate.model.change import Effect
from peergate.model.review import Kind

SCALE = Kind(group="autoscaling", version="v1", kind="Scale")
WEB = thing("Deployment", spec={"replicas": 3})
ROLLOUT = thing("Widget", spec={"replicas": 3})
HPA = thing("HorizontalPodAutoscaler", spec={"minReplicas": 2, "maxReplicas": 5})
SCALED = thing("ScaledObject", spec={"minReplicaCount": 2, "maxReplicaCount": 5})
JOB = thing("Job", spec={"parallelism": 2})
CRON = thing("CronJob", spec={"suspend": False})
PAUSED = "autoscaling.keda.sh/paused-replicas"

TO_ZERO = (Effect.DELETE, "scale to 0")
SUSPENDS = (Effect.DELETE, "suspends work")
REPLACE = (Effect.REPLACE, "")


def update(old: dict[str, Any], *path: str, to: Any, **how: Any) -> Any:
    return review("UPDATE", old=old, new=changed(old, *path, to=to), **how)


CASES = {
    "no replicas is a Delete (T10)": (update(WEB, "spec", "replicas", to=0), TO_ZERO),
    "also of a kind that nobody knows (T10)": (update(ROLLOUT, "spec", "replicas", to=0), TO_ZERO),
    "none where none was said is a Delete (T10)": (
        update(thing("ReplicaSet", spec={}), "spec", "replicas", to=0),
        TO_ZERO,
    ),
    "fewer replicas are a Replace": (update(WEB, "spec", "replicas", to=1), REPLACE),
    "more are too": (update(WEB, "spec", "replicas", to=9), REPLACE),
    "replicas that go unsaid are one": (update(WEB, "spec", to={}), REPLACE),
    "a Scale without replicas is zero (T10)": (
        update(WEB, "spec", to={}, subresource="scale", kind=SCALE),
        TO_ZERO,
    ),
    "a Scale of any kind (T10)": (
        update(ROLLOUT, "spec", "replicas", to=0, subresource="scale", kind=SCALE),
        TO_ZERO,
    ),
    "a Scale that is not to zero is a Replace": (
        update(WEB, "spec", "replicas", to=1, subresource="scale", kind=SCALE),
        REPLACE,
    ),
    "a Scale from zero is a Replace": (
        update(changed(WEB, "spec", to={}), "spec", "replicas", to=2, subresource="scale", kind=SCALE),
        REPLACE,
    ),
    "an autoscaler that may go to zero is a Delete (T10)": (
        update(HPA, "spec", "minReplicas", to=0),
        TO_ZERO,
    ),
    "one whose minimum is unsaid means one": (update(HPA, "spec", "minReplicas", to=None), REPLACE),
    "one with lower bounds is a Replace": (
        update(HPA, "spec", to={"minReplicas": 1, "maxReplicas": 1}),
        REPLACE,
    ),
    "one that could go to zero before is a Replace": (
        update(changed(HPA, "spec", "minReplicas", to=0), "spec", "maxReplicas", to=3),
        REPLACE,
    ),
    "KEDA may go to zero where no minimum is said (T10)": (
        update(SCALED, "spec", "minReplicaCount", to=None),
        TO_ZERO,
    ),
    "KEDA must go to zero (T10)": (update(SCALED, "spec", "maxReplicaCount", to=0), TO_ZERO),
    "KEDA is paused at zero (T10)": (
        update(SCALED, "metadata", "annotations", to={PAUSED: "0"}),
        TO_ZERO,
    ),
    "KEDA is paused at two": (update(SCALED, "metadata", "annotations", to={PAUSED: "2"}), REPLACE),
    "a Job that is suspended is a Delete (T10)": (update(JOB, "spec", "suspend", to=True), SUSPENDS),
    "a Job that is resumed is a Replace": (
        update(changed(JOB, "spec", "suspend", to=True), "spec", "suspend", to=False),
        REPLACE,
    ),
    "a Job that may run nothing is a Delete (T10)": (update(JOB, "spec", "parallelism", to=0), SUSPENDS),
    "a Job that runs less is a Replace": (update(JOB, "spec", "parallelism", to=1), REPLACE),
    "a CronJob that is suspended is a Delete (T10)": (update(CRON, "spec", "suspend", to=True), SUSPENDS),
    "a paused Deployment is a Replace": (update(WEB, "spec", "paused", to=True), REPLACE),
}


@pytest.mark.parametrize(("subject", "want"), CASES.values(), ids=CASES.keys())
def test_scaling(subject, want):
    finding = found(subject)
    assert (finding.effect, finding.note) == want
