"""The alert rules and the dashboard: written here once, with the codes and names of the operator itself.

Generated into ``charts/peergate/files``; each alert has a section of its name in ``docs/alerts.md``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml

from peergate.model.decision import STATE_OF, Code, State

__all__ = ["ALERTS", "RUNBOOK", "Alert", "alert_rules", "alerts_file", "dashboard", "dashboard_file"]

RUNBOOK: Final = "https://peergate.dev/docs/alerts.md"

_JUDGING: Final = '{name=~"(namespaced|cluster|own|identity)[.]gate[.]peergate[.]dev"}'
_UNEVALUATED: Final = "apiserver_admission_match_condition_evaluation_errors_total"
_INVALID: Final = "|".join(code for code in Code if STATE_OF[code] is State.INVALID)
_LATE: Final = "histogram_quantile(0.99, sum by (le) (rate(peergate_review_duration_seconds_bucket[5m])))"


@dataclass(frozen=True, slots=True)
class Alert:
    """One rule."""

    name: str
    expression: str
    minutes: int
    """How long it must hold."""
    severity: str
    """``critical`` pages somebody, ``warning`` waits for the morning."""
    summary: str


ALERTS: Final[Sequence[Alert]] = (
    Alert(
        "PeergateFailedOpen",
        f"sum by (name) (increase(apiserver_admission_webhook_fail_open_count{_JUDGING}[10m])) > 0",
        0,
        "critical",
        "Requests of agents were let through because gate {{ $labels.name }} did not answer.",
    ),
    Alert(
        "PeergateDown",
        "absent(peergate_build_info)",
        2,
        "critical",
        "No replica of Peergate is seen; agents are refused, everybody else works on.",
    ),
    Alert(
        "PeergateWebhookConfigDrift",
        'min by (check) (peergate_webhook_config_ok{check!="companion"}) == 0',
        5,
        "critical",
        "The webhook configuration is not as it was shipped ({{ $labels.check }}).",
    ),
    Alert(
        "PeergateVerySlow",
        f"{_LATE} > 2",
        5,
        "critical",
        "One review in a hundred takes more than two seconds.",
    ),
    Alert(
        "PeergateSlow",
        f"{_LATE} > 0.5",
        10,
        "warning",
        "One review in a hundred takes more than half a second.",
    ),
    Alert(
        "PeergateErrors",
        "sum by (cause) (increase(peergate_review_errors_total[10m])) > 0",
        0,
        "warning",
        "Reviews could not be read or decided ({{ $labels.cause }}).",
    ),
    Alert(
        "PeergateSnapshotStale",
        "max by (resource) (peergate_snapshot_age_seconds) > 60",
        1,
        "warning",
        "Nothing was heard of {{ $labels.resource }} for a minute; agents are refused.",
    ),
    Alert(
        "PeergateCertificateExpiring",
        f"min by (role) (peergate_certificate_expiry_timestamp_seconds) - time() < {21 * 24 * 3600}",
        60,
        "warning",
        "The {{ $labels.role }} certificate ends in less than 21 days and was not renewed.",
    ),
    Alert(
        "PeergateClockSkew",
        "max(abs(peergate_clock_skew_seconds)) > 5",
        5,
        "warning",
        "A replica's clock and the API server's are {{ $value }} s apart.",
    ),
    Alert(
        "PeergateInvalidApprovals",
        f'sum by (result) (increase(peergate_approvals_checked_total{{result=~"{_INVALID}"}}[10m])) > 0',
        0,
        "warning",
        "Approvals were presented that nobody could have given so ({{ $labels.result }}).",
    ),
    Alert(
        "PeergateBarredAttempt",
        'sum by (gate) (increase(peergate_reviews_total{decision="deny",reason="barred"}[10m])) > 0',
        0,
        "warning",
        "An agent reached for what no approval opens (gate {{ $labels.gate }}).",
    ),
    Alert(
        "PeergateDenialSpike",
        'sum(increase(peergate_reviews_total{decision="deny"}[10m])) > 200',
        0,
        "warning",
        "More than 200 requests of agents were refused within ten minutes.",
    ),
    Alert(
        "PeergateRequestsWaiting",
        "max(peergate_change_request_oldest_seconds) > 3600",
        0,
        "warning",
        "A change has been waiting for a peer for more than an hour.",
    ),
    Alert(
        "PeergateFilingDropped",
        "sum by (cause) (increase(peergate_filing_dropped_total[10m])) > 0",
        0,
        "warning",
        "Refused changes were not filed for review ({{ $labels.cause }}).",
    ),
    Alert(
        "PeergateMatchConditionErrors",
        f"sum by (name) (increase({_UNEVALUATED}{_JUDGING}[10m])) > 0",
        0,
        "warning",
        "A condition of gate {{ $labels.name }} can't be evaluated; such requests are refused.",
    ),
    Alert(
        "PeergateGateWide",
        "max(peergate_gate_exact) == 0",
        10,
        "warning",
        "More than the tagged accounts are sent to the gate; an outage would stop them too.",
    ),
    Alert(
        "PeergateAgentUnlisted",
        'max(peergate_agents{state="unlisted"}) > 0',
        5,
        "warning",
        "{{ $value }} accounts are tagged as agents and are not sent to the gate.",
    ),
    Alert(
        "PeergateCompanionMissing",
        'min(peergate_webhook_config_ok{check="companion"}) == 0',
        10,
        "warning",
        "A companion policy is absent, changed or not bound; only the webhook stands.",
    ),
    Alert(
        "PeergateOpenDoor",
        'max by (check) (peergate_open_doors{weight="open"}) > 0',
        0,
        "warning",
        "{{ $value }} agents hold a right that leads round the gate ({{ $labels.check }}).",
    ),
)


def alert_rules() -> Mapping[str, Any]:
    """Return the rules as Prometheus reads them."""
    rules = [
        {
            "alert": alert.name,
            "expr": alert.expression,
            **({"for": f"{alert.minutes}m"} if alert.minutes else {}),
            "labels": {"severity": alert.severity},
            "annotations": {
                "summary": alert.summary,
                "runbook_url": f"{RUNBOOK}#{alert.name.lower()}",
            },
        }
        for alert in ALERTS
    ]
    return {"groups": [{"name": "peergate", "rules": rules}]}


_PANELS: Final[Sequence[tuple[str, str, str, Mapping[str, str]]]] = (
    (
        "Reviews by verdict",
        "timeseries",
        "reqps",
        {"{{decision}}": "sum by (decision) (rate(peergate_reviews_total[$__rate_interval]))"},
    ),
    (
        "Refusals by reason",
        "timeseries",
        "reqps",
        {"{{reason}}": 'sum by (reason) (rate(peergate_reviews_total{decision="deny"}[$__rate_interval]))'},
    ),
    (
        "Time of a review",
        "timeseries",
        "s",
        {
            f"p{share}": f"histogram_quantile(0.{share}, sum by (le) "
            "(rate(peergate_review_duration_seconds_bucket[$__rate_interval])))"
            for share in (50, 95, 99)
        },
    ),
    (
        "Change requests",
        "timeseries",
        "short",
        {"{{state}}": "max by (state) (peergate_change_requests)"},
    ),
    (
        "Oldest waiting request",
        "stat",
        "s",
        {"age": "max(peergate_change_request_oldest_seconds)"},
    ),
    (
        "From request to decision",
        "timeseries",
        "s",
        {
            "{{outcome}} p50": "histogram_quantile(0.50, sum by (le, outcome) "
            "(rate(peergate_change_request_decision_seconds_bucket[$__rate_interval])))"
        },
    ),
    (
        "Approvals checked",
        "timeseries",
        "short",
        {"{{result}}": "sum by (result) (increase(peergate_approvals_checked_total[$__rate_interval]))"},
    ),
    ("Gate is exact", "stat", "bool_yes_no", {"exact": "max(peergate_gate_exact)"}),
    ("Agents", "stat", "short", {"{{state}}": "max by (state) (peergate_agents)"}),
    (
        "Open doors",
        "table",
        "short",
        {"{{check}}": 'max by (check) (peergate_open_doors{weight="open"}) > 0'},
    ),
    (
        "Webhook configuration",
        "table",
        "bool_yes_no",
        {"{{check}}": "min by (check) (peergate_webhook_config_ok)"},
    ),
    (
        "Age of caches",
        "timeseries",
        "s",
        {"{{resource}}": "max by (resource) (peergate_snapshot_age_seconds)"},
    ),
    (
        "Certificates end in",
        "stat",
        "s",
        {"{{role}}": "min by (role) (peergate_certificate_expiry_timestamp_seconds) - time()"},
    ),
    (
        "Errors",
        "timeseries",
        "short",
        {
            "review: {{cause}}": "sum by (cause) (increase(peergate_review_errors_total[$__rate_interval]))",
            "filing: {{cause}}": "sum by (cause) (increase(peergate_filing_dropped_total[$__rate_interval]))",
        },
    ),
    (
        "Refusals as the API server sees them",
        "timeseries",
        "reqps",
        {
            "{{name}} {{rejection_code}}": "sum by (name, rejection_code) "
            f"(rate(apiserver_admission_webhook_rejection_count{_JUDGING}[$__rate_interval]))"
        },
    ),
)
_WIDTH: Final = 8
_HEIGHT: Final = 7
_COLUMNS: Final = 24 // _WIDTH


def dashboard() -> Mapping[str, Any]:
    """Return the Grafana dashboard."""
    return {
        "__comment": "generated by make generate; change tests/tools/alerts.py instead",
        "uid": "peergate",
        "title": "Peergate",
        "tags": ["peergate"],
        "editable": True,
        "schemaVersion": 41,
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "30s",
        "templating": {
            "list": [
                {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"}
            ]
        },
        "panels": list(_panels()),
    }


def _panels() -> Iterator[Mapping[str, Any]]:
    source = {"type": "prometheus", "uid": "${datasource}"}
    for number, (title, kind, unit, queries) in enumerate(_PANELS):
        yield {
            "id": number + 1,
            "title": title,
            "type": kind,
            "datasource": source,
            "gridPos": {
                "x": number % _COLUMNS * _WIDTH,
                "y": number // _COLUMNS * _HEIGHT,
                "w": _WIDTH,
                "h": _HEIGHT,
            },
            "fieldConfig": {"defaults": {"unit": unit}, "overrides": []},
            "targets": [
                {
                    "refId": chr(ord("A") + position),
                    "datasource": source,
                    "expr": expression,
                    "legendFormat": legend,
                    **({"instant": True, "format": "table"} if kind == "table" else {}),
                }
                for position, (legend, expression) in enumerate(queries.items())
            ],
        }


def alerts_file() -> str:
    """Return the text of the rules' file."""
    text = yaml.safe_dump(dict(alert_rules()), sort_keys=False, width=200)
    return f"# generated by make generate; change tests/tools/alerts.py instead\n{text}"


def dashboard_file() -> str:
    """Return the text of the dashboard's file."""
    return json.dumps(dashboard(), indent=2) + "\n"
