"""What a client waits for: requests through a real API server, with and without a gate.

All arms stand in one cluster, each with a namespace of its own that only its gate selects, and take turns:
in every round each arm gets one request of each kind over the one connection of its client. What an arm adds
is taken round by round against the arm that has no gate. The controllers stand still meanwhile, so that
nothing but the request is at work.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.harness.clients import Client, Reply
from tests.harness.peergate import wait_gated
from tests.harness.waiting import wait_until
from tests.perf.gates import ANNOTATION, LABEL, other_gates
from tests.perf.report import Report, Target
from tests.perf.turns import added, shares, take_turns
from tests.support.changes import BACKGROUND, Peer, config_map, path_of, sign, slots
from tests.support.world import World, world

__all__ = ["measure"]

_FILLER = "x" * 1200
"""As long as an approval: every arm's objects are of one size."""
_CHANGED = "red"
_APPLY = "application/apply-patch+yaml"
_ADMITTED_TIMES = 1.4
_P99_MILLISECONDS = 10.0
_NOISE_MILLISECONDS = 0.3
"""Below this two arms of the same configuration differ here from run to run."""


@dataclass(frozen=True, slots=True)
class _Arm:
    """One way a request can go."""

    name: str
    namespace: str
    agent: bool = False
    attached_by: str = ""
    """Who puts the approval on the object: ``agent``, ``admin``, or nobody as there is none."""
    code: int = 200
    gate: str = ""
    """Which other gate judges it."""


_ARMS = (
    _Arm("no gate", "bench-none"),
    _Arm("no gate, again", "bench-again"),
    _Arm("gate, bystander", "bench-bystander"),
    _Arm("gate, agent refused", "bench-refused", agent=True, code=403),
    _Arm("gate, agent admitted", "bench-admitted", agent=True, attached_by="agent"),
    _Arm("gate, agent admitted, new", "bench-new", agent=True, attached_by="admin"),
    _Arm("bare webhook", "bench-bare", gate="bare"),
    _Arm("kopf handler", "bench-kopf", gate="kopf"),
    _Arm("policy in process", "bench-policy", gate="policy"),
)
_BASE = _ARMS[0].name


@dataclass(frozen=True, slots=True)
class _Deed:
    """What is done to an object, and what the object is before."""

    name: str
    resource: str
    api: str
    body: Callable[[str, str], dict[str, Any]]
    do: Callable[[Client, str, str, str], Reply]
    """Gets the client, the path, the namespace and the name."""


def _settings(namespace: str, name: str, *, colour: str = "blue") -> dict[str, Any]:
    body = config_map(namespace, name)
    return {**body, "data": {"colour": colour, "text": "y" * 1000}}


