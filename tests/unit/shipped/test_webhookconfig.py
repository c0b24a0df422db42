"""The webhook configuration and its exact condition as texts; what they do is tested on a cluster."""

from __future__ import annotations

import base64
import json
import re
from string import Template
from typing import Any

import pytest

from peergate.model.review import Gate
from peergate.settings import AgentSettings, LabelSettings, Settings, WebhookSettings
from peergate.shipped.webhookconfig import (
    MAX_EXPRESSION,
    MAX_NAMES,
    Exact,
    Wide,
    agents_patch,
    entry_name,
    exact_condition,
    render,
    service_client_config,
    template,
    url_client_config,
)

_SA = "system:serviceaccount"
_DEFAULTS = Settings()


def _rendered(settings: Settings = _DEFAULTS) -> dict[str, dict[str, Any]]:
    document = render(settings, client_config=service_client_config(settings))
    return {entry["name"].partition(".")[0]: entry for entry in document["webhooks"]}


def _expression(*accounts: str, namespaces: tuple[str, ...] = (), **agents: Any) -> str:
    settings = Settings(agents=AgentSettings(**agents))
    narrowing = exact_condition(settings, accounts=accounts, namespaces=namespaces)
    assert isinstance(narrowing, Exact)
    return narrowing.expression


def test_one_entry_a_gate() -> None:
    document = render(_DEFAULTS, client_config=service_client_config(_DEFAULTS))
    assert document["kind"] == "ValidatingWebhookConfiguration"
    assert document["metadata"] == {"name": "peergate"}
    assert [entry["name"] for entry in document["webhooks"]] == [entry_name(gate) for gate in Gate]


def test_what_every_entry_has() -> None:
    for gate, entry in _rendered(Settings(webhook=WebhookSettings(timeout_seconds=7))).items():
        assert entry["failurePolicy"] == ("Ignore" if gate == "resources" else "Fail")
        assert entry["matchPolicy"] == "Equivalent"
        assert entry["sideEffects"] == "NoneOnDryRun"
        assert entry["timeoutSeconds"] == 7
        assert entry["admissionReviewVersions"] == ["v1"]
        assert "objectSelector" not in entry
        assert all(rule["apiVersions"] == ["*"] for rule in entry["rules"])


def test_selectors_leave_no_namespace_between_them() -> None:
    """Protected, own, or neither: the identity gate takes exactly what the other two leave."""
    entries = _rendered(Settings(namespace="guard", labels=LabelSettings(protected="example.com/guarded")))
    label = {"key": "example.com/guarded", "values": ["true"]}
    own = {"key": "kubernetes.io/metadata.name", "values": ["guard"]}
    assert {gate: entry.get("namespaceSelector") for gate, entry in entries.items()} == {
        "namespaced": {"matchExpressions": [{**label, "operator": "In"}]},
        "cluster": None,
        "own": {"matchExpressions": [{**own, "operator": "In"}]},
        "identity": {"matchExpressions": [{**label, "operator": "NotIn"}, {**own, "operator": "NotIn"}]},
        "resources": None,
    }


def test_conditions_stand_in_order() -> None:
    names = {gate: [item["name"] for item in entry["matchConditions"]] for gate, entry in _rendered().items()}
    judging = ["not-operator", "not-noise", "wide"]
    assert names == {
        "namespaced": judging,
        "cluster": judging,
        "own": judging,
        "identity": judging,
        "resources": ["not-operator", "not-kube-system"],
    }


def test_the_own_gate_sees_leases_and_events() -> None:
    noise = {gate: entry["matchConditions"][1]["expression"] for gate, entry in _rendered().items()}
    assert "leases" not in noise["own"]
    assert noise["namespaced"].startswith(noise["own"])


def test_values_are_quoted_whatever_they_hold() -> None:
    """Also what YAML or CEL would take for something else."""
    odd = 'a"b\\c\n$x {{d}} #e: \u2028\U0001f600'
    settings = Settings(agents=AgentSettings(groups=(odd,), trusted=(odd,)))
    wide = _rendered(settings)["own"]["matchConditions"][2]["expression"]
    literal = r'["a\"b\\c\n$x {{d}} #e: \U00002028\U0001f600"]'
    assert f"group in {literal})" in wide
    assert f"request.userInfo.username in {literal})" in wide


def test_an_entry_is_a_value_of_its_own() -> None:
    entries = _rendered()
    entries["own"]["matchConditions"][0]["expression"] = "true"
    assert entries["cluster"]["matchConditions"][0]["expression"] != "true"


def test_every_placeholder_is_the_whole_of_a_literal() -> None:
    """So that a chart can put an expression that writes JSON in its place."""
    assert set(Template(template()).get_identifiers()) == {
        *("configuration", "namespace", "operator_username", "protected_label", "timeout_seconds"),
        *("trusted", "groups", "username_patterns"),
        *(f"client_config_{gate}" for gate in Gate),
    }
    assert not re.search(r"""["'$\w]\$|\$\w+["'\w]*["']""", template())


