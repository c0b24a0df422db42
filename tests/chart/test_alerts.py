"""Alerts fire when they should and only then; every name they use exists; each has its page."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.chart.conftest import CHART
from tests.harness.binaries import find_promtool
from tests.tools.alerts import ALERTS, alert_rules
from tests.tools.generate import ROOT

from peergate.observe.metrics import Metrics

RULES = CHART / "files" / "alerts.yaml"
DASHBOARD = CHART / "files" / "dashboard.json"
OF_THE_API_SERVER = {
    "apiserver_admission_webhook_fail_open_count",
    "apiserver_admission_webhook_rejection_count",
    "apiserver_admission_match_condition_evaluation_errors_total",
}
"""Kubernetes 1.30 and later; watched by Prometheus, and none of ours."""
_NAME = re.compile(r"\b(?:peergate|apiserver)_[a-z_]+")


@pytest.fixture(scope="module")
def promtool() -> Path:
    return find_promtool()


def run(promtool: Path, *arguments: str) -> str:
    done = subprocess.run(
        [str(promtool), *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def own_metrics() -> set[str]:
    names = set()
    for family in Metrics().registry.collect():
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}.get(
            family.type, ("",)
        )
        names |= {f"{family.name}{suffix}" for suffix in suffixes}
    return names


def test_the_rules_are_rules(promtool):
    assert f"SUCCESS: {len(ALERTS)} rules found" in run(promtool, "check", "rules", "--lint=all", str(RULES))


# What is seen (series: values a minute), and which alerts fire after so many minutes, with which labels.
JUDGING = 'name="namespaced.gate.peergate.dev"'
UP = {'peergate_build_info{version="1"}': "1+0x100"}
CASES: dict[str, tuple[dict[str, str], str, list[tuple[str, dict[str, str]]]]] = {
    "all is well": (
        UP
        | {
            'peergate_webhook_config_ok{check="ca"}': "1+0x100",
            "peergate_gate_exact": "1+0x100",
            'peergate_agents{state="unlisted"}': "0+0x100",
            'peergate_agents{state="listed"}': "7+0x100",
            'peergate_snapshot_age_seconds{resource="namespaces"}': "5+0x100",
            'peergate_clock_skew_seconds{pod="a"}': "-4+0x100",
            'peergate_certificate_expiry_timestamp_seconds{role="serving"}': "31536000+0x100",
            'peergate_reviews_total{decision="deny",reason="pending",gate="namespaced"}': "0+1x100",
            'peergate_reviews_total{decision="deny",reason="barred",gate="own"}': "3+0x100",
            'peergate_review_duration_seconds_bucket{le="0.01"}': "0+10x100",
            'peergate_review_duration_seconds_bucket{le="+Inf"}': "0+10x100",
            "peergate_change_request_oldest_seconds": "600+0x100",
            'peergate_filing_dropped_total{cause="limit"}': "4+0x100",
            'peergate_webhook_config_ok{check="companion"}': "1+0x100",
            'peergate_open_doors{check="SAR1",weight="open"}': "0+0x100",
            'peergate_open_doors{check="SAR5",weight="shut"}': "3+0x100",
            f"apiserver_admission_webhook_fail_open_count{{{JUDGING}}}": "0+0x100",
        },
        "90m",
        [],
    ),
    "nobody is there": ({"other": "1+0x100"}, "3m", [("PeergateDown", {})]),
    "nobody was there for a minute": ({"other": "1+0x100"}, "1m", []),
    "a gate that judges failed open": (
        UP | {f'apiserver_admission_webhook_fail_open_count{{{JUDGING},type="validating"}}': "0 0 1+0x100"},
        "4m",
        [("PeergateFailedOpen", {"name": "namespaced.gate.peergate.dev"})],
    ),
    "the gate that may fail open did": (
        UP
        | {'apiserver_admission_webhook_fail_open_count{name="resources.gate.peergate.dev"}': "0 0 1+0x100"},
        "4m",
        [],
    ),
    "the configuration was edited": (
        UP | {'peergate_webhook_config_ok{check="rules"}': "1 0+0x100"},
        "8m",
        [("PeergateWebhookConfigDrift", {"check": "rules"})],
    ),
    "reviews take three seconds": (
        UP
        | {
            'peergate_review_duration_seconds_bucket{le="1"}': "0+0x100",
            'peergate_review_duration_seconds_bucket{le="5"}': "0+10x100",
            'peergate_review_duration_seconds_bucket{le="+Inf"}': "0+10x100",
        },
        "20m",
        [("PeergateVerySlow", {}), ("PeergateSlow", {})],
    ),
    "a review was not decided": (
        UP | {'peergate_review_errors_total{cause="ledger"}': "0 0 0 1+0x100"},
        "5m",
        [("PeergateErrors", {"cause": "ledger"})],
    ),
    "a cache hears nothing": (
        UP | {'peergate_snapshot_age_seconds{resource="approvers"}': "0+60x100"},
        "5m",
        [("PeergateSnapshotStale", {"resource": "approvers"})],
    ),
    "a replica's clock is behind": (
        UP | {'peergate_clock_skew_seconds{pod="a"}': "-90+0x100"},
        "7m",
        [("PeergateClockSkew", {})],
    ),
    "a replica's clock was ahead for a moment": (
        UP | {'peergate_clock_skew_seconds{pod="a"}': "0 0 90 90 0+0x100"},
        "9m",
        [],
    ),
    "a certificate ends in a week": (
        UP | {'peergate_certificate_expiry_timestamp_seconds{role="serving"}': "604800+0x100"},
        "90m",
        [("PeergateCertificateExpiring", {"role": "serving"})],
    ),
    "a forged signature": (
        UP | {'peergate_approvals_checked_total{result="SignatureInvalid",key_type="ssh"}': "0 1+0x100"},
        "5m",
        [("PeergateInvalidApprovals", {"result": "SignatureInvalid"})],
    ),
    "an expired signature is nobody's attack": (
        UP | {'peergate_approvals_checked_total{result="Expired",key_type="ssh"}': "0 1+0x100"},
        "5m",
        [],
    ),
    "an agent reached for the gate": (
        UP | {'peergate_reviews_total{decision="deny",reason="barred",gate="own"}': "0 1+0x100"},
        "5m",
        [("PeergateBarredAttempt", {"gate": "own"})],
    ),
    "refusals by the hundred": (
        UP | {'peergate_reviews_total{decision="deny",reason="pending",gate="namespaced"}': "0+50x100"},
        "20m",
        [("PeergateDenialSpike", {})],
    ),
    "a request waits for two hours": (
        UP | {"peergate_change_request_oldest_seconds": "7200+0x100"},
        "5m",
        [("PeergateRequestsWaiting", {})],
    ),
    "a request was not filed": (
        UP | {'peergate_filing_dropped_total{cause="queue"}': "0 2+0x100"},
        "5m",
        [("PeergateFilingDropped", {"cause": "queue"})],
    ),
    "a condition can't be evaluated": (
        UP | {f"apiserver_admission_match_condition_evaluation_errors_total{{{JUDGING}}}": "0 1+0x100"},
        "5m",
        [("PeergateMatchConditionErrors", {"name": "namespaced.gate.peergate.dev"})],
    ),
    "the gate is wide": (UP | {"peergate_gate_exact": "0+0x100"}, "15m", [("PeergateGateWide", {})]),
    "a tag that was not listed": (
        UP | {'peergate_agents{state="unlisted"}': "2+0x100"},
        "10m",
        [("PeergateAgentUnlisted", {})],
    ),
    "a companion policy is gone": (
        UP | {'peergate_webhook_config_ok{check="companion"}': "0+0x100"},
        "15m",
        [("PeergateCompanionMissing", {})],
    ),
    "a right that leads round the gate": (
        UP | {'peergate_open_doors{check="SAR1",weight="open"}': "2+0x100"},
        "5m",
        [("PeergateOpenDoor", {"check": "SAR1"})],
    ),
}


def test_each_alert_fires_in_a_case_of_its_own():
    assert {name for _, _, fired in CASES.values() for name, _ in fired} == {alert.name for alert in ALERTS}


@pytest.mark.parametrize("alerts", [tuple(CASES)], ids=["all cases"])
def test_alerts_fire_when_they_should_and_only_then(promtool, tmp_path, alerts):
    """One file for all: starting promtool takes longer than judging a case."""
    known = {alert.name: alert for alert in ALERTS}
    tests = []
    for sentence in alerts:
        series, when, fired = CASES[sentence]
        wanted: dict[str, list[Any]] = {alert.name: [] for alert in ALERTS}
        for name, labels in fired:
            wanted[name].append({"exp_labels": labels | {"severity": known[name].severity}})
        tests.append(
            {
                "name": sentence,
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "alert_rule_test": [
                    {"eval_time": when, "alertname": name, "exp_alerts": found}
                    for name, found in wanted.items()
                ],
            }
        )
    stripped = alert_rules()
    for rule in stripped["groups"][0]["rules"]:
        # What is written in them is a test of its own; here only firing counts.
        del rule["annotations"]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(stripped))
    cases = tmp_path / "cases.yaml"
    cases.write_text(
        yaml.safe_dump({"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": tests})
    )
    assert "SUCCESS" in run(promtool, "test", "rules", str(cases))


def test_every_metric_of_rules_and_dashboard_exists():
    used = set(_NAME.findall(RULES.read_text(encoding="utf-8")))
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    for panel in panels:
        for target in panel["targets"]:
            names = set(_NAME.findall(target["expr"]))
            assert names, panel["title"]
            used |= names
    assert used - OF_THE_API_SERVER - own_metrics() == set()


def test_every_alert_has_a_section_with_all_four_answers():
    page = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    assert sections.keys() == {alert.name for alert in ALERTS}
    for alert in ALERTS:
        word = "Critical" if alert.severity == "critical" else "Warning"
        assert f"**{word}.**" in sections[alert.name]
        assert all(what in sections[alert.name].lower() for what in ("confirm", "mend", "verify")), alert.name


def test_panels_lie_side_by_side():
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len(panels)
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_strict_mode_is_wide_by_choice(rendered):
    def names(values: dict[str, Any]) -> list[str]:
        documents = rendered({"prometheusRule": {"enabled": True}} | values)
        [rule] = [document for document in documents if document["kind"] == "PrometheusRule"]
        return [each["alert"] for each in rule["spec"]["groups"][0]["rules"]]

    everything = [alert.name for alert in ALERTS]
    assert names({}) == everything
    assert names({"agents": {"strict": True}}) == [name for name in everything if name != "PeergateGateWide"]


def test_rules_of_ones_own_and_another_runbook(rendered):
    own = {"alert": "Mine", "expr": "vector(1)"}
    documents = rendered(
        {"prometheusRule": {"enabled": True, "rules": [own], "runbook": "https://wiki.example/peergate"}}
    )
    [rule] = [document for document in documents if document["kind"] == "PrometheusRule"]
    first, *_, last = rule["spec"]["groups"][0]["rules"]
    assert last == own
    assert first["annotations"]["runbook_url"] == "https://wiki.example/peergate#peergatefailedopen"
    assert first["annotations"]["summary"].endswith("because gate {{ $labels.name }} did not answer.")


def test_the_dashboard_is_in_a_config_map_that_grafana_finds(rendered):
    documents = rendered({"grafanaDashboard": {"enabled": True}})
    [found] = [each for each in documents if each["metadata"]["name"] == "peergate-dashboard"]
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(found["data"]["peergate.json"]) == json.loads(DASHBOARD.read_text(encoding="utf-8"))