def _deployment(namespace: str, name: str) -> dict[str, Any]:
    labels = {"app": name}
    container = {"name": "c", "image": "example.invalid/app:1", "ports": [{"containerPort": 8080}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def _delete(client: Client, path: str, namespace: str, name: str) -> Reply:
    del namespace, name
    return client.request("DELETE", path, body=BACKGROUND)


def _apply(client: Client, path: str, namespace: str, name: str, **query: str) -> Reply:
    return client.request(
        "PATCH",
        path,
        body=_settings(namespace, name, colour=_CHANGED),
        content_type=_APPLY,
        query={"fieldManager": "bench", "force": "true", **query},
    )


_DEEDS = (
    _Deed("delete a ConfigMap", "configmaps", "v1", _settings, _delete),
    _Deed("delete a Deployment", "deployments", "apps/v1", _deployment, _delete),
    _Deed("apply a ConfigMap", "configmaps", "v1", _settings, _apply),
)


def measure(report: Report, *, quick: bool) -> None:
    """Measure, show and keep the figures."""
    rounds = 20 if quick else 250
    report.say(f"api: {rounds} rounds of every kind of request through a real API server, one connection")
    with world() as here, other_gates(here.cluster):
        alice = here.crew.register("alice")
        for arm in _ARMS:
            _make_namespace(here.cluster.admin, arm)
        wait_gated(here.agent, namespace=_named("gate, agent admitted").namespace)
        _prove_gates(here)
        here.cluster.controller_manager.pause()
        found = {deed.name: _measure(here, deed, by=alice, rounds=rounds) for deed in _DEEDS}
        here.cluster.controller_manager.resume()
    _show(report, found)


def _measure(here: World, deed: _Deed, *, by: Peer, rounds: int) -> dict[str, list[float]]:
    """Return the milliseconds of every arm's requests, by arm."""
    paths = {arm.name: _fill(here, deed, arm, by=by, count=rounds) for arm in _ARMS}
    turns = {arm.name: _turn(here, deed, arm, paths=paths[arm.name]) for arm in _ARMS}
    return take_turns(turns, rounds=rounds, seed=deed.name)


def _turn(here: World, deed: _Deed, arm: _Arm, *, paths: Sequence[str]) -> Callable[[int], float]:
    client = here.agent if arm.agent else here.bystander

    def take(number: int) -> float:
        path = paths[number]
        name = path.rpartition("/")[2]
        started = time.perf_counter()
        reply = deed.do(client, path, arm.namespace, name)
        seconds = time.perf_counter() - started
        if reply.code != arm.code:
            raise RuntimeError(f"{deed.name}, {arm.name}: {reply.code} {reply.body}")
        return seconds

    return take


def _fill(here: World, deed: _Deed, arm: _Arm, *, by: Peer, count: int) -> Sequence[str]:
    """Make the objects of one arm, with an approval where it needs one; return their paths."""
    prefix = deed.name.replace(" a ", "-").lower()
    paths = []
    for number in range(count if arm.code == 200 else 1):
        name = f"{prefix}-{number}"
        path = path_of(deed.resource, name, namespace=arm.namespace, api=deed.api)
        body = deed.body(arm.namespace, name)
        if not arm.attached_by:
            body["metadata"]["annotations"] = {ANNOTATION: _FILLER}
        here.desk.create(path, body)
        if arm.attached_by:
            if deed.do is _apply:
                new = _apply(here.cluster.admin, path, arm.namespace, name, dryRun="All").body
                change = here.desk.update(path, new)
            else:
                change = here.desk.deletion(path)
            client = here.agent if arm.attached_by == "agent" else here.cluster.admin
            here.desk.attach(path, slots(sign(change, by=by)), client=client)
        paths.append(path)
    return paths if arm.code == 200 else paths * count


def _make_namespace(admin: Client, arm: _Arm) -> None:
    labels = {"peergate.dev/protected": "true"} if arm.name.startswith("gate") else {LABEL: arm.gate}
    admin.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": arm.namespace, "labels": labels}}
    )
    path = path_of("configmaps", "kube-root-ca.crt", namespace=arm.namespace)
    wait_until("its namespace is filled", lambda: admin.request("GET", path).code == 200)
    admin.apply(config_map(arm.namespace, "probe"))


def _prove_gates(here: World) -> None:
    """Make sure that the arms that look for an annotation refuse an object that has none."""
    for name in ("kopf handler", "policy in process"):
        path = path_of("configmaps", "probe", namespace=_named(name).namespace)
        query = {"dryRun": "All"}
        wait_until(
            f"{name} refuses what has no annotation",
            lambda path=path, query=query: (
                here.bystander.request("DELETE", path, query=query).code in {403, 422}
            ),  # type: ignore[misc]
        )


def _named(arm: str) -> _Arm:
    return next(one for one in _ARMS if one.name == arm)


def _added(samples: Mapping[str, Sequence[float]], arm: str) -> list[float]:
    """Return what the arm took longer than no gate did, round by round."""
    return added(samples[arm], samples[_BASE])


def _show(report: Report, found: Mapping[str, Mapping[str, Sequence[float]]]) -> None:
    rows, figures = [], []
    for deed, samples in found.items():
        for arm in samples:
            whole, more = shares(samples[arm]), shares(_added(samples, arm))
            rows.append(
                (
                    deed,
                    arm,
                    *(f"{value:.2f}" for value in whole.values()),
                    *("" if arm == _BASE else f"{value:+.2f}" for value in more.values()),
                )
            )
            figures.append({"request": deed, "arm": arm, "milliseconds": whole, "added": more})
    report.table(
        "through the API server, ms; added: against no gate, round by round",
        columns=("request", "arm", "p50", "p95", "p99", "added p50", "added p95", "added p99"),
        rows=rows,
    )
    report.figures["api"] = figures
    for deed, samples in found.items():
        report.judge(_targets(deed, samples))


def _targets(deed: str, samples: Mapping[str, Sequence[float]]) -> Iterator[Target]:
    typical = {arm: statistics.median(_added(samples, arm)) for arm in samples}
    target = partial(_target, deed)
    admitted, bare, kopf = (typical[arm] for arm in ("gate, agent admitted", "bare webhook", "kopf handler"))
    yield target(
        "an admitted agent request adds, over a bare webhook",
        f"<= {_ADMITTED_TIMES}",
        f"{admitted / bare:.2f}",
        admitted <= _ADMITTED_TIMES * bare,
    )
    yield target(
        "the same over a kopf handler that looks for an annotation",
        "< 1",
        f"{admitted / kopf:.2f}",
        admitted < kopf,
    )
    slowest = shares(_added(samples, "gate, agent admitted"))["p99"]
    yield target(
        "p99 that it adds", f"< {_P99_MILLISECONDS:.0f} ms", f"{slowest:.1f} ms", slowest < _P99_MILLISECONDS
    )
    bystander, noise = typical["gate, bystander"], typical["no gate, again"]
    yield target(
        "a bystander's request adds",
        f"< {_NOISE_MILLISECONDS} ms",
        f"{bystander:+.2f} ms (no gate, again: {noise:+.2f})",
        bystander < _NOISE_MILLISECONDS,
    )


def _target(deed: str, what: str, wanted: str, found: str, met: bool) -> Target:
    return Target(what=f"{deed}: {what}", wanted=wanted, found=found, met=met)
