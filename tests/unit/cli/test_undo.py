"""How a change is taken back, and what nothing brings back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from tests.support.pendings import NOW, pending_of

from peergate.cli.diff import Difference, Sign
from peergate.cli.surroundings import Snapshot, Surroundings, Volume
from peergate.cli.undo import undo_of
from peergate.model.review import Kind

DEPLOYMENT = Kind("apps", "v1", "Deployment")
STATEFUL_SET = Kind("apps", "v1", "StatefulSet")
POD = Kind("", "v1", "Pod")
NAMESPACE = Kind("", "v1", "Namespace")
CONFIG_MAP = Kind("", "v1", "ConfigMap")


def changed(*paths: str) -> tuple[Difference, ...]:
    return tuple(Difference(Sign.CHANGED, tuple(path.split("."))) for path in paths)


def owned(*, controller: object = True) -> dict[str, Any]:
    return {"metadata": {"ownerReferences": [{"kind": "ReplicaSet", "name": "rs", "controller": controller}]}}


ALONE = Surroundings()


@dataclass(frozen=True)
class Update:
    want: str
    kind: Kind = DEPLOYMENT
    live: dict[str, Any] | None = None
    found: tuple[Difference, ...] = ()
    namespace: str = "shop"
    name: str = "web"
    subresource: str = ""


SAVE_WEB = (
    "save it first: kubectl -n shop get deployment/web -o yaml > web.yaml; later: kubectl replace -f web.yaml"
)
UPDATES = {
    "a number of pods is set back": Update(
        "kubectl -n shop scale deployment/web --replicas=3",
        live={"spec": {"replicas": 3}},
        found=changed("spec.replicas"),
    ),
    "a number of pods that was not written is one": Update(
        "kubectl -n shop scale deployment/web --replicas=1", live={"spec": {}}, found=changed("spec.replicas")
    ),
    "a number that is not written in a Scale is none": Update(
        "kubectl -n shop scale deployment/web --replicas=0",
        live={"spec": {}},
        found=changed("spec.replicas"),
        subresource="scale",
    ),
    "of a Scale the number is the Scale's": Update(
        "kubectl -n shop scale deployment/web --replicas=4",
        live={"spec": {"replicas": 4}},
        found=changed("spec.replicas"),
        subresource="scale",
    ),
    "a number that is no number is saved": Update(
        SAVE_WEB, live={"spec": {"replicas": "3"}}, found=changed("spec.replicas")
    ),
    "a template is rolled back": Update(
        "kubectl -n shop rollout undo deployment/web, which restarts its pods again",
        found=changed("spec.template.spec", "spec.template.metadata"),
    ),
    "a template of a kind without a history is saved": Update(
        "save it first: kubectl -n shop get job/web -o yaml > web.yaml; later: kubectl replace -f web.yaml",
        kind=Kind("batch", "v1", "Job"),
        found=changed("spec.template.spec"),
    ),
    "template and number together are saved": Update(
        SAVE_WEB, live={"spec": {"replicas": 3}}, found=changed("spec.template.spec", "spec.replicas")
    ),
    "anything else is saved": Update(SAVE_WEB, found=changed("metadata.labels")),
    "what has no namespace is saved without one": Update(
        "save it first: kubectl get namespace/shop -o yaml > shop.yaml; later: kubectl replace -f shop.yaml",
        kind=NAMESPACE,
        found=changed("metadata.labels"),
        namespace="",
        name="shop",
    ),
    "a name that a shell would run is quoted": Update(
        "save it first: kubectl get 'clusterrole/$(reboot)' -o yaml > '$(reboot).yaml'; "
        "later: kubectl replace -f '$(reboot).yaml'",
        kind=Kind("rbac.authorization.k8s.io", "v1", "ClusterRole"),
        found=changed("rules"),
        namespace="",
        name="$(reboot)",
    ),
}


@pytest.mark.parametrize("sentence", UPDATES)
def test_of_an_update(sentence):
    case = UPDATES[sentence]
    pending = pending_of(
        case.kind,
        case.name,
        namespace=case.namespace,
        live=case.live,
        operation="UPDATE",
        subresource=case.subresource,
    )
    assert undo_of(pending, found=case.found, around=Surroundings(), now=NOW) == (case.want,)


@dataclass(frozen=True)
class Delete:
    want: tuple[str, ...]
    kind: Kind = CONFIG_MAP
    live: dict[str, Any] | None = None
    around: Surroundings = ALONE


SAVED = "save it first: kubectl -n shop get {}/web -o yaml > web.yaml; creating it again gives it a new uid"
GONE = "nothing brings back what goes with it, but a backup from before"


def volumes(*names: str) -> tuple[Volume, ...]:
    return tuple(Volume(name, "1Gi", "Delete") for name in names)


DELETES = {
    "what is deleted is saved": Delete((SAVED.format("configmap"),)),
    "a pod with a controller comes back": Delete(
        ("its controller makes a new one by itself",), kind=POD, live=owned()
    ),
    "a pod with an owner that is no controller does not": Delete(
        (SAVED.format("pod"),), kind=POD, live=owned(controller=False)
    ),
    "a controller that is only said to be one is none": Delete(
        (SAVED.format("pod"),), kind=POD, live=owned(controller="true")
    ),
    "what else has a controller does not come back": Delete(
        (SAVED.format("configmap"),), kind=CONFIG_MAP, live=owned()
    ),
    "what goes along inside is lost": Delete((GONE,), around=Surroundings(scope="inside", counts={"Pod": 2})),
    "objects of a kind that goes are lost": Delete(
        (GONE,), around=Surroundings(scope="instances", counts={"Ledger": 1})
    ),
    "where nothing is inside the thing itself is saved": Delete(
        (SAVED.format("configmap"),), around=Surroundings(scope="inside")
    ),
    "what it owns is made anew with it": Delete(
        (SAVED.format("statefulset"),),
        kind=STATEFUL_SET,
        around=Surroundings(scope="owned", counts={"Pod": 2}),
    ),
    "a snapshot is named with its age, and a claim without one": Delete(
        (
            SAVED.format("statefulset"),
            "last snapshot of data-0: nightly, 5 h old",
            "no usable snapshot of data-1",
        ),
        kind=STATEFUL_SET,
        around=Surroundings(
            volumes=volumes("data-0", "data-1"),
            snapshots=(Snapshot("nightly", "data-0", NOW - timedelta(hours=5), inside=False),),
        ),
    ),
    "a snapshot inside what goes is told apart": Delete(
        (GONE, "last snapshot of data: n, 2 d old; it goes too, being INSIDE what is deleted"),
        around=Surroundings(
            scope="inside",
            counts={"Pod": 1},
            volumes=volumes("data"),
            snapshots=(Snapshot("n", "data", NOW - timedelta(days=2), inside=True),),
        ),
    ),
    "three claims without a snapshot are named": Delete(
        (SAVED.format("configmap"), "no usable snapshot of a, b, c"),
        around=Surroundings(volumes=volumes("a", "b", "c")),
    ),
    "of four one is counted": Delete(
        (SAVED.format("configmap"), "no usable snapshot of a, b, c and 1 more"),
        around=Surroundings(volumes=volumes("a", "b", "c", "d")),
    ),
    "of more the rest is counted": Delete(
        (SAVED.format("configmap"), "no usable snapshot of a, b, c and 2 more"),
        around=Surroundings(volumes=volumes("a", "b", "c", "d", "e")),
    ),
    "a claim's name can't write on the screen": Delete(
        (SAVED.format("configmap"), "no usable snapshot of a\\x1b[2J"),
        around=Surroundings(volumes=volumes("a\x1b[2J")),
    ),
}


@pytest.mark.parametrize("sentence", DELETES)
def test_of_a_deletion(sentence):
    case = DELETES[sentence]
    pending = pending_of(case.kind, live=case.live)
    assert undo_of(pending, found=(), around=case.around, now=NOW) == case.want
