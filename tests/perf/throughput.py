"""Requests over TLS: ours, beside a server that does not think and beside the same gate under kopf.

All servers run for the whole measurement, on one core; the client has another. Round by round every arm gets
its turn with the same requests, so ratios are taken between neighbours in time. Beside the rate stands the
server's processor time for each request, which other programs on the machine disturb less.
"""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import uvloop
from tests.perf.client import Call, Load, call
from tests.perf.process import Server, client_core, running
from tests.perf.report import Report, Spread, Target, percentile, spread
from tests.perf.servers import PATHS
from tests.perf.world import Who, deployment, review_bytes, review_of

__all__ = ["measure"]

_ARMS = ("ours", "bare", "kopf", "large")
_CONNECTIONS = (1, 16)
_BARE_SHARE = 0.6
_KOPF_TIMES = 2.0
_RATE = 1_000
"""Requests a second that one core must sustain, of the kind that costs most."""
_SETTLE_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of request."""

    name: str
    who: Who
    objects: int = 64
    """Different ones, sent in turns."""


_BYSTANDER = _Kind("a bystander's DELETE", "bystander")
_APPROVED = _Kind("an agent's DELETE, one approval", "approved")
_NEW = _Kind("an agent's DELETE, one new approval", "approved", objects=2048)
"""In turns of more than ``approval.signed`` keeps, every approval is as good as never seen."""
_KINDS = (_BYSTANDER, _APPROVED, _NEW)


@dataclass(frozen=True, slots=True)
class _Sample:
    """One arm's turn in one round."""

    rate: float
    cpu_microseconds: float
    """Of the server, for one request."""
    client_share: float
    """Of the time the client was busy: near 1 it would be the client that is measured."""
    latencies: Sequence[float]


_Key = tuple[str, str, int]
"""Kind of request, arm, connections."""


def measure(report: Report, *, quick: bool) -> None:
    """Measure, show and keep the figures."""
    rounds, seconds = (2, 0.4) if quick else (7, 1.5)
    before = os.sched_getaffinity(0)
    core = client_core()
    cores = f"servers on core {min(before)}, client on core {core}"
    report.say(f"over TLS: {rounds} rounds of {seconds} s, {cores}")
    try:
        with running(*_ARMS, core=min(before)) as servers:
            found = uvloop.run(_all_rounds(servers, rounds=rounds, seconds=seconds))
            resident = {server.arm: server.resident_mib() for server in servers}
    finally:
        os.sched_setaffinity(0, before)
    _show(report, found)
    shown = ", ".join(f"{arm} {mib:.0f}" for arm, mib in resident.items())
    report.say(f"resident memory afterwards, MiB: {shown}")
    report.figures["tlsResidentMiB"] = resident


async def _all_rounds(
    servers: Sequence[Server], *, rounds: int, seconds: float
) -> Mapping[_Key, list[_Sample]]:
    found: defaultdict[_Key, list[_Sample]] = defaultdict(list)
    calls = {(kind.name, server.arm): _calls(kind, arm=server.arm) for kind in _KINDS for server in servers}
    loads = {
        (server.arm, connections): await Load.connect(server.port, tls=server.tls, connections=connections)
        for server in servers
        for connections in _CONNECTIONS
    }
    await _check(servers)
    for number in range(-1, rounds):
        for kind in (kind.name for kind in _KINDS):
            for connections in _CONNECTIONS:
                # Every round starts with another arm.
                turn = number % len(servers)
                for server in (*servers[turn:], *servers[:turn]):
                    load, mine = loads[server.arm, connections], calls[kind, server.arm]
                    if number < 0:
                        await load.repeat(mine, seconds=_SETTLE_SECONDS)
                    else:
                        sample = await _sample(server, load=load, calls=mine, seconds=seconds)
                        found[kind, server.arm, connections].append(sample)
    for load in loads.values():
        load.close()
    await asyncio.sleep(0)
    return found


async def _check(servers: Sequence[Server]) -> None:
    """Make sure that every arm that is said to think refuses an agent that has no approval."""
    for server in servers:
        if server.arm != "bare":
            load = await Load.connect(server.port, tls=server.tls, connections=1)
            await load.send(_calls(_Kind("refused", "agent", objects=1), arm=server.arm))
            load.close()


