"""Somebody edits the webhook configuration by hand: the operator mends its own part and reports the rest."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.harness.principals import create_account
from tests.harness.waiting import wait_until
from tests.support.changes import DRY_DELETE, path_of, reported
from tests.support.world import CONFIGURATION, World, conditions, world

from peergate.shipped.webhookconfig import render

pytestmark = pytest.mark.cluster

SOON = 30.0
"""Seconds; on a quiet machine it takes about one."""


@pytest.fixture(scope="module")
def here() -> Iterator[World]:
    with world(settings={"webhook": {"drainSeconds": 0}}) as made:
        yield made


@pytest.fixture
def whole(here: World) -> Iterator[World]:
    """Return the world in order; it is again afterwards."""
    settle(here)
    yield here
    if not here.desk.there(CONFIGURATION):
        install(here)
    settle(here)


def settle(here: World) -> None:
    here.wait_judged()
    wait_until("the gate is exact", lambda: exact(here) and metric(here, "peergate_gate_exact") == 1)


def exact(here: World) -> bool:
    found = set(conditions(here.configuration()).values())
    return len(found) == 1 and '"agents:demo-agent"' in str(found)


def metric(here: World, name: str, **labels: str) -> float:
    return here.process.metric(name, **labels)


def install(here: World) -> None:
    def client_config(gate: str) -> dict[str, str]:
        return {"url": f"{here.installation.url}/gates/{gate}"}

    here.admin.apply(render(here.installation.settings, client_config=client_config))


def edit(here: World, change: Callable[[dict[str, Any]], None]) -> float:
    """Edit every entry by hand, as kubectl edit does; return when."""
    for _ in range(20):
        document = here.configuration()
        document["metadata"].pop("managedFields", None)
        before = copy.deepcopy(document)
        for entry in document["webhooks"]:
            change(entry)
        assert document != before
        code = here.admin.request("PUT", CONFIGURATION, body=document).code
        if code == 200:
            return time.monotonic()
        assert code == 409
    raise AssertionError("somebody was always quicker")


def deletes(here: World, client: Any) -> bool:
    return here.delete(client, here.victim()).code == 200


def without_agents(entry: dict[str, Any]) -> None:
    entry["matchConditions"] = [one for one in entry["matchConditions"] if one["name"] != "agents"]


def test_a_condition_that_is_taken_away_makes_the_gate_wider_and_comes_back(whole):
    edited = edit(whole, without_agents)
    # Wide: the agent stays refused; the bystander is asked about, perhaps, and free in any case.
    while not exact(whole):
        assert not deletes(whole, whole.agent)
        assert deletes(whole, whole.bystander)
        assert time.monotonic() - edited < SOON
    print(f"the condition was back after {time.monotonic() - edited:.2f} s")


def test_a_condition_that_leaves_the_agent_out_is_put_right(whole, record_property):
    """Only who may edit the configuration can do this, and that is nobody's agent: RBAC, T1."""

    def exclude(entry: dict[str, Any]) -> None:
        for one in entry["matchConditions"]:
            if one["name"] == "agents":
                one["expression"] = 'request.userInfo.username == "nobody"'

    edited = edit(whole, exclude)
    admitted = []

    def healed() -> bool:
        if deletes(whole, whole.agent):
            admitted.append(time.monotonic())
        return exact(whole)

    wait_until("the condition is right again", healed, within=SOON)
    written = time.monotonic()
    whole.wait_judged()
    record_property("seconds_until_written", round(written - edited, 2))
    record_property("seconds_open", round(max(admitted, default=edited) - edited, 2))
    print(f"written after {written - edited:.2f} s, open for {max(admitted, default=edited) - edited:.2f} s")
    assert not deletes(whole, whole.agent)


def test_a_single_entry_that_was_spoilt_is_put_right(whole):
    def spoil(entry: dict[str, Any]) -> None:
        if entry["name"].startswith("cluster."):
            without_agents(entry)
            entry["matchConditions"].append({"name": "agents", "expression": "false"})

    edit(whole, spoil)
    wait_until("all entries say the same again", lambda: exact(whole), within=SOON)
    path = f"/api/v1/namespaces/{whole.namespace}"
    wait_until(
        "the entry is in force",
        lambda: reported(whole.agent.request("DELETE", path, body=DRY_DELETE)) == "ApprovalMissing",
        within=SOON,
    )


def test_a_bundle_that_is_taken_away_comes_back(whole):
    bundles = {entry["clientConfig"]["caBundle"] for entry in whole.configuration()["webhooks"]}

    def spoil(entry: dict[str, Any]) -> None:
        entry["clientConfig"].pop("caBundle")

    edited = edit(whole, spoil)

    def back() -> bool:
        # Meanwhile the API server trusts no answer: agents wait, nobody else.
        assert not deletes(whole, whole.agent)
        assert deletes(whole, whole.bystander)
        found = {entry["clientConfig"].get("caBundle") for entry in whole.configuration()["webhooks"]}
        return found == bundles

    wait_until("the bundle is back", back, within=SOON)
    print(f"the bundle was back after {time.monotonic() - edited:.2f} s")
    whole.wait_judged()
    wait_until(
        "the metric says so",
        lambda: metric(whole, "peergate_webhook_config_ok", check="ca") == 1,
        within=SOON,
    )


