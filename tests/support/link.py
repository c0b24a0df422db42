"""A connection between two programs that can be cut or frozen, as a network does."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Self

from tests.harness.ports import Port

__all__ = ["Link"]

_CHUNK = 1 << 16


class Link:
    """Passes TCP connections on to a port of 127.0.0.1, as long as it is whole."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="link", daemon=True)
        self._flows = asyncio.Event()
        self._whole = True
        self._ends: set[asyncio.StreamWriter] = set()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self.port = stack.enter_context(Port()).number
            """Where it begins."""
            self._thread.start()
            stack.callback(self._end)
            self._call(self._listen())
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def cut(self) -> None:
        """End all connections at once; new ones end as soon as they are made."""
        self._call(self._cut())

    def freeze(self) -> None:
        """Let connections stay open and pass nothing on, not even their end."""
        self._call(self._freeze())

    def mend(self) -> None:
        """Be whole again."""
        self._call(self._mend())

    async def _listen(self) -> None:
        self._flows.set()
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", self.port)

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
        self._server.close()
        await self._cut()
        # A connection that was just taken is closed only by a task that has begun.
        await asyncio.sleep(0)
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await asyncio.sleep(0)

    def _call(self, work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)  # type: ignore[arg-type]

    def _end(self) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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
            while chunk := await reader.read(_CHUNK):
                await self._flows.wait()
                writer.write(chunk)
                await writer.drain()
            await self._flows.wait()
            if writer.can_write_eof():
                writer.write_eof()
