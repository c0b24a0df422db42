"""The companion policies as texts; what they refuse is tested on a cluster."""

from __future__ import annotations

import re
from string import Template
from typing import Any

import pytest

from peergate.settings import AgentSettings, LabelSettings, Settings
from peergate.shipped.companions import (
    companion_policies,
    knows_agents,
    static_manifests,
    stricter_policies,
    template,
)

_DEFAULT = ["admission-configuration.peergate.dev", "namespace-labels.peergate.dev"]
_STRICTER = ["metadata-integrity.peergate.dev", "hard-denials.peergate.dev"]


def _settings(**agents: Any) -> Settings:
    return Settings(agents=AgentSettings(**agents))


def _conditions(settings: Settings) -> set[str]:
    return {
        condition["expression"]
        for document in companion_policies(settings)
        for condition in document["spec"].get("matchConditions", ())
    }


NOBODY = {
    "by no setting": {},
    "by the label of an account or a namespace alone": {"trusted": ("system:serviceaccount:ops:x",)},
    "in kube-system, whose accounts are never agents": {"namespaces": ("kube-system",)},
}


@pytest.mark.parametrize("agents", NOBODY.values(), ids=NOBODY.keys())
def test_nothing_is_rendered_where_agents_are_known(agents: dict[str, Any]) -> None:
    settings = _settings(**agents)
    assert not knows_agents(settings)
    assert companion_policies(settings) == stricter_policies(settings) == ()


SOMEBODY = {
    "by namespace": {"namespaces": ("ai-agents",)},
    "by group": {"groups": ("peergate.dev:ai-agents",)},
    "by user name": {"usernames": ("bot-*",)},
    "in strict mode": {"strict": True},
}


@pytest.mark.parametrize("agents", SOMEBODY.values(), ids=SOMEBODY.keys())
def test_all_are_rendered_where_agents_are_known(agents: dict[str, Any]) -> None:
    settings = _settings(**agents)
    for documents, names in (
        (companion_policies(settings), _DEFAULT),
        (stricter_policies(settings), _STRICTER),
    ):
        assert [(document["kind"], document["metadata"]["name"]) for document in documents] == [
            (kind, name)
            for name in names
            for kind in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
        ]


def test_what_every_policy_has() -> None:
    settings = _settings(namespaces=("ai-agents",))
    for document in (*companion_policies(settings), *stricter_policies(settings)):
        spec = document["spec"]
        if "policyName" in spec:
            assert spec == {
                "policyName": document["metadata"]["name"],
                "validationActions": ["Deny", "Audit"],
            }
            continue
        assert spec["failurePolicy"] == "Fail"
        assert spec["matchConditions"][0]["name"] == "agents"
        assert set(spec["matchConstraints"]) == {"matchPolicy", "resourceRules"}
        assert "paramKind" not in spec
        assert {validation["reason"] for validation in spec["validations"]} == {"Forbidden"}


def test_every_policy_asks_the_same_question_about_who() -> None:
    assert len(_conditions(_settings(namespaces=("ai-agents",)))) == 1


def test_settings_reach_the_condition() -> None:
    [expression] = _conditions(
        _settings(
            namespaces=("b", "a", "kube-system"),
            groups=('odd"group', "ünïcode"),
            usernames=("bot-*@example.com",),
            trusted=("system:serviceaccount:ops:x",),
        )
    )
    assert '["a","b"]' in expression
    assert r'["odd\"group","\U000000fcn\U000000efcode"]' in expression
    assert r'["(?s)^bot-.*@example\\.com$"]' in expression
    assert 'in ["system:serviceaccount:ops:x"]' in expression
    assert '"system:serviceaccount:peergate-system:peergate"' in expression
    assert "(false ||" in expression


def test_strict_mode_takes_every_account() -> None:
    [expression] = _conditions(_settings(strict=True))
    assert "(true ||" in expression


def test_labels_are_those_of_the_settings() -> None:
    settings = Settings(
        agents=AgentSettings(namespaces=("ai-agents",)),
        labels=LabelSettings(protected="example.com/guarded", agents="example.com/bots"),
    )
    text = str(companion_policies(settings))
    assert "example.com/guarded" in text
    assert "example.com/bots" in text
    assert "peergate.dev/protected" not in text
    assert "peergate.dev/agents" not in text


def test_every_placeholder_is_the_whole_of_a_literal() -> None:
    text = re.sub(r"^\s*#.*$", "", template(), flags=re.MULTILINE)
    assert set(Template(text).get_identifiers()) == {
        "agents_label",
        "agents_namespaces",
        "groups",
        "operator_username",
        "protected_label",
        "strict",
        "trusted",
        "username_patterns",
    }
    assert not re.search(r"""['"]\$|\$\w+['"]""", text)


def test_a_static_manifest_differs_in_its_names_alone() -> None:
    documents = companion_policies(_settings(namespaces=("ai-agents",)))
    static = static_manifests(documents)
    assert [document["metadata"]["name"] for document in static] == [
        f"{document['metadata']['name'].removesuffix('.dev')}.static.k8s.io" for document in documents
    ]
    for written, read in zip(documents, static, strict=True):
        name = read["metadata"]["name"]
        assert read == {
            **written,
            "metadata": {**written["metadata"], "name": name},
            "spec": {**written["spec"], **({"policyName": name} if "policyName" in written["spec"] else {})},
        }
