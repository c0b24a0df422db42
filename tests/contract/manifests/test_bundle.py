"""The install bundle: the chart's objects under default values, without what is Helm's own."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.tools.bundle import BUNDLE, bundle_objects
from tests.tools.chart import chart_files
from tests.tools.generate import ROOT

HOOK = """
apiVersion: batch/v1
kind: Job
metadata:
  name: peergate-tries
  namespace: peergate-system
  annotations: {helm.sh/hook: "post-install,post-upgrade", helm.sh/hook-weight: "5"}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: x}]}}}
"""


@pytest.fixture(scope="module")
def objects() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((ROOT / BUNDLE).read_text(encoding="utf-8")))


def key(document: dict[str, Any]) -> tuple[str, str]:
    return document["kind"], document["metadata"]["name"]


def test_hooks_of_helm_are_left_out(tmp_path: Path, objects):
    for part in ("charts", "manifests"):
        shutil.copytree(ROOT / part, tmp_path / part)
    (tmp_path / "charts" / "peergate" / "templates" / "one-more-hook.yaml").write_text(HOOK)
    made = bundle_objects(tmp_path, chart_files(tmp_path))
    assert list(map(key, made)) == list(map(key, objects))


def test_nothing_says_that_it_is_of_a_release(objects):
    for document in objects:
        text = yaml.safe_dump(document)
        assert "helm.sh" not in text, key(document)
        assert "managed-by" not in text, key(document)


def test_the_namespace_comes_first_and_the_gate_last(objects):
    assert key(objects[0]) == ("Namespace", "peergate-system")
    assert key(objects[-1]) == ("ValidatingWebhookConfiguration", "peergate")
    labels = objects[0]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_what_is_referred_to_comes_before_what_refers(objects):
    kinds = [document["kind"] for document in objects]
    for first, later in (
        ("CustomResourceDefinition", "ClusterRole"),
        ("ServiceAccount", "ClusterRoleBinding"),
        ("ClusterRole", "ClusterRoleBinding"),
        ("Role", "RoleBinding"),
        ("ServiceAccount", "Deployment"),
        ("Service", "ValidatingWebhookConfiguration"),
    ):
        assert max(i for i, kind in enumerate(kinds) if kind == first) < kinds.index(later)


def test_no_name_comes_twice(objects):
    named = [key(document) for document in objects]
    assert len(set(named)) == len(named)
