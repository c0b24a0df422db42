"""Metrics: their names, and labels that no client can widen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from tests.support.edge import claim

from peergate.model.decision import Allow, Code, Deny, Facts, Hold, NotCounted, State
from peergate.model.review import Gate
from peergate.observe.metrics import Metrics
from peergate.observe.verdict import verdict_of

PENDING = Deny(Code.APPROVAL_MISSING, State.PENDING, "")

DECISIONS = {
    "an approved change": (Allow("approved"), "allow", "approved"),
    "a harmless change": (Allow("harmless"), "allow", "harmless"),
    "what mode Warn lets through": (Allow("warn", code=Code.APPROVAL_MISSING), "allow", "warn"),
    "somebody else's change": (Allow("not-agent"), "skip", "not-agent"),
    "an unprotected object's change": (Allow("unprotected"), "skip", "unprotected"),
    "a refusal": (PENDING, "deny", "pending"),
    "a hold": (Hold(PENDING), "hold", "pending"),
}


@pytest.mark.parametrize("case", DECISIONS)
def test_counts(case):
    decision, word, reason = DECISIONS[case]
    metrics = Metrics()
    for _ in range(2):
        metrics.reviewed(verdict_of(decision), gate=Gate.OWN, operation="DELETE", seconds=0.02)
    labels = {"gate": "own", "operation": "DELETE", "decision": word, "reason": reason}
    assert metrics.registry.get_sample_value("peergate_reviews_total", labels) == 2
    duration = {"gate": "own", "decision": word}
    count = metrics.registry.get_sample_value("peergate_review_duration_seconds_count", duration)
    assert count == 2
    below = metrics.registry.get_sample_value(
        "peergate_review_duration_seconds_bucket",
        duration | {"le": "0.01"},
    )
    assert below == 0


def test_an_unknown_operation_makes_no_new_series():
    metrics = Metrics()
    for number in range(100):
        metrics.reviewed(verdict_of(PENDING), gate=Gate.OWN, operation=f"X{number}", seconds=0)
    assert metrics.render().count(b"peergate_reviews_total{") == 1


def test_checked_approvals_are_counted():
    metrics = Metrics()
    facts = Facts(
        counted=(claim(1), claim(2)),
        not_counted=(NotCounted("v1.bob", Code.EXPIRED, "key", key_type="something else"),),
    )
    verdict = verdict_of(Allow("approved", facts=facts))
    metrics.reviewed(verdict, gate=Gate.OWN, operation="UPDATE", seconds=0)
    name = "peergate_approvals_checked_total"
    assert metrics.registry.get_sample_value(name, {"result": "valid", "key_type": "ssh"}) == 2
    assert metrics.registry.get_sample_value(name, {"result": "Expired", "key_type": "unknown"}) == 1


def test_gauges_show_what_is_and_forget_what_was():
    metrics = Metrics()
    metrics.policies({"prod": True, "old": False})
    metrics.policies({"prod": False})
    metrics.approvers({"alice": True})
    metrics.agents(listed=3, unlisted=1, no_effect=0)
    metrics.gate(exact=True)
    metrics.certificate("ca", expires=datetime(2027, 1, 1, tzinfo=UTC))
    metrics.webhook_configuration({"present": True, "ca": False})
    metrics.watch_snapshot_age("approvers", lambda: timedelta(seconds=7))
    metrics.watch_in_flight(lambda: 2)
    metrics.watch_clock(lambda: timedelta(seconds=-3))
    metrics.doors({("SAR1", "open"): 4})
    metrics.failed("ledger")
    shown = {
        line
        for line in metrics.render().decode().splitlines()
        if not line.startswith("#") and "_c" not in line
    }
    assert shown >= {
        'peergate_policy_ready{name="prod"} 0.0',
        'peergate_approver_ready{name="alice"} 1.0',
        'peergate_agents{state="listed"} 3.0',
        'peergate_agents{state="unlisted"} 1.0',
        'peergate_agents{state="no-effect"} 0.0',
        "peergate_gate_exact 1.0",
        'peergate_snapshot_age_seconds{resource="approvers"} 7.0',
        "peergate_reviews_in_flight 2.0",
        'peergate_open_doors{check="SAR1",weight="open"} 4.0',
        'peergate_review_errors_total{cause="ledger"} 1.0',
        'peergate_review_errors_total{cause="bug"} 0.0',
        'peergate_build_info{version="0.1.0"} 1.0',
    }
    value = metrics.registry.get_sample_value
    assert value("peergate_clock_skew_seconds") == -3
    assert value("peergate_policy_ready", {"name": "old"}) is None
    assert value("peergate_certificate_expiry_timestamp_seconds", {"role": "ca"}) == 1798761600
    assert value("peergate_webhook_config_ok", {"check": "ca"}) == 0
