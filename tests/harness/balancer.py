"""One address in front of several replicas, as a Service is: new connections go to whoever takes them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from collections.abc import Sequence
from typing import Self

from tests.harness.ports import Port

__all__ = ["Balancer"]

_CHUNK = 1 << 16
_CONNECT_SECONDS = 1.0


class Balancer:
    """Passes TCP connections on to ports of 127.0.0.1 in turn; one that refuses is passed over."""

    def __init__(self, targets: Sequence[int]) -> None:
        self._targets = tuple(targets)
        self._turn = itertools.count()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="balancer", daemon=True)

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self.port = stack.enter_context(Port()).number
            """Where it listens."""
            self._thread.start()
            stack.callback(self._end)
            self._call(self._listen())
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", self.port)

    def _call(self, work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)  # type: ignore[arg-type]

    def _end(self) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _close(self) -> None:
        if hasattr(self, "_server"):
            self._server.close()
        # A connection that was just taken is closed only by a task that has begun.
        await asyncio.sleep(0)
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await asyncio.sleep(0)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
