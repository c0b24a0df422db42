"""Build programs from the pinned Go modules. Needs Go and a Go module proxy; about ten minutes on two cores
the first time, seconds afterwards (Go's own build cache).
"""  # fmt: skip

from __future__ import annotations

import os
import selectors
import shutil
import subprocess
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from tests.harness.cache import adopt, scratch
from tests.harness.progress import Work
from tests.harness.versions import Suite

__all__ = ["BuildError", "build"]

_TICK_SECONDS = 1.0
_KEPT_LINES = 12


class BuildError(Exception):
    """It can't be built here; the text says why in one line, or with the compiler's last lines."""


def build(suite: Suite, programs: Sequence[str], *, cache: Path) -> None:
    """Build the programs of a suite into its folder in the cache.

    Errors:
        BuildError: there is no Go, or the build fails.
    """
    go = shutil.which("go")
    if go is None:
        raise BuildError("there is no go on PATH")
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -buildvcs=false"}
    packages = [suite.packages[suite.programs.index(program)] for program in programs]
    with scratch(cache) as folder:
        for program, package in zip(programs, packages, strict=True):
            # One by one, so that each gets its own name; what they share is compiled once.
            command = [go, "build", "-v", "-trimpath", "-ldflags", suite.linker_flags, "-tags", suite.tags]
            _compile(
                [*command, "-o", str(folder / program), package],
                title=f"build {program} v{suite.version}",
                module=suite.module,
                environment=environment,
            )
        for program in programs:
            adopt(folder / program, into=cache / suite.folder)


def _compile(command: list[str], *, title: str, module: Path, environment: dict[str, str]) -> None:
    """Run one ``go build -v``: it prints each package that it compiles."""
    last: deque[str] = deque(maxlen=_KEPT_LINES)
    process = subprocess.Popen(
        command,
        cwd=module,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        with process, selectors.DefaultSelector() as waiting, Work(title, unit="packages compiled") as work:
            assert process.stdout is not None
            output = process.stdout.fileno()
            os.set_blocking(output, False)
            waiting.register(output, selectors.EVENT_READ)
            rest = b""
            while True:
                chunk = os.read(output, 1 << 16) if waiting.select(_TICK_SECONDS) else None
                if chunk == b"":
                    break
                *lines, rest = (rest + (chunk or b"")).split(b"\n")
                last.extend(line.decode(errors="replace") for line in lines)
                work.advance(len(lines))
            if process.wait() != 0:
                raise BuildError("go build failed:\n" + "\n".join(last))
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
