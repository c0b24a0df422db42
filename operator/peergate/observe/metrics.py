"""The operator's metrics (experience.md §3.5).

No label names a user, a namespace, an object or a uid: those are in the log and in the audit log. Every label
value comes from a closed set, whatever a review says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final, Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from peergate import __version__
from peergate.model.changerequest import RequestState
from peergate.model.decision import Facts
from peergate.model.review import Gate
from peergate.observe.verdict import Verdict

__all__ = ["DropCause", "ErrorCause", "Metrics"]

ErrorCause = Literal["deadline", "body", "snapshot", "ledger", "clock", "bug"]
DropCause = Literal["limit", "queue", "rights", "unverified", "api"]
"""Why a refused change was not filed: too many open of its requester, too much to file at once, no right to
look at the object, object or account not as the review showed them, the API server did not take it."""

_OPERATIONS: Final = frozenset({"CREATE", "UPDATE", "DELETE", "CONNECT"})
_CAUSES: Final[tuple[ErrorCause, ...]] = ("deadline", "body", "snapshot", "ledger", "clock", "bug")
_DROP_CAUSES: Final[tuple[DropCause, ...]] = ("limit", "queue", "rights", "unverified", "api")
_KEY_TYPES: Final = frozenset({"ed25519", "ecdsa-p256", "rsa-pkcs1-sha256", "rsa-pss-sha256", "ssh"})
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


_DECISION_SECONDS: Final = (5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 4 * 3600.0, 12 * 3600.0, 24 * 3600.0)


class Metrics:
    """All metrics of one process, in a registry of its own, so that tests and tools can have many."""

    def __init__(self) -> None:
        self.registry: Final = CollectorRegistry(auto_describe=True)
        self._reviews = Counter(
            "peergate_reviews_total",
            "Reviews answered.",
            ("gate", "operation", "decision", "reason"),
            registry=self.registry,
        )
        self._duration = Histogram(
            "peergate_review_duration_seconds",
            "From the arrival of a review to its answer.",
            ("gate", "decision"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._errors = Counter(
            "peergate_review_errors_total",
            "Reviews that could not be read or decided.",
            ("cause",),
            registry=self.registry,
        )
        self._approvals = Counter(
            "peergate_approvals_checked_total",
            "Approvals checked: valid, or the code that refused them.",
            ("result", "key_type"),
            registry=self.registry,
        )
        self._snapshot_age = self._gauge(
            "snapshot_age_seconds", "Since a cache last heard from the API server.", "resource"
        )
        self._policies = self._gauge("policy_ready", "Whether a ProtectionPolicy is valid.", "name")
        self._approvers = self._gauge("approver_ready", "Whether an Approver has a valid key.", "name")
        self._agents = self._gauge("agents", "Tagged accounts.", "state")
        self._gate_exact = self._gauge(
            "gate_exact", "1 while exactly the tagged accounts are sent to the gates, 0 while more are."
        )
        self._doors = self._gauge(
            "open_doors",
            "Agents that hold a right which leads round the gate, or that only the gate stands against.",
            "check",
            "weight",
        )
        self._certificates = self._gauge(
            "certificate_expiry_timestamp_seconds", "When a certificate ends.", "role"
        )
        self._configuration = self._gauge(
            "webhook_config_ok", "Whether the webhook configuration is as shipped.", "check"
        )
        self._clock = self._gauge(
            "clock_skew_seconds", "How far the operator's clock is ahead of the API server's, to a second."
        )
        self._in_flight = self._gauge("reviews_in_flight", "Reviews in work.")
        self._gauge("build_info", "The version that runs.", "version").labels(__version__).set(1)
        # Children of a metric are looked up under a lock; the hot path keeps those it has met.
        self._answered: dict[tuple[str, str, str, str], tuple[Counter, Histogram]] = {}
        self._dropped = Counter(
            "peergate_filing_dropped_total",
            "Refused changes that were not filed as ChangeRequests.",
            ("cause",),
            registry=self.registry,
        )
        self._requests = self._gauge("change_requests", "ChangeRequests there are.", "state")
        self._decisions = Histogram(
            "peergate_change_request_decision_seconds",
            "From the filing of a ChangeRequest to its decision.",
            ("outcome",),
            buckets=_DECISION_SECONDS,
            registry=self.registry,
        )
        self._oldest = self._gauge("change_request_oldest_seconds", "Age of the oldest pending request.")
        for cause in _CAUSES:
            self._errors.labels(cause)
        for drop in _DROP_CAUSES:
            self._dropped.labels(drop)

    def reviewed(self, verdict: Verdict, *, gate: Gate, operation: str, seconds: float) -> None:
        """Count one answered review and the approvals that were checked for it."""
        known = operation if operation in _OPERATIONS else "other"
        key = (gate, known, verdict.word, verdict.reason)
        children = self._answered.get(key)
        if children is None:
            children = self._answered[key] = (
                self._reviews.labels(*key),
                self._duration.labels(gate, verdict.word),
            )
        children[0].inc()
        children[1].observe(seconds)
        self._checked(verdict.facts)

    def failed(self, cause: ErrorCause) -> None:
        """Count a review that could not be read or decided."""
        self._errors.labels(cause).inc()

    def filing_dropped(self, cause: DropCause) -> None:
        """Count a refused change that was not filed."""
        self._dropped.labels(cause).inc()

    def change_requests(self, count: Mapping[str, int], *, oldest: timedelta) -> None:
        """Show how many ChangeRequests there are, by state, and for how long the oldest has been pending."""
        for state in get_args(RequestState):
            self._requests.labels(state).set(count.get(state, 0))
        self._oldest.set(oldest.total_seconds())

    def change_request_decided(self, outcome: RequestState, *, after: timedelta) -> None:
        """Count a ChangeRequest that was decided so long after it was filed."""
        self._decisions.labels(outcome).observe(max(0.0, after.total_seconds()))

    def watch_in_flight(self, count: Callable[[], float]) -> None:
        """Ask ``count`` at every scrape how many reviews are in work."""
        self._in_flight.set_function(count)

    def watch_snapshot_age(self, resource: str, age: Callable[[], timedelta]) -> None:
        """Ask ``age`` at every scrape how long a resource's cache has heard nothing."""
        self._snapshot_age.labels(resource).set_function(lambda: age().total_seconds())

    def watch_clock(self, ahead: Callable[[], timedelta]) -> None:
        """Ask ``ahead`` at every scrape how far our clock is ahead of the API server's."""
        self._clock.set_function(lambda: ahead().total_seconds())

    def policies(self, ready: Mapping[str, bool]) -> None:
        """Show which ProtectionPolicies are valid; those not named any more vanish."""
        _replace(self._policies, ready)

    def approvers(self, ready: Mapping[str, bool]) -> None:
        """Show which Approvers have a valid key; those not named any more vanish."""
        _replace(self._approvers, ready)

    def agents(self, *, listed: int, unlisted: int, no_effect: int) -> None:
        """Show how many tagged accounts the webhook's condition lists, misses, and which tags do nothing."""
        for state, count in (("listed", listed), ("unlisted", unlisted), ("no-effect", no_effect)):
            self._agents.labels(state).set(count)

    def gate(self, *, exact: bool) -> None:
        """Show whether exactly the tagged accounts are sent to the gates."""
        self._gate_exact.set(exact)

    def doors(self, counts: Mapping[tuple[str, str], int]) -> None:
        """Show how many agents hold a right of each check, by how grave it is; none: nobody was asked."""
        self._doors.clear()
        for (check, weight), count in counts.items():
            self._doors.labels(check, weight).set(count)

    def certificate(self, role: Literal["ca", "serving"], *, expires: datetime) -> None:
        """Show when a certificate ends."""
        self._certificates.labels(role).set(expires.timestamp())

    def webhook_configuration(self, checks: Mapping[str, bool]) -> None:
        """Show which parts of the webhook configuration are as shipped."""
        _replace(self._configuration, checks)

    def render(self) -> bytes:
        """Return the text exposition of everything, as Prometheus reads it."""
        return generate_latest(self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"peergate_{name}", text, labels, registry=self.registry)

    def _checked(self, facts: Facts) -> None:
        for claim in facts.counted:
            self._approvals.labels("valid", _key_type(claim.key_type)).inc()
        for refused in facts.not_counted:
            self._approvals.labels(refused.code, _key_type(refused.key_type)).inc()


def _replace(gauge: Gauge, values: Mapping[str, bool]) -> None:
    gauge.clear()
    for name, value in values.items():
        gauge.labels(name).set(value)


def _key_type(key_type: str) -> str:
    return key_type if key_type in _KEY_TYPES else "unknown"
