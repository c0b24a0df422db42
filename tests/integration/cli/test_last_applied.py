"""A manifest that was applied once: the approver's dry run sends what ``kubectl replace`` sends."""

from __future__ import annotations

import json

import yaml
from tests.harness.cluster import Cluster

from peergate.cli.last_applied import as_kubectl_replaces

_KEY = "kubectl.kubernetes.io/last-applied-configuration"


def test_the_annotation_is_written_as_kubectl_writes_it(cluster: Cluster, namespace: str, tmp_path):
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "applied", "namespace": namespace, "labels": {"z": "1", "a": "2"}},
        "data": {"html": "<b>&amp;\u2028\u00fc\U0001f600</b>", "tab": "a\tb\u0008\u007f", "quote": '"\\/'},
    }
    path = tmp_path / "manifest.yaml"
    path.write_text(yaml.safe_dump(manifest), encoding="utf-8")
    cluster.kubectl("apply", "-f", str(path)).must()
    saved = cluster.kubectl("-n", namespace, "get", "configmap", "applied", "-o", "json").must().json()
    saved["data"]["more"] = "1 < 2"
    path.write_text(json.dumps(saved), encoding="utf-8")
    sent = cluster.kubectl("replace", "--dry-run=server", "-o", "json", "-f", str(path)).must().json()
    ours = as_kubectl_replaces(saved)
    assert ours["metadata"]["annotations"][_KEY] == sent["metadata"]["annotations"][_KEY]
    assert "more" in ours["metadata"]["annotations"][_KEY]
