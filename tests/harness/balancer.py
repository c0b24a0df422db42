"""One address in front of several replicas, as a Service is: new connections go to whoever takes them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Sequence

from tests.harness.relay import CHUNK, Relay

__all__ = ["Balancer"]

_CONNECT_SECONDS = 1.0


class Balancer(Relay):
    """Passes TCP connections on to ports of 127.0.0.1 in turn; one that refuses is passed over."""

    def __init__(self, targets: Sequence[int]) -> None:
        super().__init__()
        self._targets = tuple(targets)
        self._turn = itertools.count()

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection by whoever takes it."""
        try:
            upstream = await self._connect()
            if upstream is None:
                return
            answer, request = upstream
            try:
                await asyncio.gather(_copy(reader, request), _copy(answer, writer))
            finally:
                request.close()
        finally:
            writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        first = next(self._turn)
        for offset in range(len(self._targets)):
            target = self._targets[(first + offset) % len(self._targets)]
            with contextlib.suppress(OSError):
                async with asyncio.timeout(_CONNECT_SECONDS):
                    return await asyncio.open_connection("127.0.0.1", target)
        return None


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
