"""Whether the gate will answer: its certificate, its replicas, its leader, and the clocks."""

from __future__ import annotations

import base64
import binascii
import ssl
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from peergate.cli.doctor.finding import Finding, Theme, fail, ok, warn
from peergate.cli.doctor.seen import Seen
from peergate.cli.text import plural
from peergate.model.names import JsonObject

__all__ = ["certificate_findings", "clock_findings", "leader_findings", "replica_findings"]

_SOON: Final = timedelta(days=21)
"""As the alert PeergateCertificateExpiring: renewal comes 90 days ahead, so by then something is wrong."""
_LEADER_SILENT: Final = timedelta(minutes=1)
_SKEW: Final = timedelta(seconds=30)
"""Approvals live for minutes and their times are compared across machines."""
_AT_LEAST: Final = 2
_STALLED: Final = "Agents are refused as long as this lasts; nobody else is."


def certificate_findings(seen: Seen) -> list[Finding]:
    """Return whether the CA bundle of every entry can be read and how long it lives."""
    if seen.configuration is None:
        return []
    ends = {
        str(entry.get("name")): _end_of(str((entry.get("clientConfig") or {}).get("caBundle") or ""))
        for entry in seen.configuration.get("webhooks") or ()
    }
    without = sorted(name for name, end in ends.items() if end is None)
    if without:
        return [
            fail(
                Theme.GATE,
                "certificate",
                f"{plural(len(without), 'entry', many='entries')} without a CA bundle that can be read.",
                allows=f"The API server can't reach the gate. {_STALLED}",
                mend=(f"kubectl -n {seen.settings.namespace} logs deploy/peergate",),
                subjects=tuple(without),
            )
        ]
    last = min((end for end in ends.values() if end is not None), default=None)
    if last is None:
        return []
    day = last.strftime("%Y-%m-%d")
    if last - seen.now < _SOON:
        make, state = (fail, "ended") if last <= seen.now else (warn, "ends")
        return [
            make(
                Theme.GATE,
                "certificate",
                f"The gate's CA {state} on {day}; the operator should have renewed it.",
                allows=f"Without a valid certificate the API server can't reach the gate. {_STALLED}",
                mend=(f"kubectl -n {seen.settings.namespace} rollout restart deploy/peergate",),
            )
        ]
    return [ok(Theme.GATE, "certificate", f"The gate's CA lives until {day}.")]


def replica_findings(seen: Seen) -> list[Finding]:
    """Return whether replicas are there to answer, more than one, and kept by a disruption budget."""
    namespace = seen.settings.namespace
    if seen.configuration is None:
        return []
    services = _services(seen.configuration)
    if not services:
        return [
            warn(
                Theme.GATE,
                "replicas",
                "The gate is reached by an address and not through a Service: replicas can't be seen.",
                allows="Whoever answers at that address decides about agents' changes.",
                mend=("check that the url in the webhook configuration is Peergate's",),
            )
        ]
    found = []
    ready = _ready(seen.endpoint_slices, services=services)
    if seen.endpoint_slices is not None and ready < _AT_LEAST:
        make = warn if ready else fail
        found.append(
            make(
                Theme.GATE,
                "replicas",
                f"{plural(ready, 'replica')} of the operator ready to answer.",
                allows=_STALLED if not ready else "When it goes, agents are refused until another is ready.",
                mend=(
                    f"kubectl -n {namespace} get pods"
                    if not ready
                    else f"kubectl -n {namespace} scale deploy/peergate --replicas 2",
                ),
                threats=("T17",),
            )
        )
    if seen.budgets is not None and not seen.budgets:
        found.append(
            warn(
                Theme.GATE,
                "budget",
                f"No PodDisruptionBudget in {namespace}.",
                allows="A drain of nodes can take every replica at once.",
                mend=("helm upgrade with podDisruptionBudget.enabled=true, or: peergate doctor --fix",),
                threats=("T17",),
                manifests=tuple(_budget(one) for one in (seen.deployments or ())[:1]),
            )
        )
    return found or [ok(Theme.GATE, "replicas", f"{plural(ready, 'replica')} ready, kept by a budget.")]


