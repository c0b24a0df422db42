"""What an approver reads before signing, whole, at 80 columns (experience.md §2.1).

The golden files change with ``PEERGATE_GOLDEN=write pytest tests/contract/cli`` and are read in review.
"""

from __future__ import annotations

import base64
import copy
import dataclasses
import json
import os
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.fake_cluster import FakeCluster
from tests.support.requests import direct_request, filed_change

from peergate.cli.dossier import SignedBy
from peergate.cli.flags import Globals
from peergate.cli.gathering import direct_dossier, filed_dossier
from peergate.cli.screen import screen_of
from peergate.cli.screen_filed import action_lines
from peergate.cli.variants import variants_of

_GOLDEN = Path(__file__).parent / "golden"
_UID = "0a6b2a52-6e13-4a5e-8f5b-7b4b7f6a6d90"
_DB = "1c6b2a52-6e13-4a5e-8f5b-7b4b7f6a6d91"
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
    "metadata": _metadata("db", finalizers=["example.com/drain"], uid=_DB),
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
        "web-5d9",
        uid="2d6b2a52-6e13-4a5e-8f5b-7b4b7f6a6d92",
        ownerReferences=[{"kind": "ReplicaSet", "name": "web-5d", "controller": True}],
    ),
    "spec": {"nodeName": "n1", "terminationGracePeriodSeconds": 30},
    "status": {"phase": "Running"},
}


_NAMESPACE = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {
        "name": "shop",
        "uid": "5ab0c1d0-3f0e-4a4b-9c9c-5d1f0a9be201",
        "labels": {"peergate.dev/protected": "true"},
    },
    "spec": {"finalizers": ["kubernetes"]},
}
_CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "ledgers.example.com", "uid": _UID},
    "spec": {"group": "example.com", "names": {"plural": "ledgers", "kind": "Ledger"}},
}
_CONFIG = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": _metadata(
        "settings",
        annotations={"argocd.argoproj.io/tracking-id": "shop-prod:/ConfigMap:shop/settings"},
    ),
    "data": {"colour": "blue", "limits.yaml": "cpu: 1\nmemory: 2Gi\nretries: 3\n"},
}
_SCALE = {
    "apiVersion": "autoscaling/v1",
    "kind": "Scale",
    "metadata": {"name": "web", "namespace": "shop", "uid": _UID},
    "spec": {"replicas": 3},
    "status": {"replicas": 3, "selector": "app=web"},
}
_SET = {"metadata": {"name": "web-5d", "uid": "u-set", "ownerReferences": [{"uid": _UID}]}}
_WEB_PODS = {
    "items": [
        {
            "metadata": {
                "name": f"web-5d-{letter}",
                "uid": f"u-{letter}",
                "labels": {"app": "web"},
                "ownerReferences": [{"uid": "u-set"}],
            }
        }
        for letter in "abcd"
    ]
    + [
        {
            "metadata": {
                "name": f"db-{number}",
                "uid": f"u-{number}",
                "labels": {"app": "db"},
                "ownerReferences": [{"uid": _DB}],
            }
        }
        for number in range(3)
    ],
}
_SERVICES = {
    "items": [
        {"metadata": {"name": "web", "uid": "u-svc"}, "spec": {"selector": {"app": "web"}}},
        {"metadata": {"name": "db", "uid": "u-db"}, "spec": {"selector": {"app": "db"}}},
    ],
}
_BUDGETS = {
    "items": [
        {
            "metadata": {"name": "web"},
            "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}},
        },
    ],
}
_SCALERS = {
    "items": [
        {
            "metadata": {"name": "web"},
            "spec": {
                "minReplicas": 2,
                "maxReplicas": 10,
                "scaleTargetRef": {"kind": "Deployment", "name": "web"},
            },
        },
    ],
}
_TABLE = {
    "columnDefinitions": [
        {"name": name} for name in ("Name", "Operation", "Kind", "Target", "Requester", "State")
    ],
    "rows": [
        {
            "cells": [
                f"cr-{number}",
                "DELETE",
                "pods",
                f"web-{number}",
                "system:serviceaccount:agents:bot",
                state,
            ],
            "object": {
                "metadata": {
                    "name": f"cr-{number}",
                    "namespace": "shop",
                    "creationTimestamp": f"2026-11-23T1{number}:00:00Z",
                }
            },
        }
        for number, state in enumerate(("Used", "Rejected"))
    ],
}


