"""What an approver reads before signing, whole, at 80 columns (experience.md §2.1).

The golden files change with ``PEERGATE_GOLDEN=write pytest tests/contract/cli`` and are read in review.
"""

from __future__ import annotations

import base64
import os
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.fake_cluster import FakeCluster

from peergate.cli.asker import find_asker
from peergate.cli.consequences import of_delete, of_update
from peergate.cli.diff import differences
from peergate.cli.pending import pending_delete, pending_replace
from peergate.cli.screen import Place, SignedBy, lines_of
from peergate.cli.surroundings import look_around
from peergate.cli.targets import find_target

_GOLDEN = Path(__file__).parent / "golden"
_UID = "0a6b2a52-6e13-4a5e-8f5b-7b4b7f6a6d90"
_BOT = {
    "metadata": {
        "name": "bot",
        "namespace": "agents",
        "uid": "b7a2c1d0-3f0e-4a4b-9c9c-5d1f0a9be201",
        "labels": {"peergate.dev/agent": "true"},
        "annotations": {"peergate.dev/owner": "team-platform"},
    },
}
_ALICE = SignedBy(
    identity="alice@example.com",
    class_="human",
    owner="team-payments",
    key_id="SHA256:bbXpuKG6zhzdmnxq256TlqzFBzRl2f6OOg722cYNbU8",
    key_comment="laptop",
    now=datetime(2026, 11, 23, 12, 0, tzinfo=UTC),
    ttl=timedelta(minutes=15),
)


def _metadata(name: str, **members: Any) -> dict[str, Any]:
    return {"name": name, "namespace": "shop", "uid": _UID, "resourceVersion": "1", **members}


def _pods(image: str) -> dict[str, Any]:
    return {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": image}]},
    }


_STATEFUL_SET = {
    "apiVersion": "apps/v1",
    "kind": "StatefulSet",
    "metadata": _metadata("db", finalizers=["example.com/drain"]),
    "spec": {
        "replicas": 3,
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete"},
        "volumeClaimTemplates": [{"metadata": {"name": "data"}}],
        "template": _pods("postgres:17"),
    },
}
_CLAIMS = {
    "items": [
        {
            "metadata": {"name": f"data-db-{number}", "namespace": "shop"},
            "spec": {"volumeName": f"pv-{number}", "resources": {"requests": {"storage": "40Gi"}}},
        }
        for number in range(3)
    ],
}
_DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": _metadata("web", labels={"tier": "front"}, annotations={"note": "old\x1b[31m"}),
    "spec": {"replicas": 3, "template": _pods("web:1.4")},
    "status": {"replicas": 3},
}
_SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": _metadata("creds"),
    "data": {"password": base64.b64encode(b"hunter2").decode(), "user": base64.b64encode(b"bob").decode()},
}
_POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": _metadata(
        "web-5d9", ownerReferences=[{"kind": "ReplicaSet", "name": "web-5d", "controller": True}]
    ),
    "spec": {"nodeName": "n1", "terminationGracePeriodSeconds": 30},
    "status": {"phase": "Running"},
}


def _cluster(protected: bool = True, **objects: Any) -> FakeCluster:
    labels = {"peergate.dev/protected": "true"} if protected else {}
    base = {
        "/api/v1/namespaces/kube-system": {"metadata": {"uid": "6f2c0d8e-7c42-4a58-9a0a-2d7b5d0c8f11"}},
        "/api/v1/namespaces/shop": {"metadata": {"name": "shop", "labels": labels}},
        "/api/v1/namespaces/agents": {"metadata": {"name": "agents"}},
        "/api/v1/namespaces/agents/serviceaccounts/bot": _BOT,
        "/api/v1/namespaces/shop/serviceaccounts": {"items": []},
        "/apis/peergate.dev/v1alpha1/approvers": {"items": []},
        "/apis/peergate.dev/v1alpha1/protectionpolicies": {"items": []},
        "/apis/apps/v1/namespaces/shop/statefulsets/db": _STATEFUL_SET,
        "/apis/apps/v1/namespaces/shop/deployments/web": _DEPLOYMENT,
        "/api/v1/namespaces/shop/secrets/creds": _SECRET,
        "/api/v1/namespaces/shop/pods/web-5d9": _POD,
        "/api/v1/namespaces/shop/persistentvolumeclaims": _CLAIMS,
        **{
            f"/api/v1/persistentvolumes/pv-{number}": {"spec": {"persistentVolumeReclaimPolicy": "Delete"}}
            for number in range(3)
        },
    }
    return FakeCluster({**base, **objects})


