"""How long an approver waits for the screen: ``peergate show`` of a deletion with thousands of dependents.

The one section that needs a cluster; it starts its own.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.harness.cluster import Cluster
from tests.harness.waiting import wait_until
from tests.perf.report import Report, Target, spread
from tests.support.changes import Desk, config_map, path_of
from tests.support.cli import run
from tests.support.filed import filed
from tests.support.requests import summary_of

__all__ = ["measure"]

_CRDS = Path(__file__).resolve().parents[2] / "manifests" / "crds"
_KINDS = ("approvaluses", "approvers", "changerequests", "protectionpolicies")
_NAMESPACE = "shop"
_SECONDS = 5.0
_AT_ONCE = 8


def measure(report: Report, *, quick: bool) -> None:
    """Measure, show and keep the figures."""
    dependents, rounds = (500, 2) if quick else (5_000, 5)
    report.say(f"show: a deletion that takes {dependents:,} objects along")
    with _filed(dependents) as (cluster, request):
        seconds, busy = [], []
        for _ in range(rounds):
            started, before = time.monotonic(), _processor_time()
            done = run("-n", _NAMESPACE, "show", request, kubeconfig=cluster.kubeconfig)
            seconds.append(time.monotonic() - started)
            busy.append(_processor_time() - before)
            if done.status or f"{dependents} objects that it owns go too" not in done.out:
                raise RuntimeError(f"a wrong screen: {done.out}{done.err}")
    found, own = spread(seconds), spread(busy)
    report.table(
        "peergate show, from start to end of the process",
        columns=("dependents", "seconds", "of these, processor time of the command"),
        rows=[(f"{dependents:,}", found.shown(), own.shown())],
    )
    report.figures["show"] = {"unit": "s", "dependents": dependents, "seconds": seconds, "busy": busy}
    report.judge(
        [
            Target(
                what=f"show with {dependents:,} dependents",
                wanted=f"< {_SECONDS:.0f} s",
                found=f"{found.median:.1f} s",
                met=found.median < _SECONDS,
            )
        ]
    )


def _processor_time() -> float:
    """Return the seconds that processes of ours that have ended were busy."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def _filed(dependents: int) -> Iterator[tuple[Cluster, str]]:
    """Give a cluster and the name of the request to delete an object that owns so many others."""
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

        def make(number: int) -> Any:
            metadata = {"labels": {"app": "web"}, "ownerReferences": [reference]}
            body = config_map(_NAMESPACE, f"owned-{number}", metadata=metadata)
            return cluster.admin.request("POST", path.rpartition("/")[0], body=body)

        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            if any(reply.code != 201 for reply in pool.map(make, range(dependents))):
                raise RuntimeError("not all dependents could be made")
        desk = Desk(cluster, cluster.admin, account=f"{_NAMESPACE}/bot", owner="team-platform")
        change = desk.deletion(path)
        summary = summary_of(change, desk.get(path), None)
        yield cluster, filed(desk, change, summary=summary)["metadata"]["name"]
