"""What counts as proof that one entry guards."""

from __future__ import annotations

import pytest

from peergate.cli.doctor.canary import Outcome, Tried
from peergate.cli.hooks.proof import configuration_line, entry_line, is_agent
from peergate.cli.hooks.selftest import Stage
from peergate.model.review import Gate
from peergate.settings import Settings
from peergate.shipped.webhookconfig import (
    JUDGING,
    agents_patch,
    entry_name,
    exact_condition,
    render,
    service_client_config,
)

OPEN = "test-open"
TARGET = "peergate-system/peergate-self-test"


def live(*accounts: str, namespaces: tuple[str, ...] = (), exact: bool = True) -> dict:
    """Return a configuration whose condition lists these."""
    settings = Settings()
    configuration = render(settings, client_config=service_client_config(settings))
    if exact:
        narrowing = exact_condition(settings, accounts=accounts, namespaces=namespaces)
        names = [entry["name"] for entry in configuration["webhooks"]]
        patch = agents_patch(narrowing.expression, names=names, configuration="peergate")
        conditions = {entry["name"]: entry["matchConditions"] for entry in patch["webhooks"]}
        for entry in configuration["webhooks"]:
            entry["matchConditions"] += conditions.get(entry["name"], [])
    return configuration


CANARY = f"system:serviceaccount:{OPEN}:canary"
BYSTANDER = f"system:serviceaccount:{OPEN}:bystander"
TEXT = (
    'admission webhook "own.gate.peergate.dev" denied the request: NOT APPROVABLE: delete ServiceAccount '
    f"{TARGET} by AI agent {OPEN}/canary would do so.\nboundary\nstate=barred code=NotApprovable\nNext"
)
OURS = Tried(Outcome.REFUSED, status=403, reason="NotApprovable", said="no", message=TEXT)
THROUGH = Tried(Outcome.ADMITTED, status=200)


def changed(**members) -> Tried:
    return Tried(
        **{name: getattr(OURS, name) for name in ("outcome", "status", "reason", "said", "message")} | members
    )


OTHERWISE = f"{OPEN}/canary was refused otherwise than by this entry: no"
CASES = {
    "our refusal, and the other is not sent": (OURS, THROUGH, {}, ""),
    "admitted": (THROUGH, THROUGH, {}, f"{OPEN}/canary was admitted: the gate does not guard"),
    "refused by another entry": (
        changed(message=TEXT.replace("own.gate", "cluster.gate")), THROUGH, {}, OTHERWISE,
    ),
    "refused about something else": (
        changed(message=TEXT.replace(TARGET, "peergate-system/x")), THROUGH, {}, OTHERWISE,
    ),
    "refused as somebody else": (
        changed(message=TEXT.replace("canary", "demo-agent")), THROUGH, {}, OTHERWISE,
    ),
    "refused with another code": (
        changed(message=TEXT.replace("NotApprovable", "ApprovalMissing")), THROUGH, {}, OTHERWISE,
    ),
    "refused with another reason": (changed(reason="Forbidden"), THROUGH, {}, OTHERWISE),
    "refused with another status": (changed(status=422), THROUGH, {}, OTHERWISE),
    "no answer": (
        changed(outcome=Outcome.SILENT, said="no route"),
        THROUGH,
        {},
        "the API server did not reach the gate: no route",
    ),
    "no decision": (
        changed(outcome=Outcome.UNAVAILABLE, status=503), THROUGH, {}, "the gate could not decide: no",
    ),
    "no right": (
        changed(outcome=Outcome.NO_RIGHT), THROUGH, {}, f"{OPEN}/canary was not refused by the gate: no",
    ),
    "the other is refused too": (OURS, OURS, {}, "an untagged account is not let through: no"),
    "the gate is wide": (
        OURS,
        THROUGH,
        {"live": live(exact=False)},
        "the gate is wide: every service account is sent, and would wait while no replica answers",
    ),
    "the other is listed": (
        OURS, THROUGH, {"live": live(CANARY, BYSTANDER)}, "an untagged account is listed among the agents",
    ),
    "its namespace is listed": (
        OURS, THROUGH, {"live": live(namespaces=(OPEN,))}, "an untagged account is listed among the agents",
    ),
    "the tagged one is not listed": (
        OURS, THROUGH, {"live": live()}, "the tagged account is not listed among the agents",
    ),
    "there is no configuration": (
        OURS,
        THROUGH,
        {"live": None},
        "the gate is wide: every service account is sent, and would wait while no replica answers",
    ),
    "where the settings make it an agent, the other must be refused": (
        OURS,
        THROUGH,
        {"stands_out": False},
        f"{OPEN}/bystander was admitted: the gate does not guard",
    ),
    "and is": (
        OURS,
        changed(message=TEXT.replace("canary", "bystander")),
        {"stands_out": False, "live": live(exact=False)},
        "",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("canary", "bystander", "more", "problem"), CASES.values(), ids=CASES)
def test_an_entry(canary, bystander, more, problem):
    given = {"stands_out": True, "live": live(CANARY), "kind": "ServiceAccount", "target": TARGET} | more
    line = entry_line(Gate.OWN, canary=canary, bystander=bystander, namespace=OPEN, **given)
    assert (line.good, line.text if problem else "") == (not problem, problem)


def test_every_entry_that_judges_agents_is_tried_and_no_policy_could_open_what_is_tried():
    aims = Stage(target="t", open="o", held="h").aims(own="peergate-system")
    assert aims.keys() == set(JUDGING) == set(Gate) - {Gate.RESOURCES}
    assert {kind for _, kind, _ in aims.values()} == {"ServiceAccount", "Namespace"}
    assert len({path for path, _, _ in aims.values()}) == 4


AGENTS = {
    "by its tag": ({}, True, True),
    "without a tag": ({}, False, False),
    "in strict mode": ({"strict": True}, False, True),
    "by a group of every account": ({"groups": ["system:serviceaccounts"]}, False, True),
    "by a group of its namespace": ({"groups": [f"system:serviceaccounts:{OPEN}"]}, False, True),
    "by its name": ({"usernames": ["system:serviceaccount:*"]}, False, True),
    "by its namespace": ({"namespaces": [OPEN]}, False, True),
    "trusted in spite of its tag": ({"trusted": [CANARY]}, True, False),
}


@pytest.mark.parametrize(("agents", "tagged", "expected"), AGENTS.values(), ids=AGENTS)
def test_who_is_an_agent(agents, tagged, expected):
    settings = Settings.model_validate({"agents": agents})
    assert is_agent(settings, namespace=OPEN, name="canary", uid="1", tagged=tagged) is expected


def test_a_configuration_with_the_installed_failure_policy_is_as_shipped():
    settings = Settings()
    found = live(CANARY)
    assert configuration_line(found, settings=settings, failure_policy="Fail").good
    assert not configuration_line(found, settings=settings, failure_policy="Ignore").good
    for entry in found["webhooks"]:
        if entry["name"] != entry_name(Gate.RESOURCES):
            entry["failurePolicy"] = "Ignore"
    assert configuration_line(found, settings=settings, failure_policy="Ignore").good
    line = configuration_line(found, settings=settings, failure_policy="Fail")
    assert str(line).startswith(
        "FAIL  configuration  peergate is not as shipped: namespaced.gate.peergate.dev f"
    )


def test_a_configuration_that_is_gone():
    line = configuration_line(None, settings=Settings(), failure_policy="Fail")
    assert str(line) == "FAIL  configuration  there is no webhook configuration peergate"
