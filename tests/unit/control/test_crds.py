"""The generated definitions: structural, bounded and described."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.resources import approval_use, approver, change_request, policy

from peergate.control.crds import custom_resource_definitions
from peergate.model.approver import ApproverSpec
from peergate.model.changerequest import ChangeRequestSpec
from peergate.model.policy import ProtectionPolicySpec
from peergate.model.use import ApprovalUseSpec

_DEFINITIONS = custom_resource_definitions()


def _schemas(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, member in schema.get("properties", {}).items():
        yield from _schemas(member, f"{path}.{name}")
    if "items" in schema:
        yield from _schemas(schema["items"], f"{path}[]")
    if "additionalProperties" in schema:
        yield from _schemas(schema["additionalProperties"], f"{path}{{}}")


ALL = {
    path: schema
    for plural, definition in _DEFINITIONS.items()
    for path, schema in _schemas(definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"], plural)
}
_META = (".apiVersion", ".kind", ".metadata")


def test_there_are_four() -> None:
    names = {
        plural: (
            definition["metadata"]["name"],
            definition["spec"]["names"]["kind"],
            definition["spec"]["scope"],
            definition["spec"]["names"].get("shortNames", []),
            definition["spec"]["names"]["categories"],
            "status" in definition["spec"]["versions"][0].get("subresources", {}),
        )
        for plural, definition in _DEFINITIONS.items()
    }
    assert names == {
        "protectionpolicies": (
            *("protectionpolicies.peergate.dev", "ProtectionPolicy", "Cluster", ["ppol"], ["peergate"], True),
        ),
        "approvers": ("approvers.peergate.dev", "Approver", "Cluster", [], ["peergate"], True),
        "changerequests": (
            *("changerequests.peergate.dev", "ChangeRequest", "Namespaced", ["chreq"], ["peergate"], True),
        ),
        "approvaluses": ("approvaluses.peergate.dev", "ApprovalUse", "Namespaced", [], ["peergate"], False),
    }


def test_the_same_on_every_call() -> None:
    assert custom_resource_definitions() == _DEFINITIONS
    assert list(custom_resource_definitions()) == list(_DEFINITIONS)


@pytest.mark.parametrize("plural", _DEFINITIONS)
def test_spec_is_required(plural: str) -> None:
    assert ALL[plural]["required"] == ["spec"]


@pytest.mark.parametrize("plural", ["changerequests", "approvaluses"])
def test_what_is_filed_never_changes_and_the_rule_is_at_the_root(plural: str) -> None:
    rules = [rule["rule"] for rule in ALL[plural]["x-kubernetes-validations"]]
    assert "self.spec == oldSelf.spec" in rules
    elsewhere = [
        path for path, schema in ALL.items() if "oldSelf" in str(schema.get("x-kubernetes-validations"))
    ]
    assert set(elsewhere) == {"changerequests", "approvaluses"}


def test_nothing_that_a_structural_schema_cannot_say() -> None:
    for path, schema in ALL.items():
        assert {"$ref", "$defs", "anyOf", "title", "propertyNames", "patternProperties"}.isdisjoint(schema), (
            path
        )
        assert (
            "type" in schema or "x-kubernetes-int-or-string" in schema or path.endswith(".patch[].value")
        ), path
        assert not ("properties" in schema and "additionalProperties" in schema), path


def test_everything_has_a_bound() -> None:
    """Without bounds the estimated cost of a rule exceeds its budget; and nothing grows without a limit."""
    for path, schema in ALL.items():
        if path.endswith(_META):
            continue
        match schema.get("type"):
            case "string":
                assert "maxLength" in schema or "enum" in schema, path
            case "array":
                assert "maxItems" in schema, path
            case "integer":
                assert "minimum" in schema, path
            case "object":
                assert "properties" in schema or "maxProperties" in schema or path.endswith(_META), path


def test_every_field_is_described_for_people() -> None:
    for path, schema in ALL.items():
        if path.endswith(_META) or path.endswith(("[]", "{}")):
            continue
        description = schema.get("description", "")
        assert description, path
        assert ".md" not in description, path
        assert "``" not in description, path


def test_only_set_like_lists_merge() -> None:
    kinds = {
        path: schema["x-kubernetes-list-type"]
        for path, schema in ALL.items()
        if "x-kubernetes-list-type" in schema
    }
    assert kinds == {
        "protectionpolicies.status.conditions": "map",
        "approvers.spec.kubernetesUsernames": "set",
        "approvers.spec.groups": "set",
        "approvers.status.conditions": "map",
        "changerequests.status.conditions": "map",
    }


def test_what_the_schema_takes_the_models_take() -> None:
    ProtectionPolicySpec.model_validate(policy()["spec"])
    ApproverSpec.model_validate(approver()["spec"])
    ChangeRequestSpec.model_validate(change_request()["spec"])
    ApprovalUseSpec.model_validate(approval_use()["spec"])


def test_the_defaults_of_the_schema_are_those_of_the_models() -> None:
    """A policy reads the same whether the API server filled the defaults in or not."""
    properties = "protectionpolicies.spec.rules[]"
    filled = {
        path.removeprefix(f"{properties}."): schema["default"]
        for path, schema in ALL.items()
        if path.startswith(f"{properties}.")
        and "default" in schema
        and path.count(".") == properties.count(".") + 1
    }
    approvals = {
        path.rpartition(".")[2]: schema["default"]
        for path, schema in ALL.items()
        if path.startswith(f"{properties}.approvals.") and "default" in schema
    }
    explicit = policy({**filled, "approvals": approvals}, mode=ALL["protectionpolicies.spec.mode"]["default"])
    assert ProtectionPolicySpec.model_validate(explicit["spec"]) == ProtectionPolicySpec.model_validate(
        policy()["spec"]
    )
