"""A webhook configuration that is not as shipped is told, member by member."""

from __future__ import annotations

import copy

import pytest
from tests.support.doctor import levels, seen

from peergate.cli.doctor.gate import (
    companion_findings,
    condition_findings,
    configuration_findings,
    shipped_configuration,
)
from peergate.model.review import Gate
from peergate.settings import Settings
from peergate.shipped.companions import companion_policies
from peergate.shipped.webhookconfig import (
    agents_patch,
    entry_name,
    exact_condition,
    render,
    service_client_config,
)

_ACCOUNTS = {"ops/bot": {"tagged": True}, "ops/person": {}}
_JUDGING = [entry_name(gate) for gate in Gate if gate is not Gate.RESOURCES]


def _live(*accounts: str, settings: Settings | None = None, namespaces: tuple[str, ...] = ()):
    settings = settings or Settings()
    live = render(settings, client_config=service_client_config(settings, ca_bundle=b"CA"))
    names = [f"system:serviceaccount:{account.replace('/', ':')}" for account in accounts]
    narrowing = exact_condition(settings, accounts=names, namespaces=namespaces)
    for entry in agents_patch(narrowing.expression, names=_JUDGING, configuration="peergate")["webhooks"]:
        _entry(live, entry["name"])["matchConditions"] += copy.deepcopy(entry["matchConditions"])
    live["metadata"]["uid"] = "u"
    return live


def _entry(live, name):
    return next(entry for entry in live["webhooks"] if entry["name"] == name)


def _spoil(*path, to, entry="namespaced.gate.peergate.dev"):
    def spoil(live):
        target = _entry(live, entry)
        for step in path[:-1]:
            target = target[step]
        target[path[-1]] = to

    return spoil


def _drop(name):
    def spoil(live):
        live["webhooks"] = [entry for entry in live["webhooks"] if entry["name"] != name]

    return spoil


def _add(live):
    live["webhooks"].append({**copy.deepcopy(live["webhooks"][0]), "name": "evil.example.com"})


_RESOURCES = "resources.gate.peergate.dev"
_SELECTOR = {"matchLabels": {"a": "b"}}
CASES = {
    "as shipped": (lambda _live: None, ("ok", "is as shipped")),
    "an entry is gone": (
        _drop("identity.gate.peergate.dev"),
        ("fail", "identity.gate.peergate.dev is missing"),
    ),
    "an entry nothing rests on is gone": (_drop(_RESOURCES), ("warn", f"{_RESOURCES} is missing")),
    "an entry of somebody else": (_add, ("warn", "evil.example.com in the webhook configuration is not")),
    "fewer rules": (_spoil("rules", to=[]), ("fail", "rules of namespaced.gate.peergate.dev")),
    "another selector": (_spoil("namespaceSelector", to=_SELECTOR), ("fail", "namespaceSelector of")),
    "a selector of objects": (_spoil("objectSelector", to=_SELECTOR), ("fail", "objectSelector of")),
    "a condition taken out": (_spoil("matchConditions", to=[]), ("fail", "matchConditions of")),
    "it lets through when it is down": (_spoil("failurePolicy", to="Ignore"), ("fail", "failurePolicy of")),
    "another path": (_spoil("clientConfig", "service", "path", to="/gates/own"), ("fail", "path of")),
    "another service": (_spoil("clientConfig", "service", "name", to="evil"), ("fail", "service of")),
    "another time-out": (_spoil("timeoutSeconds", to=1), ("warn", "timeoutSeconds of")),
    "exact versions only": (_spoil("matchPolicy", to="Exact"), ("fail", "matchPolicy of")),
}


@pytest.mark.parametrize(("spoil", "expected"), CASES.values(), ids=CASES)
def test_a_configuration(spoil, expected):
    live = _live("ops/bot")
    spoil(live)
    found = configuration_findings(seen(accounts=_ACCOUNTS, configuration=live))
    level, words = expected
    assert any(finding.level.value == level and words in finding.what for finding in found), found
    assert all(finding.level.value == "ok" for finding in found) == (level == "ok")


@pytest.mark.parametrize("spoil", [case[0] for case in CASES.values()], ids=CASES)
def test_what_fix_prints_is_as_shipped_and_keeps_what_the_operator_wrote(spoil):
    live = _live("ops/bot")
    spoil(live)
    cluster = seen(accounts=_ACCOUNTS, configuration=live)
    fixed = shipped_configuration(cluster.settings, live=live)
    after = seen(accounts=_ACCOUNTS, configuration=fixed)
    assert levels(configuration_findings(after)) == [("ok", "webhook")]
    assert levels(condition_findings(after)) == [("ok", "agents")]
    assert {entry["clientConfig"]["caBundle"] for entry in fixed["webhooks"]} == {"Q0E="}


