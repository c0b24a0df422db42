"""Loopback ports that nobody else takes between choosing and using them.

Ports are drawn from below the range that the kernel uses for outgoing connections, and each is held by an
abstract Unix socket of the same number (Linux), so that clusters side by side never draw the same one. The
kernel frees it with its owner and nothing is left on disk.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import sys
from pathlib import Path
from typing import Self

__all__ = ["Port", "listens"]

_FIRST = 20_000
_COUNT = 10_000
_TRIES = 200
_LISTEN = "0A"  # TCP_LISTEN in /proc/net/tcp
_CONNECT_SECONDS = 0.5


class Port:
    """One reserved TCP port on 127.0.0.1, until released."""

    def __init__(self) -> None:
        for _ in range(_TRIES):
            number = _FIRST + secrets.randbelow(_COUNT)
            hold = _hold(number)
            if hold is None:
                continue
            if _is_free(number):
                self.number = number
                self._hold = hold
                return
            hold.close()
        raise RuntimeError(f"no free port on 127.0.0.1 between {_FIRST} and {_FIRST + _COUNT}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Let others draw it again."""
        self._hold.close()


def _hold(number: int) -> socket.socket | None:
    hold = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    if sys.platform == "linux":
        try:
            hold.bind(f"\0peergate-port-{number}")
        except OSError:
            hold.close()
            return None
    return hold


def _is_free(number: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except OSError:
            return False
    return True


def listens(pid: int, *, port: int, address: str = "127.0.0.1") -> bool:
    """Tell whether this very process listens on the port of the address, and not somebody quicker.

    Where the kernel shows no sockets of a process (not Linux), whether anybody does.
    """
    if sys.platform != "linux":
        with contextlib.suppress(OSError), socket.create_connection((address, port), _CONNECT_SECONDS):
            return True
        return False
    own = set()
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                own.add(str(entry.readlink()))
    wanted = f"{int.from_bytes(socket.inet_aton(address), sys.byteorder):08X}:{port:04X}"
    sockets = Path(f"/proc/{pid}/net/tcp")  # of its own network: it may have entered another one
    for line in sockets.read_text(encoding="ascii").splitlines()[1:] if sockets.exists() else ():
        fields = line.split()
        if fields[3] == _LISTEN and fields[1] == wanted:
            return f"socket:[{fields[9]}]" in own
    return False
