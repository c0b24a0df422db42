"""The folder in which built and downloaded programs wait for the next run.

``PEERGATE_CACHE``, else ``$XDG_CACHE_HOME/peergate``, else ``~/.cache/peergate``. A program appears in it
whole or not at all: it is made in a scratch folder beside and renamed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

__all__ = ["adopt", "cache_folder", "locked", "scratch"]


def cache_folder() -> Path:
    """Return the cache's folder; it need not exist."""
    if named := os.environ.get("PEERGATE_CACHE"):
        return Path(named)
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "peergate"
    return Path.home() / ".cache" / "peergate"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder alone; waits while another process holds it. Leaves no lock file."""
    folder.mkdir(parents=True, exist_ok=True)
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


@contextlib.contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """Yield an empty folder on the same file system, which is gone afterwards, whatever happens."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=".part-", dir=folder))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def adopt(program: Path, *, into: Path) -> Path:
    """Move a finished program into ``into`` in one step, executable; return where it is now."""
    into.mkdir(parents=True, exist_ok=True)
    program.chmod(0o755)
    target = into / program.name
    program.replace(target)
    return target
