"""Remove cgroups once everything in them has ended, even if nobody is left to ask for it.

``sweep.py FOLDER...``, standard library only. Its standard input is a pipe whose other end only the owner
holds: when the owner ends, however it ends, it is closed, and the sweeping begins. Exit status 0: all gone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

__all__ = ["main"]

_PATIENCE_SECONDS = 30.0
_POLL_SECONDS = 0.05


def main(folders: Sequence[str]) -> int:
    """Wait for the end of the input, then remove the folders; return 1 if one stays."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while os.read(0, 64):
        pass
    deadline = time.monotonic() + _PATIENCE_SECONDS
    left = [Path(folder) for folder in folders]
    while left and time.monotonic() < deadline:
        for folder in left:
            for top, _, _ in os.walk(folder, topdown=False):
                with contextlib.suppress(OSError):  # busy: a process in it is still ending
                    Path(top).rmdir()
        left = [folder for folder in left if folder.exists()]
        time.sleep(_POLL_SECONDS if left else 0)
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
