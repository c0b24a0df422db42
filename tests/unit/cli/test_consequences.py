"""How slow signing is follows from what is lost, never from what the agent says (experience.md §2.3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from peergate.cli.consequences import Tier, of_delete, of_update
from peergate.cli.diff import differences
from peergate.cli.surroundings import Surroundings, Volume
from peergate.model.review import Kind

_CONTROLLED = {"ownerReferences": [{"kind": "ReplicaSet", "name": "web", "controller": True}]}


@dataclass(frozen=True, slots=True)
class Delete:
    kind: Kind
    want: Tier
    what: str
    live: dict[str, Any] = field(default_factory=dict)
    around: Surroundings = field(default_factory=Surroundings)
    cascade: str = "Background"


def _set(retention=""):
    policy = {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": retention}} if retention else {}
    return {"metadata": {}, "spec": {"replicas": 3, **policy}}


DELETES = {
    "a pod with a controller comes back": Delete(
        Kind("", "v1", "Pod"),
        Tier.DISRUPTIVE,
        "its controller, ReplicaSet web, makes a new one",
        {"metadata": _CONTROLLED},
    ),
    "a pod without one does not": Delete(Kind("", "v1", "Pod"), Tier.DISRUPTIVE, "nothing recreates it"),
    "a Namespace takes everything with it": Delete(
        Kind("", "v1", "Namespace"), Tier.IRREVERSIBLE, "everything in it is deleted too"
    ),
    "a Secret is gone, also one with a controller": Delete(
        Kind("", "v1", "Secret"),
        Tier.IRREVERSIBLE,
        "its values are gone; a copy is needed to restore it",
        {"metadata": _CONTROLLED},
    ),
    "a CRD takes its objects with it": Delete(
        Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition"),
        Tier.IRREVERSIBLE,
        "every object of this kind is deleted too",
    ),
    "a claim with reclaim Delete loses data": Delete(
        Kind("", "v1", "PersistentVolumeClaim"),
        Tier.IRREVERSIBLE,
        "the data is lost, 10Gi, reclaim Delete",
        around=Surroundings(volumes=(Volume("data", "10Gi", "Delete"),)),
    ),
    "a claim with reclaim Retain keeps it": Delete(
        Kind("", "v1", "PersistentVolumeClaim"),
        Tier.DISRUPTIVE,
        "the data stays on the volume, 10Gi, reclaim Retain",
        around=Surroundings(volumes=(Volume("data", "10Gi", "Retain"),)),
    ),
    "a claim whose volume can't be read counts as the worst case": Delete(
        Kind("", "v1", "PersistentVolumeClaim"),
        Tier.IRREVERSIBLE,
        "the data is lost, 10Gi, reclaim unknown",
        around=Surroundings(volumes=(Volume("data", "10Gi", ""),), unseen=("persistentvolumes",)),
    ),
    "a StatefulSet leaves its claims by default": Delete(
        Kind("apps", "v1", "StatefulSet"),
        Tier.DISRUPTIVE,
        "stops 3 pods; 2 volume claims stay",
        _set(),
        Surroundings(volumes=(Volume("a", "", ""), Volume("b", "", ""))),
    ),
    "a StatefulSet told to delete them loses data": Delete(
        Kind("apps", "v1", "StatefulSet"),
        Tier.IRREVERSIBLE,
        "stops 3 pods; 1 volume claim goes too (10Gi), reclaim Delete",
        _set("Delete"),
        Surroundings(volumes=(Volume("a", "10Gi", "Delete"),)),
    ),
    "a StatefulSet whose claims can't be read and go counts as the worst case": Delete(
        Kind("apps", "v1", "StatefulSet"),
        Tier.IRREVERSIBLE,
        "stops 3 pods; its volume claims go too, reclaim unknown",
        _set("Delete"),
        Surroundings(unseen=("persistentvolumeclaims",)),
    ),
    "a Deployment stops": Delete(
        Kind("apps", "v1", "Deployment"), Tier.DISRUPTIVE, "stops 3 pods; nothing recreates it", _set()
    ),
    "an orphaning delete stops nothing": Delete(
        Kind("apps", "v1", "Deployment"), Tier.DISRUPTIVE, "nothing recreates it", _set(), cascade="Orphan"
    ),
    "of a custom resource nothing is known": Delete(
        Kind("db.example.com", "v1", "Cluster"),
        Tier.IRREVERSIBLE,
        "what its controller tears down with it is not known here",
    ),
}


@pytest.mark.parametrize("sentence", DELETES)
def test_delete(sentence):
    case = DELETES[sentence]
    found = of_delete(kind=case.kind, live=case.live, cascade=case.cascade, around=case.around)
    assert (found.tier, found.what) == (case.want, case.what)


@dataclass(frozen=True, slots=True)
class Update:
    kind: Kind
    old: dict[str, Any]
    new: dict[str, Any]
    want: Tier
    what: str


_DEPLOYMENT = Kind("apps", "v1", "Deployment")
UPDATES = {
    "labels are reversible": Update(
        _DEPLOYMENT,
        {"metadata": {"labels": {"a": "1"}}},
        {"metadata": {"labels": {"a": "2"}}},
        Tier.REVERSIBLE,
        "changes labels",
    ),
    "scaling up is reversible": Update(
        _DEPLOYMENT,
        {"spec": {"replicas": 1}},
        {"spec": {"replicas": 2}},
        Tier.REVERSIBLE,
        "scales up from 1 to 2",
    ),
    "scaling down disrupts": Update(
        _DEPLOYMENT,
        {"spec": {"replicas": 3}},
        {"spec": {"replicas": 1}},
        Tier.DISRUPTIVE,
        "scales down from 3 to 1",
    ),
    "scaling to nothing says so": Update(
        _DEPLOYMENT,
        {"spec": {"replicas": 3}},
        {"spec": {"replicas": 0}},
        Tier.DISRUPTIVE,
        "scales to 0: stops all its pods",
    ),
    "another template restarts": Update(
        _DEPLOYMENT,
        {"spec": {"template": {"spec": {"a": 1}}}},
        {"spec": {"template": {"spec": {"a": 2}}}},
        Tier.DISRUPTIVE,
        "restarts its pods",
    ),
    "configuration is reversible": Update(
        Kind("", "v1", "ConfigMap"),
        {"data": {"a": "1"}},
        {"data": {"a": "2"}},
        Tier.REVERSIBLE,
        "changes configuration",
    ),
    "Secret values are lost": Update(
        Kind("", "v1", "Secret"),
        {"kind": "Secret", "data": {"a": "YQ=="}},
        {"kind": "Secret", "data": {"a": "Yg=="}},
        Tier.IRREVERSIBLE,
        "the present Secret values are lost",
    ),
    "a new Secret value loses nothing": Update(
        Kind("", "v1", "Secret"),
        {"kind": "Secret", "data": {}},
        {"kind": "Secret", "data": {"a": "Yg=="}},
        Tier.REVERSIBLE,
        "adds a Secret value",
    ),
    "another owner can take it along": Update(
        _DEPLOYMENT,
        {"metadata": {}},
        {"metadata": {"ownerReferences": [{"uid": "x"}]}},
        Tier.IRREVERSIBLE,
        "gives it another owner, with which it can be garbage-collected",
    ),
    "dropping a finalizer disrupts": Update(
        _DEPLOYMENT,
        {"metadata": {"finalizers": ["a"]}},
        {"metadata": {}},
        Tier.DISRUPTIVE,
        "drops finalizers",
    ),
    "status is acted on": Update(
        _DEPLOYMENT,
        {"status": {"replicas": 1}},
        {"status": {"replicas": 0}},
        Tier.DISRUPTIVE,
        "rewrites its status, which controllers act on",
    ),
    "the worst of several decides": Update(
        Kind("", "v1", "PersistentVolumeClaim"),
        {"metadata": {"labels": {"a": "1"}}, "spec": {"x": 1}},
        {"metadata": {"labels": {}}, "spec": {"x": 2}},
        Tier.IRREVERSIBLE,
        "changes a PersistentVolumeClaim, which can cost stored data",
    ),
}


@pytest.mark.parametrize("sentence", UPDATES)
def test_update(sentence):
    case = UPDATES[sentence]
    found = of_update(kind=case.kind, live=case.old, found=differences(case.old, case.new))
    assert (found.tier, found.what) == (case.want, case.what)


def test_dropping_the_last_finalizer_of_what_is_being_deleted_is_irreversible():
    old = {"metadata": {"finalizers": ["a"], "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    new = {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}
    found = of_update(kind=_DEPLOYMENT, live=old, found=differences(old, new))
    assert found.tier is Tier.IRREVERSIBLE
    assert "It is being deleted already." in found.notes


def test_what_could_not_be_read_is_said():
    found = of_delete(
        kind=Kind("", "v1", "PersistentVolumeClaim"),
        live={},
        cascade="",
        around=Surroundings(volumes=(Volume("a", "", ""),), unseen=("persistentvolumes",)),
    )
    assert (found.tier, found.what) == (Tier.IRREVERSIBLE, "the data is lost, reclaim unknown")


AROUND = {
    "a namespace with what is in it": (
        Kind("", "v1", "Namespace"),
        Surroundings(
            scope="inside",
            counts={"Pod": 3, "PersistentVolumeClaim": 2},
            volumes=(Volume("a", "1Gi", "Delete"), Volume("b", "1Gi", "Retain")),
        ),
        Tier.IRREVERSIBLE,
        "5 objects of 2 kinds go too; 2 volume claims, 2Gi, reclaim Delete/Retain",
    ),
    "a namespace of which not everything may be seen": (
        Kind("", "v1", "Namespace"),
        Surroundings(scope="inside", counts={"Pod": 1}, unseen=("secrets",)),
        Tier.IRREVERSIBLE,
        "1 or more objects of 1 kind go too",
    ),
    "the objects of a kind": (
        Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition"),
        Surroundings(scope="instances", counts={"Ledger": 3}, places={"a": 2, "b": 1}),
        Tier.IRREVERSIBLE,
        "3 objects of this kind in 2 namespaces go too",
    ),
    "a kind without objects": (
        Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition"),
        Surroundings(scope="instances"),
        Tier.IRREVERSIBLE,
        "no object of this kind exists",
    ),
    "what a ConfigMap owns and does not come back": (
        Kind("", "v1", "ConfigMap"),
        Surroundings(scope="owned", counts={"ConfigMap": 2, "PersistentVolumeClaim": 1}),
        Tier.IRREVERSIBLE,
        "takes 1 PersistentVolumeClaim along, which it owns",
    ),
    "what comes back does not count": (
        Kind("", "v1", "ConfigMap"),
        Surroundings(scope="owned", counts={"ConfigMap": 2}, hidden=("ConfigMap",)),
        Tier.DISRUPTIVE,
        "nothing recreates it",
    ),
    "too many Secrets to look through": (
        Kind("", "v1", "ConfigMap"),
        Surroundings(scope="owned", missed=1, hidden=("ConfigMap", "Secret")),
        Tier.IRREVERSIBLE,
        "may take Secret along: too many to look through",
    ),
    "claims that a set owns go, whatever its policy says": (
        Kind("apps", "v1", "StatefulSet"),
        Surroundings(
            scope="owned", counts={"PersistentVolumeClaim": 1}, volumes=(Volume("a", "1Gi", "Delete"),)
        ),
        Tier.IRREVERSIBLE,
        "stops all its pods; 1 volume claim goes too (1Gi), reclaim Delete",
    ),
}


@pytest.mark.parametrize("sentence", AROUND)
def test_what_hangs_on_it_decides(sentence):
    kind, around, tier, what = AROUND[sentence]
    found = of_delete(kind=kind, live={}, cascade="Background", around=around)
    assert (found.tier, found.what) == (tier, what)


def test_orphaning_takes_nothing_along():
    around = Surroundings(scope="owned", counts={"PersistentVolumeClaim": 1})
    found = of_delete(kind=Kind("", "v1", "ConfigMap"), live={}, cascade="Orphan", around=around)
    assert found.tier is Tier.DISRUPTIVE


SCALES = {
    "a Scale without a number has none": ({"replicas": 3}, {}, "scales to 0: stops all its pods"),
    "from none": ({}, {"replicas": 2}, "scales up from 0 to 2"),
    "down": ({"replicas": 3}, {"replicas": 1}, "scales down from 3 to 1"),
}


@pytest.mark.parametrize("sentence", SCALES)
def test_a_scale(sentence):
    old, new, what = SCALES[sentence]
    found = differences({"spec": old}, {"spec": new})
    assert of_update(kind=Kind("autoscaling", "v1", "Scale"), live={"spec": old}, found=found).what == what
