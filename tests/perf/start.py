"""How long a replica takes from its start until it is ready, and what it then holds in memory.

In a cluster of its own: once with little in it, once with ten thousand service accounts, a thousand
namespaces and a thousand approvers.
"""

from __future__ import annotations

import time
from typing import Any

from tests.harness.clients import Client
from tests.harness.peergate import PeergateProcess
from tests.harness.process import resident_mib
from tests.harness.waiting import wait_until
from tests.perf.making import make
from tests.perf.report import Report, Spread, Target, spread
from tests.support.approvals import make_key
from tests.support.world import World, world

__all__ = ["measure"]

_SECONDS = 3.0
_LIMIT_MIB = 120.0
_APPROVERS = "/apis/peergate.dev/v1alpha1/approvers"


def measure(report: Report, *, quick: bool) -> None:
    """Measure, show and keep the figures."""
    accounts, namespaces, approvers, rounds = (500, 50, 50, 2) if quick else (10_000, 1_000, 1_000, 5)
    size = f"{accounts:,} accounts, {namespaces:,} namespaces, {approvers:,} approvers"
    report.say(f"start: a replica in a cluster with little in it, and with {size}")
    with world() as here:
        little = _starts(here.process, rounds=rounds)
        little_mib = resident_mib(here.process.pid)
        _fill(here, accounts=accounts, namespaces=namespaces, approvers=approvers)
        wait_until(
            "the last approver is looked at", lambda: _looked_at(here.admin, approvers - 1), within=300
        )
        much = _starts(here.process, rounds=rounds)
        here.wait_judged()
        much_mib = resident_mib(here.process.pid)
    report.table(
        "a replica: from its start until it is ready, and its resident memory then",
        columns=("cluster", "seconds", "MiB"),
        rows=[("little in it", little.shown(), f"{little_mib:.1f}"), (size, much.shown(), f"{much_mib:.1f}")],
    )
    report.figures["start"] = {
        "little": {"seconds": little, "residentMiB": little_mib},
        "much": {"seconds": much, "residentMiB": much_mib, "of": size},
    }
    report.judge(
        [
            *(_ready_target(name, found) for name, found in (("little in it", little), (size, much))),
            Target(
                what=f"resident memory with {size}",
                wanted=f"< {_LIMIT_MIB:.0f} MiB",
                found=f"{much_mib:.1f} MiB",
                met=much_mib < _LIMIT_MIB,
            ),
        ]
    )


def _ready_target(cluster: str, found: Spread) -> Target:
    return Target(
        what=f"from start to ready, {cluster}",
        wanted=f"< {_SECONDS:.0f} s",
        found=f"{found.shown()} s",
        met=found.median < _SECONDS,
    )


def _starts(process: PeergateProcess, *, rounds: int) -> Spread:
    seconds = []
    for _ in range(rounds):
        process.stop()
        started = time.monotonic()
        process.start()
        process.wait_ready()
        seconds.append(time.monotonic() - started)
    return spread(seconds)


def _fill(here: World, *, accounts: int, namespaces: int, approvers: int) -> None:
    names = [f"team-{number}" for number in range(namespaces)]
    teams = (("/api/v1/namespaces", _object("v1", "Namespace", name)) for name in names)
    make(here.admin, teams, what="namespaces", total=namespaces)
    workers = (
        (
            f"/api/v1/namespaces/{names[number % namespaces]}/serviceaccounts",
            _object("v1", "ServiceAccount", f"account-{number}"),
        )
        for number in range(accounts)
    )
    make(here.admin, workers, what="accounts", total=accounts)
    people = ((_APPROVERS, _approver(number)) for number in range(approvers))
    make(here.admin, people, what="approvers", total=approvers)


def _object(api: str, kind: str, name: str) -> dict[str, Any]:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name}}


def _approver(number: int) -> dict[str, Any]:
    key = make_key("ssh-ed25519", f"bench-{number}")
    spec = {
        "identity": f"person-{number}@example.com",
        "class": "human",
        "owner": f"team-{number}",
        "keys": [{"type": key.type, "publicKey": key.public_text}],
    }
    return {**_object("peergate.dev/v1alpha1", "Approver", f"person-{number}"), "spec": spec}


def _looked_at(admin: Client, number: int) -> bool:
    return bool(admin.request("GET", f"{_APPROVERS}/person-{number}").body.get("status"))
