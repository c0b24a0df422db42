"""T4, T16, T21, T22, T24: deletions of many, of large things, by odd doors, and of what others forget."""

from __future__ import annotations

from tests.bypass.acts import gone, sent, typed
from tests.bypass.bodies import (
    AUTOSCALER,
    CM,
    CMS,
    EVENT,
    LEASE,
    MANIFEST,
    SLICE,
    secret,
)
from tests.bypass.model import Arm, Case
from tests.bypass.things import (
    config_map,
    deployment,
    pod,
    there,
)


def release(arm: Arm) -> tuple[str, ...]:
    body = {**secret("helm.sh/release.v1"), "metadata": {"name": f"sh.helm.release.v1.{arm.name}.v1"}}
    return (arm.make(body),)


LARGE = config_map(data={"blob": "x" * 900_000})


CASES = (
    Case(
        "DO5",
        "deletes the record of a Helm release",
        typed("kubectl -n {ns} delete secret sh.helm.release.v1.{name}.v1"),
        release,
    ),
    Case(
        "T4",
        "deletes an object of almost a megabyte",
        typed("kubectl -n {ns} delete configmap {name}"),
        LARGE,
    ),
    Case(
        "T4 T11",
        "rewrites an object of almost a megabyte",
        sent(
            "PUT",
            CM,
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "{name}"},
                "data": {"blob": "y" * 900_000},
            },
        ),
        LARGE,
    ),
    Case("T16", "deletes a collection", sent("DELETE", CMS, None, labelSelector="app={name}"), config_map()),
    Case(
        "T16",
        "deletes a collection by a field",
        sent("DELETE", CMS, None, fieldSelector="metadata.name={name}"),
        config_map(),
    ),
    Case(
        "T16",
        "deletes a collection of Pods at once",
        sent("DELETE", "/api/v1/namespaces/{ns}/pods", {"gracePeriodSeconds": 0}, labelSelector="app={name}"),
        pod(),
    ),
    Case(
        "T16",
        "deletes a collection of workloads and orphans their Pods",
        sent(
            "DELETE",
            "/apis/apps/v1/namespaces/{ns}/deployments",
            {"propagationPolicy": "Orphan"},
            labelSelector="app={name}",
        ),
        deployment(replicas=0),
    ),
    Case(
        "T16",
        "deletes everything that has a label",
        typed("kubectl -n {ns} delete configmap,secret -l app={name} --wait=false"),
        config_map(),
    ),
    Case(
        "T16",
        "prunes by apply",
        typed(
            "kubectl -n {ns} apply --prune --prune-allowlist=core/v1/ConfigMap -l app={name} -f -",
            given={**MANIFEST, "metadata": {"name": "{name}-new", "labels": {"app": "{name}"}}},
        ),
        config_map(metadata={"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}}),
        worked=gone("ConfigMap"),
    ),
    Case(
        "T21",
        "deletes as if the object could not be read",
        sent(
            "DELETE",
            CM,
            {
                "ignoreStoreReadErrorWithClusterBreakingPotential": True,
                "kind": "DeleteOptions",
                "apiVersion": "v1",
            },
        ),
        config_map(),
        control=False,
    ),
    Case(
        "T22",
        "deletes through another version of the API",
        sent("DELETE", "/apis/autoscaling/v1/namespaces/{ns}/horizontalpodautoscalers/{name}"),
        there(AUTOSCALER),
    ),
    Case(
        "T22 T24",
        "deletes an Event through its other group",
        sent("DELETE", "/apis/events.k8s.io/v1/namespaces/{ns}/events/{name}"),
        there(EVENT),
    ),
    Case("T24", "deletes somebody's Lease", typed("kubectl -n {ns} delete lease {name}"), there(LEASE)),
    Case(
        "T24", "deletes the evidence of an Event", typed("kubectl -n {ns} delete event {name}"), there(EVENT)
    ),
    Case(
        "T24",
        "deletes where a Service leads to",
        typed("kubectl -n {ns} delete endpointslice {name}"),
        there(SLICE),
    ),
    Case(
        "T24",
        "empties where a Service leads to",
        sent(
            "PATCH",
            "/apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices/{name}",
            {"endpoints": []},
            as_="application/merge-patch+json",
        ),
        there(SLICE),
    ),
)
