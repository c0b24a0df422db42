"""Wait for conditions, never for time."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["wait_until"]

_SECONDS = 60.0
_POLL_SECONDS = 0.05


def wait_until(what: str, holds: Callable[[], object], *, within: float = _SECONDS) -> None:
    """Return as soon as the condition holds (what it returns is true).

    Errors:
        TimeoutError: it does not within so many seconds; says what was waited for.
    """
    deadline = time.monotonic() + within
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {within:g} s in vain until {what}")
        time.sleep(_POLL_SECONDS)