def test_what_applying_leaves_is_removed_by_a_command():
    live = _live("ops/bot")
    _entry(live, "cluster.gate.peergate.dev")["matchConditions"].insert(
        1, {"name": "never", "expression": "false"}
    )
    _add(live)
    found = configuration_findings(seen(accounts=_ACCOUNTS, configuration=live))
    command = (
        "kubectl patch validatingwebhookconfiguration peergate --type json -p "
        '\'[{"op": "remove", "path": "/webhooks/5"}, '
        '{"op": "remove", "path": "/webhooks/1/matchConditions/1"}]\''
    )
    assert {finding.level.value: finding.mend[0] for finding in found} == {"warn": command, "fail": command}


def test_without_a_configuration_nothing_is_guarded():
    [finding] = configuration_findings(seen())
    assert (finding.level.value, finding.threats) == ("fail", ("T1",))
    assert finding.manifests[0]["kind"] == "ValidatingWebhookConfiguration"


def test_an_address_in_place_of_a_service_is_kept():
    live = _live("ops/bot")
    for entry in live["webhooks"]:
        gate = entry["name"].partition(".")[0]
        entry["clientConfig"] = {"url": f"https://127.0.0.1:1/gates/{gate}", "caBundle": "Q0E="}
    cluster = seen(accounts=_ACCOUNTS, configuration=live)
    assert levels(configuration_findings(cluster)) == [("ok", "webhook")]
    fixed = shipped_configuration(cluster.settings, live=live)
    assert [entry["clientConfig"] for entry in fixed["webhooks"]] == [
        entry["clientConfig"] for entry in live["webhooks"]
    ]


def _conditions(live, *, namespaces=None, accounts=None, **settings):
    return condition_findings(
        seen(
            accounts=accounts if accounts is not None else _ACCOUNTS,
            namespaces=namespaces,
            configuration=live,
            settings=settings,
        )
    )


def test_the_tagged_accounts_are_listed():
    assert levels(_conditions(_live("ops/bot"))) == [("ok", "agents")]


def test_who_is_listed_beyond_them_only_waits():
    assert levels(_conditions(_live("ops/bot", "ops/former"))) == [("ok", "agents")]


def test_a_tag_that_is_not_listed_is_a_way_round():
    [finding] = _conditions(_live("ops/other"))
    assert (finding.level.value, finding.subjects) == ("fail", ("ops/bot",))


def test_a_namespace_of_agents_that_is_not_listed_is_one_too():
    [finding] = _conditions(_live("ops/bot"), namespaces={"bots": {"peergate.dev/agents": "true"}})
    assert finding.subjects == ("bots",)


def test_an_account_in_a_listed_namespace_is_listed():
    live = _live(namespaces=("ops",))
    assert levels(_conditions(live, namespaces={"ops": {"peergate.dev/agents": "true"}})) == [
        ("ok", "agents")
    ]


def test_a_condition_that_somebody_wrote_is_a_way_round():
    live = _live("ops/bot")
    condition = _entry(live, "cluster.gate.peergate.dev")["matchConditions"][-1]
    condition["expression"] += " && false"
    [finding] = _conditions(live)
    assert finding.what == (
        "The condition agents of cluster.gate.peergate.dev is not one that the operator writes."
    )
    assert finding.level.value == "fail"


def test_an_entry_without_the_condition_is_wide():
    live = _live("ops/bot")
    _entry(live, "cluster.gate.peergate.dev")["matchConditions"].pop()
    assert levels(_conditions(live)) == [("warn", "wide")]


def test_strict_mode_is_wide_on_purpose_and_said_so():
    found = _conditions(
        render(Settings(), client_config=service_client_config(Settings())), agents={"strict": True}
    )
    assert levels(found) == [("warn", "wide")]
    assert "strict mode" in found[0].what


def test_without_a_configuration_there_is_no_condition_to_judge():
    assert condition_findings(seen()) == []


_NAMED = {"agents": {"groups": ["ai"]}}


def test_no_companions_are_expected_where_agents_are_known_by_labels_only():
    assert levels(companion_findings(seen(companions=[]))) == [("ok", "companions")]


def test_companions_that_stand_are_fine():
    expected = companion_policies(Settings.model_validate(_NAMED))
    assert levels(companion_findings(seen(settings=_NAMED, companions=list(expected)))) == [
        ("ok", "companions")
    ]


def test_a_companion_that_is_missing_is_told_and_printed():
    expected = list(companion_policies(Settings.model_validate(_NAMED)))
    gone = expected.pop(0)
    [finding] = companion_findings(seen(settings=_NAMED, companions=expected))
    name = gone["metadata"]["name"]
    assert (finding.level.value, finding.subjects) == ("warn", (name,))
    assert [one["kind"] for one in finding.manifests] == [
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    ]


def test_companions_that_can_not_be_read_are_not_judged():
    assert companion_findings(seen(settings=_NAMED)) == []