def test_a_rule_that_was_narrowed_is_reported_and_left_alone(whole):
    """The chart's part of the configuration is the chart's: an administrator's edit is not undone."""

    def narrow(entry: dict[str, Any]) -> None:
        if entry["name"].startswith("namespaced."):
            entry["rules"][0]["operations"] = ["DELETE", "UPDATE"]

    edit(whole, narrow)
    check = {"check": "rules"}
    wait_until(
        "it is reported", lambda: metric(whole, "peergate_webhook_config_ok", **check) == 0, within=SOON
    )
    kept = next(e for e in whole.configuration()["webhooks"] if e["name"].startswith("namespaced."))
    assert kept["rules"][0]["operations"] == ["DELETE", "UPDATE"]
    install(whole)
    wait_until("all is well", lambda: metric(whole, "peergate_webhook_config_ok", **check) == 1, within=SOON)


def test_a_configuration_that_an_administrator_deletes_is_reported_and_not_made_again(whole):
    assert whole.admin.request("DELETE", CONFIGURATION).code == 200
    wait_until(
        "its absence is reported",
        lambda: (
            metric(whole, "peergate_webhook_config_ok", check="present") == 0
            and metric(whole, "peergate_gate_exact") == 0
        ),
        within=SOON,
    )
    # Whatever wakes the operator now, it makes none: tags, policies, registrations.
    whole.crew.enlist("late")
    create_account(whole.cluster, "workers", "late", owner="team-late")
    wait_until(
        "the registration was seen",
        lambda: any(
            item.get("status")
            for item in whole.admin.request("GET", "/apis/peergate.dev/v1alpha1/approvers").body["items"]
            if item["metadata"]["name"].startswith("late-")
        ),
        within=SOON,
    )
    assert not whole.desk.there(CONFIGURATION)
    assert deletes(whole, whole.agent), "without the configuration there is no gate"
    creations = [
        event
        for event in whole.cluster.audit_events()
        if event.resource == "validatingwebhookconfigurations"
        and event.username.startswith("system:serviceaccount:")
        and event.verb in {"create", "delete"}
    ]
    assert creations == []
    install(whole)
    settle(whole)
    assert metric(whole, "peergate_webhook_config_ok", check="present") == 1
    assert not deletes(whole, whole.agent)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_2500_tagged_accounts_make_the_gate_wide_until_they_are_fewer(whole):
    """More names than the condition holds: then every account is sent, and it is said so."""
    namespace = "crowd"
    whole.admin.kubectl("create", "namespace", namespace).must()
    crowd = [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {
                "name": f"agent-{number:04}",
                "namespace": namespace,
                "labels": {"peergate.dev/agent": "true"},
                "annotations": {"peergate.dev/owner": "team-crowd"},
            },
        }
        for number in range(2500)
    ]
    collection = path_of("serviceaccounts", "", namespace=namespace).rstrip("/")
    for body in crowd:
        assert whole.admin.request("POST", collection, body=body).code == 201
    wait_until(
        "the gate is wide",
        lambda: (
            set(conditions(whole.configuration()).values()) == {None}
            and metric(whole, "peergate_gate_exact") == 0
        ),
        within=180.0,
    )
    events = "/apis/events.k8s.io/v1/namespaces/peergate-system/events"

    def announced() -> bool:
        items = whole.admin.request("GET", events).body["items"]
        return any(item["reason"] == "GateWide" and "2501" in item["note"] for item in items)

    wait_until("it is announced", announced, within=120.0)
    wait_until("the agent is judged", whole.judged)
    assert not deletes(whole, whole.agent)
    before = whole.process.reviews(reason="not-agent")
    assert deletes(whole, whole.bystander), "who is no agent is asked about and free"
    wait_until("that was counted", lambda: whole.process.reviews(reason="not-agent") > before)

    assert whole.admin.request("DELETE", collection).code == 200
    wait_until("the accounts are gone", lambda: len(whole.admin.request("GET", collection).body["items"]) < 2)
    began = time.monotonic()
    wait_until("the gate is exact again", lambda: exact(whole), within=300.0)
    print(f"exact again after {time.monotonic() - began:.0f} s")
    wait_until("the metric says so", lambda: metric(whole, "peergate_gate_exact") == 1, within=SOON)
    assert "agent-0001" not in str(conditions(whole.configuration()))
    assert not deletes(whole, whole.agent)
    assert whole.admin.request("DELETE", f"/api/v1/namespaces/{namespace}").code == 200
