"""The manifests that people wrote: the examples can be read, the rights stay few."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.tools.generate import ROOT

from peergate import __version__
from peergate.approval.keyring import build_keyring
from peergate.gate.policies import compile_policy
from peergate.model.approver import ApproverSpec
from peergate.settings import Settings

_MANIFESTS = ROOT / "manifests"
_RBAC = _MANIFESTS / "rbac.yaml"


@pytest.mark.parametrize("file", sorted(_MANIFESTS.glob("policy*.example.yaml")), ids=lambda file: file.name)
def test_the_example_policies_are_read_as_they_are(file: Path) -> None:
    [document] = _documents(file)
    compiled = compile_policy(document)
    assert compiled.problem == ""
    assert len(compiled.rules) == len(document["spec"]["rules"])


@pytest.mark.parametrize(
    "file", sorted(_MANIFESTS.glob("approver*.example.yaml")), ids=lambda file: file.name
)
def test_the_example_approvers_have_usable_keys_and_nothing_else(file: Path) -> None:
    [document] = [one for one in _documents(file) if one["kind"] == "Approver"]
    keyring = build_keyring({document["metadata"]["name"]: ApproverSpec.model_validate(document["spec"])})
    assert not any(keyring.problems.values())


def test_rights_are_spelt_out() -> None:
    rules = [rule for document in _documents(_RBAC) for rule in document.get("rules") or []]
    assert rules
    for rule in rules:
        for member in ("apiGroups", "resources", "verbs"):
            assert "*" not in rule[member], rule
        assert {"impersonate", "bind", "escalate", "deletecollection"}.isdisjoint(rule["verbs"])
        assert not any(resource.startswith("serviceaccounts/") for resource in rule["resources"])


def test_what_is_aggregated_is_only_read() -> None:
    for document in _documents(_RBAC):
        if "peergate.dev/aggregate-to-filing" in document["metadata"].get("labels", {}):
            for rule in document["rules"]:
                assert rule["verbs"] == ["get"]
                # A get of pods/exec or nodes/proxy runs commands; one of a Scale reads numbers.
                named = [resource for resource in rule["resources"] if "/" in resource]
                assert all(resource.endswith("/scale") for resource in named)


def test_every_right_of_the_operator_says_why() -> None:
    lines = [line.strip() for line in _RBAC.read_text(encoding="utf-8").splitlines()]
    filing = next(number for number, line in enumerate(lines) if "before it files" in line)
    for number, line in enumerate(lines[:filing]):
        if line.startswith("- apiGroups:"):
            above = lines[number - 1]
            again = above.startswith("verbs:") and lines[number + 1] == lines[number - 2]
            assert above.startswith("#") or again, line


def test_names_are_those_of_the_settings() -> None:
    settings = Settings()
    text = _RBAC.read_text(encoding="utf-8")
    assert f"resourceNames: [{settings.webhook.configuration}]" in text
    assert f"resourceNames: [{settings.tls.secret}]" in text
    for document in _documents(_RBAC):
        for subject in document.get("subjects") or []:
            assert subject == {
                "kind": "ServiceAccount",
                "name": settings.service_account,
                "namespace": settings.namespace,
            }


@pytest.mark.parametrize("file", sorted(_MANIFESTS.rglob("*.yaml")), ids=lambda file: file.name)
def test_every_manifest_is_yaml_with_a_kind(file: Path) -> None:
    for document in _documents(file):
        assert document["kind"]
        assert document["apiVersion"]


def _documents(file: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(file.read_text(encoding="utf-8")))


def test_the_krew_template_is_a_plugin_manifest() -> None:
    """What krew's own validation demands of a manifest of its API version."""
    path = _MANIFESTS / "krew" / "peergate.yaml"
    [document] = _documents(path)
    assert set(document) == {"apiVersion", "kind", "metadata", "spec"}
    assert document["apiVersion"] == "krew.googlecontainertools.github.com/v1alpha2"
    assert document["kind"] == "Plugin"
    assert document["metadata"] == {"name": path.stem}
    spec = document["spec"]
    assert set(spec) <= {"version", "homepage", "shortDescription", "description", "caveats", "platforms"}
    assert re.fullmatch(r"v\d+\.\d+\.\d+(-[\w.]+)?", spec["version"])
    assert spec["version"] == f"v{__version__}"
    assert "\n" not in spec["shortDescription"]
    assert 0 < len(spec["shortDescription"]) <= 60
    assert spec["description"]
    assert spec["platforms"]
    for platform in spec["platforms"]:
        assert set(platform) <= {"uri", "sha256", "bin", "files", "selector"}
        assert re.fullmatch(r"https://\S+\.(zip|tar\.gz)", platform["uri"])
        assert spec["version"] in platform["uri"]
        assert re.fullmatch(r"[0-9a-f]{64}", platform["sha256"])
        assert platform["bin"].rpartition("/")[2] == "kubectl-peergate"
        [expression] = platform["selector"]["matchExpressions"]
        assert expression["operator"] in {"In", "NotIn", "Exists", "DoesNotExist"}
        assert expression["key"] in {"os", "arch"}
