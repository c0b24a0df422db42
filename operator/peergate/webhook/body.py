"""Read a request's body: bounded in size, in time, and in memory over all connections.

Whoever reaches the port can send (C17, T17), so every limit holds before anything is known of the sender.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from peergate.errors import InputError

__all__ = ["BodyBudget", "BodyProblem", "expected_size", "read_body"]

_CUT_SHORT: Final = "the body ended too early or was framed wrongly"


class BodyProblem(InputError):
    """The body can't be read; answered with this HTTP status."""

    def __init__(self, user_message: str, *, status: int) -> None:
        super().__init__(user_message)
        self.status = status


class BodyBudget:
    """Shares a number of bytes among the bodies that are held at once; first come, first served."""

    def __init__(self, total: int) -> None:
        self._free = total
        self._total = total
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def free(self) -> int:
        """Return how many bytes nobody holds."""
        return self._free

    @asynccontextmanager
    async def hold(self, size: int) -> AsyncIterator[None]:
        """Wait for that many bytes and keep them inside the block; never more than there are in all."""
        share = min(size, self._total)
        await self._take(share)
        try:
            yield
        finally:
            self._free += share
            self._wake()

    async def _take(self, share: int) -> None:
        if not self._waiting and share <= self._free:
            self._free -= share
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((share, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it was granted in the same moment
                self._free += share
            self._wake()
            raise

    def _wake(self) -> None:
        while self._waiting:
            share, turn = self._waiting[0]
            if not turn.done():
                if share > self._free:
                    return
                self._free -= share
                turn.set_result(None)
            self._waiting.popleft()


def expected_size(request: web.BaseRequest, *, limit: int) -> int:
    """Return how many bytes the body may come to: as announced, or up to the limit.

    Errors: BodyProblem (413) if more than ``limit`` bytes are announced.
    """
    announced = request.content_length
    if announced is None:
        return limit
    if announced > limit:
        raise _too_large(limit)
    return announced


async def read_body(request: web.BaseRequest, *, limit: int, deadline: float) -> bytes:
    """Return the whole body.

    Units: at most ``limit`` bytes, inclusive; complete by ``deadline`` in the event loop's time.
    Errors: BodyProblem: empty (400), cut short or framed wrongly (400), too slow (408), too large (413).
    """
    content = request.content
    try:
        if content.is_eof():  # it came in one piece with the head, which is the rule
            body = content.read_nowait()
        else:
            async with asyncio.timeout_at(deadline):
                body = await _collect(request, limit=limit)
    except TimeoutError as error:
        raise BodyProblem("the body came too slowly", status=408) from error
    except (web.RequestPayloadError, OSError) as error:  # OSError: the connection is gone
        raise BodyProblem(_CUT_SHORT, status=400) from error
    if not body:
        raise BodyProblem("the body is empty", status=400)
    if len(body) > limit:
        raise _too_large(limit)
    return body


async def _collect(request: web.BaseRequest, *, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while chunk := await request.content.readany():
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
    return b"".join(chunks)


def _too_large(limit: int) -> BodyProblem:
    return BodyProblem(f"the body is larger than {limit} bytes", status=413)