def test_client_configs() -> None:
    bundle = base64.b64encode(b"pem").decode()
    of_service = service_client_config(Settings(namespace="guard", service="gate"), ca_bundle=b"pem")
    assert of_service(Gate.OWN) == {
        "service": {"namespace": "guard", "name": "gate", "path": "/gates/own", "port": 443},
        "caBundle": bundle,
    }
    assert "caBundle" not in service_client_config(_DEFAULTS)(Gate.OWN)
    of_url = url_client_config("https://127.0.0.1:10250/", ca_bundle=b"pem")
    assert of_url(Gate.CLUSTER) == {"url": "https://127.0.0.1:10250/gates/cluster", "caBundle": bundle}


def test_the_exact_condition_whole() -> None:
    expression = _expression(
        f"{_SA}:team:coder",
        namespaces=("labelled",),
        groups=("oidc:agents",),
        usernames=("bot-*",),
    )
    assert expression == (
        "!has(request.userInfo.username) || !has(request.userInfo.groups)"
        ' || (request.userInfo.username.startsWith("system:serviceaccount:")'
        ' && (request.userInfo.username.substring(22) in ["team:coder"]'
        ' || request.userInfo.username.split(":")[2] in ["labelled"]))'
        ' || request.userInfo.groups.exists(group, group in ["oidc:agents","peergate.dev:self-test"]'
        ' || (group.startsWith("system:serviceaccounts:") && group.substring(23) in ["labelled"]))'
        ' || ["(?s)^bot-.*$"].exists(pattern, request.userInfo.username.matches(pattern))'
    )


def test_neither_order_nor_duplicates_matter() -> None:
    one, two = f"{_SA}:a:one", f"{_SA}:b:two"
    assert _expression(one, two, namespaces=("x", "y")) == _expression(
        two, one, two, namespaces=("y", "x", "y")
    )


def test_who_is_never_an_agent_is_not_listed() -> None:
    accounts = (f"{_SA}:kube-system:x", f"{_SA}:gitops:sync", f"{_SA}:team:coder", f"{_SA}:labelled:x")
    expression = _expression(
        *accounts, namespaces=("labelled", "kube-system"), trusted=(f"{_SA}:gitops:sync",)
    )
    assert 'substring(22) in ["team:coder"]' in expression
    assert "kube-system" not in expression


GLOBS = {
    "a star is any characters": ("oidc:*@bots", "oidc:x y@bots", True),
    "also none": ("bot*", "bot", True),
    "also a line end": ("bot*", "bot\nx", True),
    "the whole name counts": ("bot", "robot2", False),
    "a dot is a dot": ("a.b", "axb", False),
    "nothing else is special": ("[a]?+(b)|^$\\{1}", "[a]?+(b)|^$\\{1}", True),
    "case counts": ("Bot", "bot", False),
}


@pytest.mark.parametrize("sentence", GLOBS)
def test_globs(sentence: str) -> None:
    glob, name, matches = GLOBS[sentence]
    literal = re.search(r'\[("\(\?s\).*")\]\.exists', _expression(usernames=(glob,)))
    assert literal is not None
    assert bool(re.fullmatch(json.loads(literal[1]), name)) is matches


def test_strict_mode_is_wide() -> None:
    settings = Settings(agents=AgentSettings(strict=True))
    narrowing = exact_condition(settings, accounts=[f"{_SA}:team:coder"])
    assert isinstance(narrowing, Wide)
    assert narrowing.why == "strict"


def test_too_many_names_are_wide() -> None:
    accounts = [f"{_SA}:n:{number}" for number in range(MAX_NAMES + 1)]
    assert isinstance(exact_condition(_DEFAULTS, accounts=accounts[:-1]), Exact)
    narrowing = exact_condition(_DEFAULTS, accounts=accounts)
    assert narrowing == Wide("names", "2001 tagged accounts are more than the 2000 that can be listed")


def test_names_that_are_too_long_are_wide() -> None:
    accounts = [f"{_SA}:{'n' * 63}:{number:0253}" for number in range(320)]
    narrowing = exact_condition(_DEFAULTS, accounts=accounts)
    assert isinstance(narrowing, Wide)
    assert narrowing.why == "length"
    assert str(MAX_EXPRESSION) in narrowing.message


@pytest.mark.parametrize("account", ["alice", f"{_SA}:team", f"{_SA}:team:", f"{_SA}::x"])
def test_a_person_is_no_account(account: str) -> None:
    with pytest.raises(ValueError, match="no user name of a ServiceAccount"):
        exact_condition(_DEFAULTS, accounts=[account])


def test_the_patch_owns_the_condition_and_nothing_else() -> None:
    names = [
        "own.gate.peergate.dev",
        "resources.gate.peergate.dev",
        "foreign.example.com",
        "cluster.gate.peergate.dev",
    ]
    assert agents_patch("true", names=names, configuration="guard") == {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "guard"},
        "webhooks": [
            {"name": name, "matchConditions": [{"name": "agents", "expression": "true"}]}
            for name in ("own.gate.peergate.dev", "cluster.gate.peergate.dev")
        ],
    }
    assert agents_patch(None, names=names, configuration="guard")["webhooks"] == []
