"""The condition lists exactly the agents, and the gate stays wide where they can't be listed."""

from __future__ import annotations

import copy

import pytest
from tests.support.gate import snapshot

from peergate.control.agents import AgentList
from peergate.control.configuration import bundle_patch
from peergate.gate.snapshot import Account
from peergate.model.review import Gate
from peergate.settings import Settings
from peergate.shipped.drift import checks_of
from peergate.shipped.listed import live_conditions
from peergate.shipped.webhookconfig import Exact, Wide, entry_name, render, service_client_config

JUDGING = {entry_name(gate) for gate in Gate} - {entry_name(Gate.RESOURCES)}
TRUSTED = "system:serviceaccount:agents:stranger"


def configuration(settings=None):
    settings = settings or Settings()
    found = render(settings, client_config=service_client_config(settings))
    found["metadata"] |= {"uid": "uid-1", "resourceVersion": "7"}
    return found


def with_condition(found, expression, names=JUDGING):
    found = copy.deepcopy(found)
    for entry in found["webhooks"]:
        if entry["name"] in names:
            entry["matchConditions"].append({"name": "agents", "expression": expression})
    return found


def plan(live=None, *, settings=None, now=0.0, known=None, agents=None):
    return (agents or AgentList(settings or Settings())).plan(
        known or snapshot(settings=settings), live=live or configuration(settings), now=now
    )


def test_the_first_plan_adds_the_condition_to_every_entry_that_judges():
    found = plan()
    assert isinstance(found.narrowing, Exact)
    assert {entry["name"] for entry in found.patch["webhooks"]} == JUDGING
    assert found.patch["metadata"] == {"name": "peergate", "uid": "uid-1"}
    assert '"agents:bot"' in found.narrowing.expression
    assert '"crew"' in found.narrowing.expression
    assert "kube-system" not in found.narrowing.expression
    assert (found.exact, found.unlisted, found.no_effect) == (False, 0, 1)


def test_what_is_in_force_needs_no_patch():
    wanted = plan().narrowing.expression
    found = plan(with_condition(configuration(), wanted))
    assert found.patch is None
    assert (found.exact, found.listed, found.unlisted) == (True, 4, 0)


@pytest.mark.parametrize("name", sorted(JUDGING))
def test_one_entry_without_it_is_mended(name):
    wanted = plan().narrowing.expression
    found = plan(with_condition(configuration(), wanted, JUDGING - {name}))
    assert found.patch is not None
    assert not found.exact


def test_an_entry_that_is_missing_is_not_made():
    live = configuration()
    live["webhooks"] = [entry for entry in live["webhooks"] if entry["name"] != entry_name(Gate.OWN)]
    assert {entry["name"] for entry in plan(live).patch["webhooks"]} == JUDGING - {entry_name(Gate.OWN)}


def test_a_tagged_account_that_an_entry_does_not_list_is_counted():
    accounts = {("agents", "bot"): Account("1", True, ""), ("agents", "new"): Account("2", True, "")}
    known = snapshot(accounts={("agents", "bot"): accounts["agents", "bot"]})
    listed = with_condition(configuration(), plan(known=known).narrowing.expression)
    found = plan(listed, known=snapshot(accounts=accounts))
    assert (found.listed, found.unlisted) == (1, 1)
    assert '"agents:new"' in found.narrowing.expression


def test_trusted_accounts_are_not_listed():
    settings = Settings.model_validate({"agents": {"trusted": [TRUSTED]}})
    found = plan(settings=settings)
    assert '"agents:stranger"' not in found.narrowing.expression
    assert found.no_effect == 2


def test_strict_mode_takes_the_condition_away():
    settings = Settings.model_validate({"agents": {"strict": True}})
    assert plan(settings=settings).patch is None
    found = plan(with_condition(configuration(settings), "true"), settings=settings)
    assert isinstance(found.narrowing, Wide)
    assert found.patch["webhooks"] == []


def test_too_many_agents_take_the_condition_away():
    many = {("a", f"n{number}"): Account(str(number), True, "") for number in range(2001)}
    found = plan(with_condition(configuration(), "true"), known=snapshot(accounts=many))
    assert found.narrowing.why == "names"
    assert found.patch["webhooks"] == []


def test_an_untagged_account_stays_for_two_minutes_across_a_restart():
    accounts = {("agents", "bot"): Account("1", True, "")}
    before = plan(known=snapshot(accounts=accounts)).narrowing.expression
    live = with_condition(configuration(), before)
    nobody = snapshot(accounts={("agents", "bot"): Account("1", False, "")})
    restarted = AgentList(Settings())
    assert plan(live, known=nobody, agents=restarted, now=1000.0).patch is None
    assert plan(live, known=nobody, agents=restarted, now=1119.0).patch is None
    found = plan(live, known=nobody, agents=restarted, now=1120.0)
    assert '"agents:bot"' not in found.narrowing.expression


def test_what_the_operator_adds_is_no_fault_of_the_configuration():
    live = with_condition(configuration(), "true")
    for entry in live["webhooks"]:
        entry["clientConfig"]["caBundle"] = "Q0E="
        entry["objectSelector"] = {}
    found = checks_of(live, expected=configuration(), ca_bundle=b"CA")
    assert found == dict.fromkeys(("present", "path", "rules", "ca", "failure_policy"), True)


def drop(entry):
    entry["matchConditions"] = []


FAULTS = {
    "another path": (lambda entry: entry["clientConfig"]["service"].update(path="/"), "path"),
    "no path": (lambda entry: entry.pop("clientConfig"), "path"),
    "fewer rules": (lambda entry: entry["rules"].pop(), "rules"),
    "another selector": (lambda entry: entry.update(namespaceSelector={"matchLabels": {"a": "b"}}), "rules"),
    "an object selector": (lambda entry: entry.update(objectSelector={"matchLabels": {"a": "b"}}), "rules"),
    "a foreign condition": (
        lambda entry: entry["matchConditions"].append({"name": "x", "expression": "false"}),
        "rules",
    ),
    "a condition less": (drop, "rules"),
    "failing open": (lambda entry: entry.update(failurePolicy="Ignore"), "failure_policy"),
    "another CA": (lambda entry: entry["clientConfig"].update(caBundle="eA=="), "ca"),
    "another name": (lambda entry: entry.update(name="x"), "present"),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_in_one_entry_is_told(fault):
    spoil, check = fault
    live = configuration()
    for entry in live["webhooks"]:
        entry["clientConfig"]["caBundle"] = "Q0E="
    spoil(live["webhooks"][1])
    assert not checks_of(live, expected=configuration(), ca_bundle=b"CA")[check]


def test_a_bundle_goes_into_every_entry_and_owns_nothing_else():
    patch = bundle_patch(configuration(), ca_bundle=b"CA")
    assert len(patch["webhooks"]) == len(Gate)
    assert all(set(entry) == {"name", "clientConfig"} for entry in patch["webhooks"])
    assert {str(entry["clientConfig"]) for entry in patch["webhooks"]} == {"{'caBundle': 'Q0E='}"}
    assert patch["metadata"]["uid"] == "uid-1"


def test_no_condition_is_none():
    assert set(live_conditions(configuration()).values()) == {None}
