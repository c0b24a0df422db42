"""T3 and labels: what protects a namespace, what selects Pods, and the notes that tools keep."""

from __future__ import annotations

from typing import Any

from tests.bypass.acts import MERGE, applying, getting, sent, typed
from tests.bypass.bodies import (
    NS,
)
from tests.bypass.model import Arm, Case
from tests.bypass.things import (
    config_map,
    namespace,
    pod,
    workload,
)


def without_label(arm: Arm, live: dict[str, Any]) -> None:
    live["metadata"]["labels"].pop(arm.place.label[0])


def unlabelled(arm: Arm) -> bool:
    key, value = arm.place.label
    return bool(arm.live(arm.fill(NS))["metadata"].get("labels", {}).get(key) != value)


def with_last_applied(arm: Arm) -> tuple[str, ...]:
    return config_map(
        metadata={
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": '{"data":{"colour":"blue"}}'}
        }
    )(arm)


CASES = (
    Case(
        "T3 DO14 U5",
        "takes the label off a namespace",
        typed("kubectl label namespace {name} {label}-"),
        namespace(),
        worked=unlabelled,
    ),
    Case(
        "T3 DO14 U5",
        "labels it otherwise",
        typed("kubectl label --overwrite namespace {name} {label}=off"),
        namespace(),
        worked=unlabelled,
    ),
    Case(
        "T3 DO14 U5",
        "takes the label off through /status",
        sent(
            "PATCH",
            NS + "/status",
            lambda arm: {"metadata": {"labels": {arm.place.label[0]: None}}},
            as_=MERGE,
        ),
        namespace(),
        worked=unlabelled,
    ),
    Case(
        "T3 DO14 U5",
        "takes the label off through /finalize",
        getting(NS, without_label, to=NS + "/finalize"),
        namespace(),
        worked=unlabelled,
    ),
    Case(
        "T3 DO14 U5",
        "takes the label off by replace",
        getting(NS, without_label),
        namespace(),
        worked=unlabelled,
    ),
    Case(
        "T3 DO14 U5",
        "applies the label away",
        applying(
            NS,
            lambda arm: {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": arm.name, "labels": {arm.place.label[0]: "off"}},
            },
            manager="mallory",
        ),
        namespace(),
        worked=unlabelled,
    ),
    Case(
        "U18",
        "forges the notes of the last apply, so that the next one prunes",
        typed(
            "kubectl -n {ns} annotate --overwrite configmap {name} "
            "kubectl.kubernetes.io/last-applied-configuration={}"
        ),
        with_last_applied,
    ),
    Case(
        "T10 U13",
        "takes a Pod out of its workload by its label",
        lambda arm: arm.kubectl("-n", arm.namespace, "label", "pod", f"{arm.name}-0", "app-"),
        workload("StatefulSet"),
        worked=lambda arm: not arm.live(arm.path("Pod", f"{arm.name}-0"))["metadata"]["labels"].get("app"),
    ),
    Case(
        "U13 DO8", "takes a Pod from what selects it", typed("kubectl -n {ns} label pod {name} app-"), pod()
    ),
)
