"""The snippets of docs/gitops.md are read, and held against what the operator really writes."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
import yaml
from tests.harness.waiting import wait_until
from tests.support.documents import DOCS

from peergate.control.configuration import CA_FIELD_MANAGER
from peergate.shipped.webhookconfig import AGENTS_CONDITION, AGENTS_FIELD_MANAGER, render

pytestmark = pytest.mark.cluster

CONFIGURATION = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/peergate"
BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def snippets() -> list[dict[str, Any]]:
    """Return Argo CD's two, then Flux's."""
    found = [yaml.safe_load(text) for text in BLOCK.findall((DOCS / "gitops.md").read_text(encoding="utf-8"))]
    assert [document.get("kind", "part") for document in found] == ["Application", "part", "HelmRelease"]
    return found


@pytest.fixture(scope="module")
def live(running_once) -> dict[str, Any]:
    """Return the configuration, once the operator has written both of its fields."""
    admin = running_once.cluster.admin

    def body() -> dict[str, Any]:
        return admin.request("GET", CONFIGURATION).body

    def managers() -> set[str]:
        return {entry["manager"] for entry in body()["metadata"]["managedFields"]}

    wait_until("both are written", lambda: {AGENTS_FIELD_MANAGER, CA_FIELD_MANAGER} <= managers())
    return body()


@pytest.fixture(scope="module")
def in_git(running_once) -> list[dict[str, Any]]:
    """Return the entries as whoever keeps them in Git has them; the URL stands for the Service."""
    config = lambda gate: {"url": f"{running_once.url}/gates/{gate}"}  # noqa: E731
    return render(running_once.settings, client_config=config)["webhooks"]


def with_defaults(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Fill in what the API server does."""
    return [{"namespaceSelector": {}, "objectSelector": {}, **entry} for entry in entries]


def test_argo_cd_ignores_the_managers_that_write_and_those_write_nothing_else(snippets, live):
    [rule] = snippets[0]["spec"]["ignoreDifferences"]
    assert set(rule["managedFieldsManagers"]) == {AGENTS_FIELD_MANAGER, CA_FIELD_MANAGER}
    assert "RespectIgnoreDifferences=true" in snippets[0]["spec"]["syncPolicy"]["syncOptions"]
    owned: dict[str, set[str]] = {}
    for entry in live["metadata"]["managedFields"]:
        if entry["manager"] in rule["managedFieldsManagers"]:
            for fields in entry["fieldsV1"]["f:webhooks"].values():
                owned.setdefault(entry["manager"], set()).update(leaves(fields))
            assert entry["fieldsV1"].keys() == {"f:webhooks"}
    assert owned == {
        CA_FIELD_MANAGER: {"name", "clientConfig/caBundle"},
        AGENTS_FIELD_MANAGER: {
            "name",
            *(
                f'matchConditions/k:{{"name":"{AGENTS_CONDITION}"}}/{member}'
                for member in ("name", "expression")
            ),
        },
    }


def leaves(fields: dict[str, Any], at: str = "") -> set[str]:
    found = set()
    for name, below in fields.items():
        path = f"{at}/{name.removeprefix('f:')}".removeprefix("/")
        if name != ".":
            found |= leaves(below, path) or {path}
    return found


def test_argo_cds_paths_are_those_two_fields(snippets, live, in_git):
    [rule] = snippets[1]["ignoreDifferences"]
    assert rule["jqPathExpressions"] == [
        ".webhooks[].clientConfig.caBundle",
        f'.webhooks[].matchConditions[] | select(.name == "{AGENTS_CONDITION}")',
    ]
    left = copy.deepcopy(live["webhooks"])
    for entry in left:
        del entry["clientConfig"]["caBundle"]
        entry["matchConditions"] = [
            one for one in entry["matchConditions"] if one["name"] != AGENTS_CONDITION
        ]
    assert left == with_defaults(in_git)


def test_fluxs_paths_are_those_two_fields(snippets, live, in_git):
    [rule] = snippets[2]["spec"]["driftDetection"]["ignore"]
    left = copy.deepcopy(live["webhooks"])
    for path in rule["paths"]:
        _, _, index, *inner, last = path.split("/")
        place: Any = left[int(index)]
        for name in inner:
            place = place[name]
        del place[int(last) if isinstance(place, list) else last]
    assert left == with_defaults(in_git)


def test_every_rule_is_about_the_object_that_is_there(snippets, live):
    rules = [snippets[0]["spec"]["ignoreDifferences"][0], snippets[1]["ignoreDifferences"][0]]
    targets = [*rules, snippets[2]["spec"]["driftDetection"]["ignore"][0]["target"]]
    for target in targets:
        assert (target["kind"], target["name"]) == (live["kind"], live["metadata"]["name"])
        assert live["apiVersion"].startswith(target.get("group", "admissionregistration.k8s.io"))
