"""What kubectl rewrites, and what it leaves alone."""

from __future__ import annotations

import pytest

from peergate.cli.last_applied import as_kubectl_replaces

_KEY = "kubectl.kubernetes.io/last-applied-configuration"
PLAIN = {
    "no annotations": {"metadata": {"name": "a"}},
    "other annotations": {"metadata": {"name": "a", "annotations": {"x": "y"}}},
    "an empty one": {"metadata": {"name": "a", "annotations": {_KEY: ""}}},
    "annotations that are none": {"metadata": {"name": "a", "annotations": "x"}},
}


@pytest.mark.parametrize("manifest", PLAIN.values(), ids=PLAIN.keys())
def test_what_was_never_applied_stays(manifest):
    assert as_kubectl_replaces(manifest) == manifest


def test_what_was_applied_is_rewritten_from_the_manifest():
    manifest = {"b": 1.0, "a": "<", "metadata": {"name": "a", "annotations": {_KEY: "old", "x": "y"}}}
    assert as_kubectl_replaces(manifest)["metadata"]["annotations"] == {
        "x": "y",
        _KEY: '{"a":"\\u003c","b":1,"metadata":{"annotations":{"x":"y"},"name":"a"}}\n',
    }
    assert manifest["metadata"]["annotations"][_KEY] == "old"