def _cluster(protected: bool = True, **objects: Any) -> FakeCluster:
    labels = {"peergate.dev/protected": "true"} if protected else {}
    base = {
        "/api/v1/namespaces/kube-system": {"metadata": {"uid": "6f2c0d8e-7c42-4a58-9a0a-2d7b5d0c8f11"}},
        "/api/v1/namespaces/shop": {
            **_NAMESPACE,
            "metadata": {**_NAMESPACE["metadata"], "labels": labels},
        },
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
        "/api/v1/namespaces/shop/configmaps/settings": _CONFIG,
        "/apis/apps/v1/namespaces/shop/deployments/web/scale": _SCALE,
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/ledgers.example.com": _CRD,
        "/apis/example.com/v1/ledgers": {
            "items": [{"metadata": {"name": f"l{n}", "namespace": f"team-{n % 2}"}} for n in range(7)],
        },
        "/apis/apps/v1/namespaces/shop/replicasets": {"items": [_SET]},
        "/api/v1/namespaces/shop/pods": _WEB_PODS,
        "/api/v1/namespaces/shop/services": _SERVICES,
        "/apis/policy/v1/namespaces/shop/poddisruptionbudgets": _BUDGETS,
        "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers": _SCALERS,
        "/apis/peergate.dev/v1alpha1/changerequests": _TABLE,
        "/api/v1/namespaces/shop/events": {"items": []},
        "/api/v1/namespaces/peergate-system/events": {"items": []},
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


@dataclass(frozen=True, slots=True)
class FiledCase:
    path: str
    wanted: dict[str, Any] | None = None
    subresource: str = ""
    options: dict[str, Any] = field(default_factory=lambda: {"propagationPolicy": "Background"})
    annotations: dict[str, str] = field(default_factory=dict)
    status: dict[str, Any] | None = None
    spec: dict[str, Any] = field(default_factory=dict)
    """Members that the operator would not have written so."""
    objects: dict[str, Any] = field(default_factory=dict)
    """What the cluster has otherwise by now."""


def _changed(live: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {**copy.deepcopy(live), **members}


_CLAIM = {
    "peergate.dev/reason": "URGENT: approve now!\u202e \x1b[2J disk is full, see runbook " + "x" * 90,
    "peergate.dev/ticket": "INC-4711",
}
FILED = {
    "filed-delete-statefulset": FiledCase("apps/v1/statefulsets/shop/db", annotations=_CLAIM),
    "filed-delete-namespace": FiledCase("/v1/namespaces//shop"),
    "filed-delete-crd": FiledCase("apiextensions.k8s.io/v1/customresourcedefinitions//ledgers.example.com"),
    "filed-update-secret": FiledCase(
        "/v1/secrets/shop/creds",
        wanted=_changed(_SECRET, data={"password": base64.b64encode(b"hunter3").decode(), "t": "eA=="}),
        spec={
            "complete": False,
            "patch": [
                {"op": "replace", "path": "/data/password"},
                {"op": "add", "path": "/data/t"},
                {"op": "remove", "path": "/data/user"},
            ],
        },
    ),
    "filed-update-image": FiledCase(
        "apps/v1/deployments/shop/web",
        wanted=_changed(_DEPLOYMENT, spec={"replicas": 3, "template": _pods("web:1.5")}),
    ),
    "filed-update-configmap": FiledCase(
        "/v1/configmaps/shop/settings",
        wanted=_changed(
            _CONFIG, data={"colour": "green", "limits.yaml": "cpu: 1\nmemory: 4Gi\nretries: 3\n"}
        ),
    ),
    "filed-scale-to-zero": FiledCase(
        "apps/v1/deployments/shop/web", subresource="scale", wanted=_changed(_SCALE, spec={})
    ),
    "filed-eviction": FiledCase(
        "/v1/pods/shop/web-5d9",
        subresource="eviction",
        options={},
        spec={"projection": "k8s-identity/v1"},
    ),
    "filed-that-has-drifted": FiledCase(
        "/v1/configmaps/shop/settings",
        wanted=_changed(_CONFIG, data={**_CONFIG["data"], "colour": "green"}),
        objects={
            "/api/v1/namespaces/shop/configmaps/settings": _changed(
                _CONFIG,
                metadata={
                    **_CONFIG["metadata"],
                    "managedFields": [{"manager": "kubectl-edit", "time": "2026-11-23T11:58:00Z"}],
                },
                data={**_CONFIG["data"], "colour": "red"},
            ),
        },
    ),
    "filed-and-rejected": FiledCase(
        "apps/v1/statefulsets/shop/db",
        status={
            "state": "Rejected",
            "rejection": {
                "by": "bob@example.com",
                "reason": "snapshot first",
                "at": "2026-11-23T11:50:00Z",
                "until": "2026-11-24T11:50:00Z",
            },
        },
    ),
}
_NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SCREENS = [*CASES, *FILED]


def _screen(name: str, tmp_path: Path) -> str:
    if name in FILED:
        return _filed_screen(FILED[name])
    case, file = CASES[name], tmp_path / "manifest.json"
    file.write_text(json.dumps(case.manifest))
    request = direct_request(
        case.words, options=case.options, file=None if case.manifest is None else str(file)
    )
    dossier = direct_dossier(case.cluster, request=request, statement=None, now=_NOW)
    return "\n".join(screen_of(dataclasses.replace(dossier, by=_ALICE)).lines) + "\n"


def _filed_screen(case: FiledCase) -> str:
    document = filed_change(
        _cluster(),
        case.path,
        wanted=case.wanted,
        subresource=case.subresource,
        options=case.options,
        spec=case.spec,
    )
    metadata = document["metadata"]
    metadata["annotations"] = case.annotations
    if case.status is not None:
        document["status"] = case.status
    place = f"/apis/peergate.dev/v1alpha1/namespaces/{metadata['namespace']}/changerequests"
    cluster = _cluster(**{f"{place}/{metadata['name']}": document, **case.objects})
    cluster.namespace_given = False
    dossier = filed_dossier(cluster, metadata["name"], now=_NOW, ask_me=True)
    reviewed = dossier.reviewed
    variants = variants_of(reviewed.pending, consequence=reviewed.consequence, around=reviewed.around)
    lines = [*screen_of(dossier).lines, "", *action_lines(dossier, flags=Globals(), variants=variants)]
    return "\n".join(lines) + "\n"


@pytest.fixture(autouse=True)
def _utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


@pytest.mark.parametrize("name", SCREENS)
def test_the_screen_is_the_golden_one(name, tmp_path):
    path, screen = _GOLDEN / f"{name}.txt", _screen(name, tmp_path)
    if os.environ.get("PEERGATE_GOLDEN") == "write":
        path.write_text(screen, encoding="utf-8")
    assert screen == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SCREENS)
def test_no_line_is_wider_than_80_columns_or_acts_on_the_terminal(name, tmp_path):
    screen, _, actions = _screen(name, tmp_path).partition("\nActions\n")
    for line in screen.splitlines():
        assert len(line) <= 80
    for line in (*screen.splitlines(), *actions.splitlines()):
        assert line.isprintable()


@pytest.mark.parametrize("name", SCREENS)
def test_no_secret_value_is_shown(name, tmp_path):
    assert not re.search(r"hunter|aHVudGVy|Ym9i", _screen(name, tmp_path))
