"""Run the suite against a cluster with a gate: ``make bypass``, ``python -m tests.bypass --help``."""

from __future__ import annotations

import argparse
import contextlib
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.bypass.catalogue import CASES, OUTSIDE
from tests.bypass.report import as_json, exit_code, show
from tests.bypass.running import Outcome, Verdict, suite
from tests.harness.binaries import find_binaries
from tests.harness.clients import Client
from tests.harness.cluster import Cluster
from tests.harness.namespaces import fresh_namespace
from tests.harness.peergate import Installation
from tests.harness.principals import create_account

__all__ = ["main"]


def main(arguments: Sequence[str]) -> int:
    """Run it; return the exit code: 1 a door is open, 2 wrong usage, 3 a case showed nothing, else 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.bypass", description=__doc__)
    parser.add_argument(
        "--agent", type=Path, metavar="KUBECONFIG", help="of an agent; default: a new cluster"
    )
    parser.add_argument("--admin", type=Path, metavar="KUBECONFIG", help="of a cluster administrator")
    parser.add_argument(
        "--protect",
        default="peergate.dev/protected=true",
        metavar="KEY=VALUE",
        help="label of a protected namespace",
    )
    parser.add_argument("--gate-namespace", default="peergate-system", metavar="NAME")
    parser.add_argument(
        "--configuration",
        default="peergate",
        metavar="NAME",
        help="the gate's ValidatingWebhookConfiguration",
    )
    parser.add_argument(
        "-k", default="", metavar="PATTERN", help="only cases whose ids or name it is found in"
    )
    parser.add_argument("-o", choices=("table", "json"), default="table", help="what to print")
    options = parser.parse_args(arguments)
    if (options.agent is None) != (options.admin is None):
        parser.error("--agent and --admin go together")
    key, separator, value = options.protect.partition("=")
    if not separator:
        parser.error("--protect is KEY=VALUE")
    chosen = [case for case in CASES.values() if re.search(options.k, f"{case.ids} {case.name}")]
    outcomes: list[Outcome] = []
    with (
        _clients(options.agent, options.admin) as (agent, admin),
        suite(
            admin,
            agent,
            label=(key, value),
            gate_namespace=options.gate_namespace,
            configuration=options.configuration,
        ) as running,
    ):
        for number, case in enumerate(chosen, 1):
            outcome = running.run(case)
            outcomes.append(outcome)
            _tell(f"{number}/{len(chosen)} {outcome.verdict}: {case.name}", over=outcome.verdict.good)
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    if options.o == "json":
        print(as_json(outcomes, OUTSIDE))
    else:
        show(outcomes, OUTSIDE, file=sys.stdout)
        for outcome in outcomes:
            if outcome.verdict is Verdict.VOID:
                print(f"void: {outcome.case.name}: {' | '.join(outcome.answers)}", file=sys.stderr)
    return exit_code(outcomes)


@contextlib.contextmanager
def _clients(agent: Path | None, admin: Path | None) -> Iterator[tuple[Client, Client]]:
    """Yield the clients of the two kubeconfigs; without them, those of a new development cluster."""
    if agent is None or admin is None:
        with Cluster() as cluster, Installation(cluster) as installation:
            client = create_account(cluster, "agents", "demo-agent", owner="team-platform")
            with fresh_namespace(cluster, protected=True) as namespace:
                installation.wait_gated(client, namespace=namespace)
            yield client, cluster.admin
        return
    found = shutil.which("kubectl")
    kubectl = Path(found) if found else find_binaries().kubectl
    with tempfile.TemporaryDirectory(prefix="bypass-") as home:
        clients = [Client(path.resolve(), kubectl=kubectl, home=Path(home)) for path in (agent, admin)]
        try:
            yield clients[0], clients[1]
        finally:
            for client in clients:
                client.close()


def _tell(line: str, *, over: bool) -> None:
    """Say on a terminal how far it is; what is not as wanted stays in sight."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{line[:100]}" + ("" if over else "\n"))
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
