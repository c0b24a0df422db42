"""Safer ways that an approver may ask for: of each kind those that it has, and of none others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.support.pendings import pending_of

from peergate.cli.consequences import Consequence, Tier
from peergate.cli.surroundings import Surroundings, Volume
from peergate.cli.variants import variants_of
from peergate.model.review import Kind


def apps(kind: str) -> Kind:
    return Kind("apps", "v1", kind)


CRON_JOB = Kind("batch", "v1", "CronJob")
CONFIG_MAP = Kind("", "v1", "ConfigMap")
NAMESPACE = Kind("", "v1", "Namespace")
CRD = Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
ONE = (Volume("data", "1Gi", "Delete"),)
TWO = (*ONE, Volume("log", "1Gi", "Delete"))


ALONE = Surroundings()


@dataclass(frozen=True)
class Case:
    want: list[tuple[str, str]]
    kind: Kind = CONFIG_MAP
    spec: dict[str, Any] = field(default_factory=dict)
    tier: Tier = Tier.DISRUPTIVE
    around: Surroundings = ALONE
    options: dict[str, Any] = field(default_factory=dict)
    operation: str = "DELETE"
    subresource: str = ""
    namespace: str = "shop"


def to_zero(kind: str) -> tuple[str, str]:
    return "scale to zero first", f"kubectl -n shop scale {kind}/web --replicas=0"


OWNS = Surroundings(scope="owned", counts={"ReplicaSet": 1})
ORPHAN = ("leave what it owns", "kubectl -n shop delete deployment/web --cascade=orphan")
CASES = {
    "of an update there are none": Case([], kind=apps("Deployment"), operation="UPDATE", around=OWNS),
    "of an eviction there are none": Case([], kind=apps("Deployment"), subresource="eviction", around=OWNS),
    "of a thing that is only what it is there are none": Case([]),
    "a Deployment may be scaled": Case([to_zero("deployment")], kind=apps("Deployment")),
    "a StatefulSet may be scaled": Case([to_zero("statefulset")], kind=apps("StatefulSet")),
    "a ReplicaSet may be scaled": Case([to_zero("replicaset")], kind=apps("ReplicaSet")),
    "a ReplicationController may be scaled": Case(
        [to_zero("replicationcontroller")], kind=Kind("", "v1", "ReplicationController")
    ),
    "a DaemonSet has no number to scale": Case([], kind=apps("DaemonSet")),
    "what is at zero already is not scaled": Case([], kind=apps("Deployment"), spec={"replicas": 0}),
    "what is at one is": Case([to_zero("deployment")], kind=apps("Deployment"), spec={"replicas": 1}),
    "a CronJob may be suspended": Case(
        [("suspend it", """kubectl -n shop patch cronjob/web -p '{"spec":{"suspend":true}}'""")],
        kind=CRON_JOB,
    ),
    "what it owns may stay": Case([to_zero("deployment"), ORPHAN], kind=apps("Deployment"), around=OWNS),
    "what stays already is not offered to stay": Case(
        [to_zero("deployment")],
        kind=apps("Deployment"),
        around=OWNS,
        options={"propagationPolicy": "Orphan"},
    ),
    "what owns nothing leaves nothing": Case(
        [to_zero("deployment")], kind=apps("Deployment"), around=Surroundings(scope="owned")
    ),
    "a volume that is lost may be kept by a snapshot": Case(
        [("a VolumeSnapshot of the 1 volume first", ""), to_zero("statefulset")],
        kind=apps("StatefulSet"),
        tier=Tier.IRREVERSIBLE,
        around=Surroundings(volumes=ONE),
    ),
    "a snapshot of what goes as a whole is kept outside of it": Case(
        [
            ("a VolumeSnapshot of the 2 volumes first, kept outside of what goes", ""),
            ("delete only those things in it that are meant, and keep the namespace", ""),
        ],
        kind=NAMESPACE,
        namespace="",
        tier=Tier.IRREVERSIBLE,
        around=Surroundings(scope="inside", counts={"Pod": 1}, volumes=TWO),
    ),
    "a volume that stays needs no snapshot": Case(
        [to_zero("statefulset")], kind=apps("StatefulSet"), around=Surroundings(volumes=ONE)
    ),
    "where no volume is there is nothing to keep": Case([], tier=Tier.IRREVERSIBLE),
    "a namespace with nothing in it may go": Case(
        [], kind=NAMESPACE, namespace="", around=Surroundings(scope="inside")
    ),
    "objects of a kind go before the kind": Case(
        [("delete the objects of this kind first, and the kind when none is left", "")],
        kind=CRD,
        namespace="",
        around=Surroundings(scope="instances", counts={"Ledger": 3}),
    ),
    "a kind without objects may go": Case([], kind=CRD, namespace="", around=Surroundings(scope="instances")),
    "what has no namespace is named without one": Case(
        [("leave what it owns", "kubectl delete ledger/web --cascade=orphan")],
        kind=Kind("example.com", "v1", "Ledger"),
        namespace="",
        around=OWNS,
    ),
}


@pytest.mark.parametrize("sentence", CASES)
def test_variants(sentence):
    case = CASES[sentence]
    pending = pending_of(
        case.kind,
        namespace=case.namespace,
        live={"spec": case.spec},
        operation=case.operation,
        subresource=case.subresource,
        options=case.options,
    )
    consequence = Consequence(case.tier, "")
    found = variants_of(pending, consequence=consequence, around=case.around)
    assert [(one.words, one.command) for one in found] == case.want
