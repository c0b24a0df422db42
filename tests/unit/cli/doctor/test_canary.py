"""What a dry-run deletion as an agent proves."""

from __future__ import annotations

import pytest
from tests.support.doctor import known, levels

from peergate.cli.doctor.canary import Outcome, Verdict, canary_findings, outcome_of, probes_for

_OURS = 'admission webhook "namespaced.gate.peergate.dev" denied the request: APPROVAL REQUIRED'
_THEIRS = 'admission webhook "policy.example.com" denied the request: no'
_RBAC = 'configmaps "x" is forbidden: User "system:serviceaccount:ops:bot" cannot delete resource'
_MAY_NOT = 'users "bot" is forbidden: User "alice" cannot impersonate resource "users"'
_DOWN = 'Internal error occurred: failed calling webhook "namespaced.gate.peergate.dev": no route'

ANSWERS = {
    "our refusal": (403, _OURS, Outcome.REFUSED),
    "our refusal for want of data": (503, _OURS, Outcome.UNAVAILABLE),
    "no answer from us": (500, _DOWN, Outcome.SILENT),
    "no right to delete": (403, _RBAC, Outcome.NO_RIGHT),
    "no right to impersonate": (403, _MAY_NOT, Outcome.NOT_ALLOWED),
    "the refusal of somebody else": (400, _THEIRS, Outcome.UNKNOWN),
    "an object that is gone": (404, "not there", Outcome.UNKNOWN),
}


@pytest.mark.parametrize(("status", "message", "expected"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer(status, message, expected):
    assert outcome_of(status, message) is expected


def _verdict(outcome, name="bot"):
    return Verdict(known("ops", name), "/api/v1/namespaces/shop/configmaps/x", outcome, "said")


LEVELS = {
    Outcome.REFUSED: "ok",
    Outcome.ADMITTED: "fail",
    Outcome.SILENT: "fail",
    Outcome.UNAVAILABLE: "fail",
    Outcome.NOT_ALLOWED: "warn",
    Outcome.NO_RIGHT: "warn",
    Outcome.UNKNOWN: "warn",
}


@pytest.mark.parametrize("outcome", Outcome)
def test_how_grave_it_is(outcome):
    found = canary_findings([_verdict(outcome)], idle=[], namespace="peergate-system")
    assert levels(found) == [(LEVELS[outcome], "canary")]
    assert found[0].subjects == ("ops/bot",)


def test_agents_with_equal_outcomes_are_one_line():
    verdicts = [_verdict(Outcome.ADMITTED, name) for name in "abcd"]
    [finding] = canary_findings(verdicts, idle=[], namespace="peergate-system")
    assert "ops/a, ops/b, ops/c and 1 more" in finding.what


def test_who_was_not_tried_is_said():
    found = canary_findings([], idle=[known("ops", "bot")], namespace="x", untried=2)
    assert [finding.what for finding in found] == ["Not tried as 3 agents: no right, or too many."]


def test_the_first_object_that_an_agent_may_delete_is_tried():
    agent = known("ops", "bot")
    asked = []

    def may(_agent, right):
        asked.append((right.namespace, right.resource))
        return right.namespace == "b" and right.resource == "serviceaccounts"

    [found], idle = probes_for([agent], protected=["a", "b", "c"], may=may)
    assert (found.path, idle) == ("/api/v1/namespaces/b/serviceaccounts/default", [])
    assert asked == [
        ("a", "configmaps"),
        ("a", "serviceaccounts"),
        ("b", "configmaps"),
        ("b", "serviceaccounts"),
    ]


def test_who_may_delete_nothing_is_not_tried():
    agent = known("ops", "bot")
    assert probes_for([agent], protected=["a"], may=lambda *_: False) == ([], [agent])


def test_at_most_twenty_are_tried_and_every_kind_of_tag_is_among_them():
    agents = [known("ops", f"bot{number}") for number in range(100)]
    agents.append(known("bots", "last", tag="namespace"))
    probes, _ = probes_for(agents, protected=["a"], may=lambda *_: True)
    assert len(probes) == 20
    assert {one.agent.tag for one in probes} == {"label", "namespace"}
