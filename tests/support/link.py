"""A connection between two programs that can be cut or frozen, as a network does."""

from __future__ import annotations

import asyncio
import contextlib

from tests.harness.relay import CHUNK, Relay

__all__ = ["Link"]


class Link(Relay):
    """Passes TCP connections on to a port of 127.0.0.1, as long as it is whole."""

    def __init__(self, target: int) -> None:
        super().__init__()
        self._target = target
        self._flows = asyncio.Event()
        self._flows.set()
        self._whole = True
        self._ends: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """End all connections at once; new ones end as soon as they are made."""
        self._call(self._cut())

    def freeze(self) -> None:
        """Let connections stay open and pass nothing on, not even their end."""
        self._call(self._freeze())

    def mend(self) -> None:
        """Be whole again."""
        self._call(self._mend())

    async def _cut(self) -> None:
        self._whole = False
        self._flows.set()
        for end in tuple(self._ends):
            end.transport.abort()

    async def _freeze(self) -> None:
        self._flows.clear()

    async def _mend(self) -> None:
        self._whole = True
        self._flows.set()

    async def _close(self) -> None:
        await self._cut()
        await super()._close()

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection for as long as the link is whole."""
        self._ends.add(writer)
        try:
            await self._flows.wait()
            if not self._whole:
                writer.transport.abort()
                return
            with contextlib.suppress(OSError):
                answer, request = await asyncio.open_connection("127.0.0.1", self._target)
                self._ends.add(request)
                try:
                    await asyncio.gather(self._copy(reader, request), self._copy(answer, writer))
                finally:
                    self._ends.discard(request)
                    request.close()
        finally:
            self._ends.discard(writer)
            writer.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK):
                await self._flows.wait()
                writer.write(chunk)
                await writer.drain()
            await self._flows.wait()
            if writer.can_write_eof():
                writer.write_eof()
