"""How our resources look in kubectl."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.harness.cluster import Cluster
from tests.support.resources import approval_use, approver, change_request, path_of, policy

pytestmark = pytest.mark.cluster

_NOW = "2026-11-23T12:00:00Z"
_CONDITION = {"type": "Ready", "status": "True", "reason": "Read", "message": "", "lastTransitionTime": _NOW}

COLUMNS: dict[str, tuple[dict[str, Any], dict[str, Any] | None, list[str], list[str]]] = {
    "ppol": (
        policy(),
        {"conditions": [_CONDITION], "namespaces": ["shop"]},
        ["NAME", "MODE", "READY", "AGE", "NAMESPACES"],
        ["everything", "Enforce", "True", "*", '["shop"]'],
    ),
    "approvers": (
        approver(owner="team", groups=["sre"]),
        {"conditions": [_CONDITION], "fingerprints": ["SHA256:x"]},
        ["NAME", "IDENTITY", "CLASS", "OWNER", "DISABLED", "READY", "AGE", "GROUPS", "FINGERPRINTS"],
        ["alice", "alice", "human", "team", "false", "True", "*", '["sre"]', '["SHA256:x"]'],
    ),
    "chreq": (
        change_request(),
        {"state": "Pending", "progress": "0/1", "missing": "human"},
        [
            *("NAME", "OPERATION", "KIND", "TARGET", "REQUESTER", "STATE", "APPROVALS", "EXPIRES", "AGE"),
            *("EFFECT", "SUBRESOURCE", "OWNER", "MISSING", "GROUP", "RULES", "SIGNED-BY"),
        ],
        [
            *("cr-bcdfghjkmnpqrstvwxzb", "DELETE", "deployments", "payments-api"),
            *("system:serviceaccount:agents:coder", "Pending", "0/1", "2026-11-24T12:00:00Z", "*"),
            # The empty subresource shows as nothing, and so do signatures that are not there.
            *("Delete", "team-platform", "human", "apps", '["built-in"]'),
        ],
    ),
    "approvaluses": (
        approval_use(),
        None,
        ["NAME", "REQUESTER", "APPROVERS", "EXPIRES", "AGE", "CHANGE"],
        [
            *(f"use-{'0123456789abcdef' * 4}", "system:serviceaccount:agents:coder", '["alice"]'),
            *("2026-11-23T12:15:00Z", "*", "c" * 64),
        ],
    ),
}


@pytest.fixture
def stored(installed: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    document, status, *_ = COLUMNS[request.param]
    answer = installed.admin.request("POST", path_of(document), body=document)
    assert answer.code == 201, answer.body
    own = path_of(document, named=True)
    if status is not None:
        patched = installed.admin.request(
            "PATCH", f"{own}/status", body={"status": status}, content_type="application/merge-patch+json"
        )
        assert patched.code == 200, patched.body
    yield request.param
    installed.admin.request("DELETE", own)


@pytest.mark.parametrize("stored", COLUMNS, indirect=True)
def test_columns(installed: Cluster, stored: str) -> None:
    _, _, head, row = COLUMNS[stored]
    lines = installed.kubectl("get", stored, "-n", "default", "-o", "wide").must().out.splitlines()
    assert lines[0].split() == head
    assert row == [cell if wanted != "*" else "*" for cell, wanted in zip(lines[1].split(), row, strict=True)]


def test_wide_columns_are_hidden_otherwise(installed: Cluster) -> None:
    document = change_request()
    installed.admin.request("POST", path_of(document), body=document)
    lines = installed.kubectl("get", "chreq", "-n", "default").must().out.splitlines()
    installed.admin.request("DELETE", path_of(document, named=True))
    assert lines[0].split() == [
        *("NAME", "OPERATION", "KIND", "TARGET", "REQUESTER", "STATE", "APPROVALS", "EXPIRES", "AGE")
    ]


def test_one_category_holds_all(installed: Cluster) -> None:
    out = installed.kubectl("api-resources", "--categories=peergate", "-o", "name").must().out
    assert sorted(out.split()) == [
        *("approvaluses.peergate.dev", "approvers.peergate.dev"),
        *("changerequests.peergate.dev", "protectionpolicies.peergate.dev"),
    ]


@pytest.mark.parametrize("stored", ["ppol", "approvers", "chreq"], indirect=True)
def test_status_is_a_subresource(installed: Cluster, stored: str) -> None:
    document, status, *_ = COLUMNS[stored]
    own = path_of(document, named=True)
    merge = "application/merge-patch+json"
    ignored = {"status": {"conditions": []}}
    assert installed.admin.request("PATCH", own, body=ignored, content_type=merge).code == 200
    assert installed.admin.request("GET", own).body["status"] == status


def test_conditions_are_merged_by_type(installed: Cluster) -> None:
    document = policy()
    own = path_of(document, named=True)
    installed.admin.request("POST", path_of(document), body=document)
    for manager, kind in (("one", "Ready"), ("two", "NamespaceNotProtected")):
        applied = {
            "apiVersion": document["apiVersion"],
            "kind": document["kind"],
            "metadata": document["metadata"],
            "status": {"conditions": [{**_CONDITION, "type": kind}]},
        }
        answer = installed.admin.request(
            "PATCH",
            f"{own}/status",
            body=applied,
            content_type="application/apply-patch+yaml",
            query={"fieldManager": manager},
        )
        assert answer.code == 200, answer.body
    conditions = installed.admin.request("GET", own).body["status"]["conditions"]
    installed.admin.request("DELETE", own)
    assert [condition["type"] for condition in conditions] == ["Ready", "NamespaceNotProtected"]