@dataclass(frozen=True, slots=True)
class Case:
    cluster: FakeCluster
    words: str = ""
    options: dict[str, Any] = field(default_factory=lambda: {"propagationPolicy": "Background"})
    manifest: dict[str, Any] | None = None


_POLICY = {
    "items": [
        {
            "apiVersion": "peergate.dev/v1alpha1",
            "kind": "ProtectionPolicy",
            "metadata": {"name": "prod"},
            "spec": {
                "rules": [
                    {
                        "approvals": {
                            "required": 2,
                            "minHumans": 1,
                            "fromGroups": ["sre"],
                            "hardwareKeys": True,
                        }
                    }
                ]
            },
        },
    ],
}
CASES = {
    "delete-statefulset-with-data": Case(_cluster(), "statefulset/db"),
    "delete-pod-at-once": Case(
        _cluster(), "pod/web-5d9", {"propagationPolicy": "Background", "gracePeriodSeconds": 0}
    ),
    "delete-orphaning-under-a-policy": Case(
        _cluster(**{"/apis/peergate.dev/v1alpha1/protectionpolicies": _POLICY}),
        "deployment/web",
        {"propagationPolicy": "Orphan"},
    ),
    "delete-unprotected": Case(_cluster(protected=False), "secret/creds", {}),
    "replace-deployment": Case(
        _cluster(),
        manifest={
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop", "labels": {"tier": "back\u202eend"}},
            "spec": {"replicas": 0, "template": _pods("web:1.5"), "paused": True},
        },
    ),
    "replace-secret": Case(
        _cluster(),
        manifest={
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "creds", "namespace": "shop"},
            "data": {"password": base64.b64encode(b"hunter3").decode(), "t": base64.b64encode(b"x").decode()},
        },
    ),
}


def _screen(case: Case) -> str:
    asker = find_asker(case.cluster, name="agents/bot", uid="")
    if case.manifest is None:
        target = find_target(case.cluster, words=[case.words])
        pending = pending_delete(case.cluster, target=target, asker=asker, options=case.options)
        kind, live = target.resource.kind, target.live
        consequence = of_delete(
            kind=kind,
            live=live,
            cascade=case.options.get("propagationPolicy", ""),
            around=look_around(case.cluster, kind=kind, live=live),
        )
        found = ()
    else:
        pending = pending_replace(case.cluster, manifest=case.manifest, asker=asker)
        found = differences(pending.before, pending.after)
        consequence = of_update(kind=pending.target.resource.kind, live=pending.target.live, found=found)
    place = Place(cluster=case.cluster.name, context=case.cluster.context)
    lines = lines_of(pending, consequence=consequence, found=found, place=place, by=_ALICE)
    return "\n".join(lines) + "\n"


@pytest.fixture(autouse=True)
def _utc(monkeypatch):
    import time  # noqa: PLC0415 - tzset belongs to the fixture alone

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


@pytest.mark.parametrize("name", CASES)
def test_the_screen_is_the_golden_one(name):
    path, screen = _GOLDEN / f"{name}.txt", _screen(CASES[name])
    if os.environ.get("PEERGATE_GOLDEN") == "write":
        path.write_text(screen, encoding="utf-8")
    assert screen == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", CASES)
def test_no_line_is_wider_than_80_columns_or_acts_on_the_terminal(name):
    for line in _screen(CASES[name]).splitlines():
        assert len(line) <= 80
        assert line.isprintable()


@pytest.mark.parametrize("name", CASES)
def test_no_secret_value_is_shown(name):
    assert not re.search(r"hunter|aHVudGVy|Ym9i", _screen(CASES[name]))
