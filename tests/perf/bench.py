"""The benchmark: ``python -m tests.perf.bench [--quick] [--json FILE] [--only decide,tls,...]``.

Shows tables, writes all figures with the machine's facts to a JSON file, and names the targets. A target that
is missed is said, and is no error: how fast a shared machine is must not break a build.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.perf import approver, memory, micro, start, through, throughput
from tests.perf.report import Report, machine

__all__ = ["main"]

_SECTIONS: dict[str, Callable[..., None]] = {
    "decide": micro.measure,
    "tls": throughput.measure,
    "memory": memory.measure,
    "api": through.measure,
    "start": start.measure,
    "show": approver.measure,
}
_DEFAULT_FILE = Path("build/bench.json")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the sections that are asked for; by default all."""
    parser = argparse.ArgumentParser(prog="python -m tests.perf.bench", description="Measure Peergate.")
    parser.add_argument("--quick", action="store_true", help="rough figures, to see that it runs")
    parser.add_argument(
        "--json", type=Path, default=_DEFAULT_FILE, metavar="FILE", help="default: %(default)s"
    )
    parser.add_argument("--only", type=_sections, default=tuple(_SECTIONS), help=f"of {','.join(_SECTIONS)}")
    options = parser.parse_args(arguments)
    report = Report()
    facts = machine()
    report.say(
        ", ".join(f"{name} {value}" for name, value in facts.items() if isinstance(value, str | int | float))
    )
    for name in options.only:
        _SECTIONS[name](report, quick=options.quick)
    report.finish(options.json)


def _sections(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    unknown = set(names) - _SECTIONS.keys()
    if unknown:
        raise argparse.ArgumentTypeError(f"no section {', '.join(sorted(unknown))}")
    return names


if __name__ == "__main__":
    main()