def leader_findings(seen: Seen) -> list[Finding]:
    """Return whether a replica leads: it lists agents, writes status and renews the certificate."""
    renewed = _stamped(seen.lease) or _renewed(seen.lease)
    now = seen.server_time or seen.now
    if renewed is not None and now - renewed < _LEADER_SILENT:
        return [ok(Theme.GATE, "leader", "A replica leads.")]
    since = "" if renewed is None else f" since {renewed.strftime('%Y-%m-%dT%H:%MZ')}"
    return [
        fail(
            Theme.GATE,
            "leader",
            f"No replica of the operator leads{since}.",
            allows="New tags are not listed, and such agents are not sent to the gate.",
            mend=(
                f"kubectl -n {seen.settings.namespace} get pods",
                f"kubectl -n {seen.settings.namespace} logs deploy/peergate",
            ),
            threats=("T17", "T23"),
        )
    ]


def clock_findings(seen: Seen) -> list[Finding]:
    """Return whether this machine, the API server and the operator's leader agree about the time."""
    if seen.server_time is None:
        return []
    here = abs(seen.now - seen.server_time)
    renewed, stamped = _renewed(seen.lease), _stamped(seen.lease)
    ahead = timedelta(0)
    if renewed is not None:
        # Without the API server's stamp, a clock that is behind looks like a lease that was not renewed.
        ahead = abs(renewed - stamped) if stamped is not None else renewed - seen.server_time
    found = []
    if here > _SKEW:
        found.append(_skew("This machine", here))
    if ahead > _SKEW:
        found.append(_skew("The operator", ahead))
    return found or [ok(Theme.GATE, "clock", "This machine, the API server and the operator agree.")]


def _skew(who: str, much: timedelta) -> Finding:
    return warn(
        Theme.GATE,
        "clock",
        f"{who} and the API server differ by {much.total_seconds():.0f} s.",
        allows="Approvals seem to begin later or end earlier than they should, and some are not decided.",
        mend=("set the clocks by NTP",),
    )


def _renewed(lease: JsonObject | None) -> datetime | None:
    """Return when the lease was renewed, by the clock of who did."""
    return _instant(((lease or {}).get("spec") or {}).get("renewTime"))


def _stamped(lease: JsonObject | None) -> datetime | None:
    """Return when the lease was renewed, by the API server's clock, which stamps whose field a time is."""
    for entry in ((lease or {}).get("metadata") or {}).get("managedFields") or ():
        if "f:renewTime" in ((entry.get("fieldsV1") or {}).get("f:spec") or {}):
            return _instant(entry.get("time"))
    return None


def _end_of(encoded: str) -> datetime | None:
    """Return when the first certificate of a bundle that still holds ends; ``None`` if none can be read."""
    try:
        pem = base64.b64decode(encoded, validate=True).decode("ascii")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=pem)
    except (binascii.Error, UnicodeDecodeError, ssl.SSLError, ValueError):
        return None
    ends = [
        datetime.fromtimestamp(ssl.cert_time_to_seconds(str(found["notAfter"])), tz=UTC)
        for found in context.get_ca_certs()
    ]
    # During a renewal the old CA and the new one stand beside each other: the last to end carries on.
    return max(ends, default=None)


def _services(configuration: JsonObject | None) -> set[str]:
    return {
        str(service["name"])
        for entry in (configuration or {}).get("webhooks") or ()
        if (service := (entry.get("clientConfig") or {}).get("service"))
    }


def _ready(slices: Sequence[JsonObject] | None, *, services: set[str]) -> int:
    """Return how many addresses behind the Services are ready; unknown counts as ready, as for kube-proxy."""
    return len(
        {
            address
            for one in slices or ()
            if ((one.get("metadata") or {}).get("labels") or {}).get("kubernetes.io/service-name") in services
            for endpoint in one.get("endpoints") or ()
            if (endpoint.get("conditions") or {}).get("ready") is not False
            for address in endpoint.get("addresses") or ()
        }
    )


def _budget(deployment: Mapping[str, Any]) -> JsonObject:
    metadata = deployment["metadata"]
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
        "spec": {
            "minAvailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": (deployment.get("spec") or {}).get("selector") or {},
        },
    }


def _instant(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