def _calls(kind: _Kind, *, arm: str) -> list[Call]:
    now = datetime.now(UTC)
    calls = []
    for number in range(kind.objects):
        review = review_of(deployment(number), operation="DELETE", who=kind.who, now=now)
        uid = review["request"]["uid"]
        calls.append(call(review_bytes(review), path=PATHS[arm], uid=uid, allowed=kind.who != "agent"))
    return calls


async def _sample(server: Server, *, load: Load, calls: Sequence[Call], seconds: float) -> _Sample:
    server_before, client_before = server.cpu_seconds(), sum(os.times()[:2])
    tally = await load.repeat(calls, seconds=seconds)
    used = server.cpu_seconds() - server_before
    return _Sample(
        rate=tally.rate,
        cpu_microseconds=used * 1e6 / len(tally.latencies),
        client_share=(sum(os.times()[:2]) - client_before) / tally.seconds,
        latencies=tally.latencies,
    )


def _show(report: Report, found: Mapping[_Key, list[_Sample]]) -> None:
    rows, figures = [], []
    for (kind, arm, connections), samples in sorted(found.items()):
        rate = spread(sample.rate for sample in samples)
        cpu = spread(sample.cpu_microseconds for sample in samples)
        latencies = sorted(1000 * latency for sample in samples for latency in sample.latencies)
        p50, p99 = percentile(latencies, 0.5), percentile(latencies, 0.99)
        client = max(sample.client_share for sample in samples)
        rows.append(
            (
                kind,
                arm,
                str(connections),
                rate.shown(0),
                f"{p50:.2f}",
                f"{p99:.2f}",
                cpu.shown(0),
                f"{client:.0%}",
            )
        )
        figures.append(
            {
                "request": kind,
                "arm": arm,
                "connections": connections,
                "requestsPerSecond": rate,
                "latencyMilliseconds": {"p50": p50, "p99": p99},
                "serverMicrosecondsPerRequest": cpu,
                "clientBusy": client,
            }
        )
    report.table(
        "over TLS; rate and processor time: median of the rounds (range); latency in ms",
        columns=("request", "arm", "conns", "requests/s", "p50", "p99", "server CPU us/request", "client"),
        rows=rows,
    )
    ratios = [
        (kind.name, other, connections, *_ratios(found, kind=kind.name, other=other, connections=connections))
        for kind in _KINDS
        for other in _ARMS[1:]
        for connections in _CONNECTIONS
    ]
    report.table(
        "ours over another arm, round by round: median (range)",
        columns=("request", "over", "conns", "requests/s", "by processor time"),
        rows=[
            (kind, other, str(connections), rate.shown(), cpu.shown())
            for kind, other, connections, rate, cpu in ratios
        ],
    )
    report.figures["tls"] = {
        "arms": figures,
        "oursOver": [
            {"request": kind, "arm": other, "connections": connections, "rate": rate, "processor": cpu}
            for kind, other, connections, rate, cpu in ratios
        ],
    }
    sustained = {
        kind.name: spread(sample.rate for sample in found[kind.name, "ours", max(_CONNECTIONS)])
        for kind in (_APPROVED, _NEW)
    }
    report.judge(
        Target(
            what=f"{kind}: requests/s, {max(_CONNECTIONS)} connections, one core",
            wanted=f">= {_RATE:,}",
            found=rate.shown(0),
            met=rate.median >= _RATE,
        )
        for kind, rate in sustained.items()
    )
    report.judge(
        _target(kind, other, connections, rate, wanted=wanted)
        for kind, other, connections, rate, _ in ratios
        for wanted in [_WANTED.get((kind, other))]
        if wanted is not None
    )


def _ratios(
    found: Mapping[_Key, list[_Sample]], *, kind: str, other: str, connections: int
) -> tuple[Spread, Spread]:
    pairs = list(zip(found[kind, "ours", connections], found[kind, other, connections], strict=True))
    rate = spread(ours.rate / theirs.rate for ours, theirs in pairs)
    return rate, spread(theirs.cpu_microseconds / ours.cpu_microseconds for ours, theirs in pairs)


_WANTED = {
    (_BYSTANDER.name, "bare"): _BARE_SHARE,
    (_APPROVED.name, "kopf"): _KOPF_TIMES,
    (_NEW.name, "kopf"): _KOPF_TIMES,
}


def _target(kind: str, other: str, connections: int, rate: Spread, *, wanted: float) -> Target:
    return Target(
        what=f"{kind}: requests/s over {other}, {connections} connection{'s' if connections > 1 else ''}",
        wanted=f">= {wanted}",
        found=rate.shown(),
        met=rate.median >= wanted,
    )
