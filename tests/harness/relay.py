"""What passes TCP connections on, in a thread of its own: the base of whoever stands between two programs."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from typing import Any, Self

from tests.harness.ports import Port

__all__ = ["CHUNK", "Relay"]

CHUNK = 1 << 16


class Relay(ABC):
    """Listens on a port of 127.0.0.1 inside ``with``; ``pass_on`` says what becomes of a connection."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=type(self).__name__, daemon=True)
        self._server: asyncio.Server | None = None

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

    @abstractmethod
    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end and close it."""

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self.pass_on, "127.0.0.1", self.port)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        # A connection that was just taken is closed only by a task that has begun.
        await asyncio.sleep(0)
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await asyncio.sleep(0)

    def _end(self) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
