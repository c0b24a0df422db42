"""What does harm by being created, and who opens it: one sentence, one row."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.gate import found, review, thing

from peergate.model.change import Effect
from peergate.model.review import Gate

OWNER = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "u", "controller": True}


def pod(**spec: Any) -> dict[str, Any]:
    return thing("Pod", "p", spec={"containers": [{"name": "c", "image": "i"}], **spec})


def templated(kind: str, **spec: Any) -> dict[str, Any]:
    return thing(kind, "d", spec={"template": {"spec": pod(**spec)["spec"]}})


def container(**context: Any) -> dict[str, Any]:
    return {"name": "c", "image": "i", "securityContext": context}


CLOSED = {
    "an autoscaler (T10)": thing("HorizontalPodAutoscaler"),
    "a ScaledObject (T10)": thing("ScaledObject"),
    "a network policy (DO12)": thing("NetworkPolicy"),
    "a quota (DO12)": thing("ResourceQuota"),
    "a limit (DO12)": thing("LimitRange"),
    "Endpoints (T24)": thing("Endpoints"),
    "an EndpointSlice (T24)": thing("EndpointSlice"),
    "a ReplicaSet, which adopts (T10)": thing("ReplicaSet", spec={"replicas": 0}),
    "one that says it has a controller too (T10)": thing("ReplicaSet", ownerReferences=[OWNER]),
    "a ReplicationController (T10)": thing("ReplicationController"),
    "a Job that chooses its selector itself (T10)": thing("Job", spec={"manualSelector": True}),
    "a Pod that says what its end costs (T10)": {
        **pod(),
        "metadata": {"name": "p", "annotations": {"controller.kubernetes.io/pod-deletion-cost": "9"}},
    },
    "a Pod that looks like a Deployment's (T10)": {
        **pod(),
        "metadata": {"name": "p", "labels": {"pod-template-hash": "5d9c"}},
    },
    "a Pod that looks like a Job's (T10)": {
        **pod(),
        "metadata": {"name": "p", "labels": {"batch.kubernetes.io/controller-uid": "u"}},
    },
    "a Pod that looks like an older Job's (T10)": {
        **pod(),
        "metadata": {"name": "p", "labels": {"controller-uid": "u"}},
    },
    "a StatefulSet, whose claims may be there already (DO15)": thing(
        "StatefulSet", spec={"volumeClaimTemplates": [{"metadata": {"name": "data"}}]}
    ),
    "a request to delete a backup (DO17)": thing("DeleteBackupRequest"),
    "a Pod with files of its node (T20)": pod(volumes=[{"hostPath": {"path": "/"}}]),
    "a privileged Pod (T20)": pod(containers=[container(privileged=True)]),
    "a privileged init container (T20)": pod(initContainers=[container(privileged=True)]),
    "a host process (T20)": pod(containers=[container(windowsOptions={"hostProcess": True})]),
    "a Pod of host processes (T20)": pod(securityContext={"windowsOptions": {"hostProcess": True}}),
    "a Pod in its node's network (T20)": pod(hostNetwork=True),
    "a Pod among its node's processes (T20)": pod(hostPID=True),
    "a Pod in its node's IPC (T20)": pod(hostIPC=True),
    "a Pod with a claim (DO15)": pod(volumes=[{"persistentVolumeClaim": {"claimName": "data"}}]),
    "a Deployment of such Pods (DO15)": templated("Deployment", hostPID=True),
    "a Job of such Pods (DO15)": templated("Job", volumes=[{"persistentVolumeClaim": {"claimName": "x"}}]),
}
FREE = {
    "a Pod": pod(),
    "a Pod with labels and annotations": {
        **pod(),
        "metadata": {"name": "p", "labels": {"app": "web"}, "annotations": {"a": "b"}},
    },
    "a Job": templated("Job"),
    "a Job whose selector the cluster chooses": thing("Job", spec={"manualSelector": False}),
    "a Pod with volumes of its own": pod(volumes=[{"emptyDir": {}}, {"configMap": {"name": "c"}}]),
    "a container that is not privileged": pod(containers=[container(privileged=False)]),
    "a Deployment": templated("Deployment"),
    "a StatefulSet without claims": templated("StatefulSet"),
    "a Service": thing("Service"),
    "a ConfigMap": thing("ConfigMap"),
    "a claim": thing("PersistentVolumeClaim"),
    "a disruption budget": thing("PodDisruptionBudget"),
}


@pytest.mark.parametrize("new", CLOSED.values(), ids=CLOSED.keys())
def test_closed(new):
    finding = found(review("CREATE", new=new))
    assert (finding.effect, finding.closed) == (Effect.FORBIDDEN, True)
    assert finding.why.startswith("would ")
    assert "allowCreate" in finding.allowed


@pytest.mark.parametrize("new", CLOSED.values(), ids=CLOSED.keys())
def test_outside_protected_namespaces_it_is_free(new):
    assert found(review("CREATE", new=new, gate=Gate.IDENTITY)).effect is Effect.HARMLESS


@pytest.mark.parametrize("new", FREE.values(), ids=FREE.keys())
def test_free(new):
    assert found(review("CREATE", new=new)).effect is Effect.HARMLESS


def test_what_has_no_namespace_is_not_judged_by_its_template():
    new = {**templated("Deployment", hostPID=True)}
    assert found(review("CREATE", new=new, gate=Gate.CLUSTER)).effect is Effect.HARMLESS
    quota = review("CREATE", new=thing("ResourceQuota"), gate=Gate.CLUSTER)
    assert found(quota).effect is Effect.HARMLESS


def test_becoming_somebody_else_is_graver_than_what_a_policy_may_open():
    finding = found(review("CREATE", new=pod(hostPID=True, serviceAccountName="builder")))
    assert (finding.effect, finding.closed) == (Effect.FORBIDDEN, False)


def test_a_subresource_that_nobody_knows_is_forbidden_even_of_a_kind_that_is_closed():
    finding = found(review("CREATE", new=thing("ReplicaSet"), subresource="rollback"))
    assert (finding.effect, finding.closed) == (Effect.FORBIDDEN, False)


def test_a_binding_by_its_own_name_is_forbidden_like_the_one_of_its_pod():
    by_pod = found(review("CREATE", new=thing("Binding"), subresource="binding"))
    finding = found(review("CREATE", new=thing("Binding")))
    assert (finding.effect, finding.closed) == (by_pod.effect, by_pod.closed) == (Effect.FORBIDDEN, False)
    assert finding.why == "uses bindings, which no approval covers"


def test_a_taint_on_devices_is_forbidden_as_it_ends_their_pods():
    finding = found(review("CREATE", new=thing("DeviceTaintRule")))
    assert (finding.effect, finding.closed) == (Effect.FORBIDDEN, False)
    status = found(review("CREATE", new=thing("DeviceTaintRule"), subresource="status"))
    assert status.why == "uses devicetaintrules/status, which no approval covers"


def volume(policy: str | None) -> dict[str, Any]:
    spec = {"capacity": {"storage": "1Gi"}, "csi": {"driver": "d.example.com", "volumeHandle": "vol-1"}}
    return thing(
        "PersistentVolume", spec=spec if policy is None else {**spec, "persistentVolumeReclaimPolicy": policy}
    )


@pytest.mark.parametrize("policy", ["Delete", "Recycle"])
def test_a_volume_that_ends_its_storage_is_forbidden(policy):
    finding = found(review("CREATE", new=volume(policy)))
    assert (finding.effect, finding.closed) == (Effect.FORBIDDEN, False)
    assert finding.why == "would create an object that deletes storage when it is released"


def test_so_is_a_snapshot_that_does():
    content = thing("VolumeSnapshotContent", spec={"deletionPolicy": "Delete"})
    assert found(review("CREATE", new=content)).effect is Effect.FORBIDDEN
    kept = thing("VolumeSnapshotContent", spec={"deletionPolicy": "Retain"})
    assert found(review("CREATE", new=kept)).effect is Effect.HARMLESS


@pytest.mark.parametrize("policy", ["Retain", None])
def test_a_volume_that_keeps_it_is_free(policy):
    assert found(review("CREATE", new=volume(policy))).effect is Effect.HARMLESS
