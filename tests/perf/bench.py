"""The benchmark: ``python -m tests.perf.bench [--quick] [--json FILE] [--only decide,tls,...]``.

Shows tables, writes all figures with the machine's facts to a JSON file, and names the targets. A target that
is missed is said, and is no error: how fast a shared machine is must not break a build. A section that fails
is one: the others are measured all the same, and the file keeps what was measured.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from tests.perf import approver, memory, micro, requests, start, through, throughput
from tests.perf.report import Report, machine

__all__ = ["Section", "main"]


class Section(Protocol):
    """One part of the benchmark."""

    def __call__(self, report: Report, *, quick: bool) -> None:
        """Measure, show and keep the figures."""


_SECTIONS: Mapping[str, Section] = {
    "decide": micro.measure,
    "tls": throughput.measure,
    "memory": memory.measure,
    "api": through.measure,
    "start": start.measure,
    "show": approver.measure,
    "requests": requests.measure,
}
_DEFAULT_FILE = Path("build/bench.json")
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None, *, sections: Mapping[str, Section] = _SECTIONS) -> int:
    """Run the sections that are asked for, by default all; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.perf.bench", description="Measure Peergate.")
    parser.add_argument("--quick", action="store_true", help="rough figures, to see that it runs")
    parser.add_argument(
        "--json", type=Path, default=_DEFAULT_FILE, metavar="FILE", help="default: %(default)s"
    )
    parser.add_argument("--only", default=",".join(sections), help=f"some of {','.join(sections)}")
    options = parser.parse_args(arguments)
    names = options.only.split(",")
    unknown = sorted(set(names) - sections.keys())
    if unknown:
        parser.error(f"no section {', '.join(unknown)}")
    report = Report(options.json)
    facts = machine()
    report.say(
        ", ".join(f"{name} {value}" for name, value in facts.items() if isinstance(value, str | int | float))
    )
    failed: dict[str, str] = {}
    try:
        for name in names:
            try:
                sections[name](report, quick=options.quick)
            except Exception as error:  # noqa: BLE001 - told by name and exit code; no other section needs it
                traceback.print_exc()
                failed[name] = f"{type(error).__name__}: {error}"
            report.write(failed=failed)
    except KeyboardInterrupt:
        report.say(f"interrupted in {name}")
        failed[name] = "interrupted"
        return _INTERRUPTED
    finally:
        report.finish(failed=failed)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
