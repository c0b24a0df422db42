"""How long an approver waits for the command line: ``show`` with thousands of dependents, ``list``, help.

In a cluster of its own, in which the gate does not run.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.harness.cluster import Cluster
from tests.harness.waiting import wait_until
from tests.perf.making import make
from tests.perf.report import Report, Spread, Target, spread
from tests.support.changes import Desk, config_map, path_of
from tests.support.cli import run
from tests.support.filed import filed
from tests.support.requests import summary_of
from tests.support.requests_of import request_path

__all__ = ["measure"]

_CRDS = Path(__file__).resolve().parents[2] / "manifests" / "crds"
_KINDS = ("approvaluses", "approvers", "changerequests", "protectionpolicies")
_NAMESPACE = "shop"


def measure(report: Report, *, quick: bool) -> None:
    """Measure, show and keep the figures."""
    dependents, requests, rounds = (500, 100, 2) if quick else (5_000, 1_000, 5)
    report.say(f"show: a deletion that takes {dependents:,} objects along; a list of {requests:,} requests")
    with _filed(dependents, requests=requests) as (cluster, request):
        screens = (
            _Screen(
                name=f"show with {dependents:,} dependents",
                arguments=("-n", _NAMESPACE, "show", request),
                shows=f"{dependents} objects that it owns go too",
                seconds=5.0,
            ),
            _Screen(
                name=f"list of {requests:,} requests",
                arguments=("-n", _NAMESPACE, "list", "--all", "-o", "name"),
                shows=request,
                seconds=1.0,
            ),
            _Screen(name="--help", arguments=("--help",), shows="approve", seconds=0.15),
        )
        found = [_timed(screen, kubeconfig=cluster.kubeconfig, rounds=rounds) for screen in screens]
    report.table(
        "the command line, from start to end of the process",
        columns=("what", "seconds", "of these, processor time of the command"),
        rows=[
            (screen.name, seconds.shown(), busy.shown())
            for screen, (seconds, busy) in zip(screens, found, strict=True)
        ],
    )
    report.figures["show"] = [
        {"what": screen.name, "seconds": seconds, "busySeconds": busy}
        for screen, (seconds, busy) in zip(screens, found, strict=True)
    ]
    report.judge(
        Target(
            what=screen.name,
            wanted=f"< {screen.seconds:g} s",
            found=f"{seconds.median:.2f} s",
            met=seconds.median < screen.seconds,
        )
        for screen, (seconds, _) in zip(screens, found, strict=True)
    )


@dataclass(frozen=True, slots=True)
class _Screen:
    """A call of the command line, and how long it may take."""

    name: str
    arguments: tuple[str, ...]
    shows: str
    """What its output must hold."""
    seconds: float


def _timed(screen: _Screen, *, kubeconfig: Path, rounds: int) -> tuple[Spread, Spread]:
    """Return its seconds and the seconds that it was busy."""
    seconds, busy = [], []
    for _ in range(rounds):
        started, before = time.monotonic(), _processor_time()
        done = run(*screen.arguments, kubeconfig=kubeconfig)
        seconds.append(time.monotonic() - started)
        busy.append(_processor_time() - before)
        if done.status or screen.shows not in done.out:
            raise RuntimeError(f"a wrong screen: {done.out[-2000:]}{done.err}")
    return spread(seconds), spread(busy)


def _processor_time() -> float:
    """Return the seconds that processes of ours that have ended were busy."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def _filed(dependents: int, *, requests: int) -> Iterator[tuple[Cluster, str]]:
    """Give a cluster with so many requests and the name of one: to delete what owns so many others."""
    with Cluster() as cluster:
        cluster.kubectl("apply", "--server-side", "-f", str(_CRDS)).must()
        for kind in _KINDS:
            path = f"/apis/peergate.dev/v1alpha1/{kind}"
            wait_until(f"{kind} are served", lambda path=path: cluster.admin.request("GET", path).code == 200)  # type: ignore[misc]
        cluster.admin.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _NAMESPACE}},
            {
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": {"name": "bot", "namespace": _NAMESPACE},
            },
            config_map(_NAMESPACE, "owner"),
        )
        path = path_of("configmaps", "owner", namespace=_NAMESPACE)
        owner = cluster.admin.request("GET", path).body["metadata"]["uid"]
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner}

        def owned(number: int) -> tuple[str, Any]:
            metadata = {"labels": {"app": "web"}, "ownerReferences": [reference]}
            return path.rpartition("/")[0], config_map(_NAMESPACE, f"owned-{number}", metadata=metadata)

        make(cluster.admin, map(owned, range(dependents)), what="dependents", total=dependents)
        desk = Desk(cluster, cluster.admin, account=f"{_NAMESPACE}/bot", owner="team-platform")

        def asked(number: int) -> tuple[str, Any]:
            change = desk.deletion(path_of("configmaps", f"owned-{number}", namespace=_NAMESPACE))
            return request_path(change).rpartition("/")[0], filed(desk, change, post=False)

        make(cluster.admin, map(asked, range(requests - 1)), what="requests", total=requests - 1)
        change = desk.deletion(path)
        summary = summary_of(change, desk.get(path), None)
        yield cluster, filed(desk, change, summary=summary)["metadata"]["name"]
