"""A small HTTP/1.1 client over TLS that keeps connections open and checks every answer."""

from __future__ import annotations

import asyncio
import itertools
import re
import ssl
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import cast

import orjson

__all__ = ["Call", "Load", "Tally", "call"]

_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Call:
    """One request as bytes, and what its answer must say."""

    data: bytes
    uid: str
    allowed: bool


@dataclass(slots=True)
class Tally:
    """What a stretch of calls came to."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    """In seconds, one for each call."""

    @property
    def rate(self) -> float:
        """Return calls a second."""
        return len(self.latencies) / self.seconds


def call(body: bytes, *, path: str, uid: str, allowed: bool) -> Call:
    """Return the POST of a review, with the headers of an API server."""
    head = (
        f"POST {path}?timeout=5s HTTP/1.1\r\n"
        "Host: peergate.peergate-system.svc:443\r\n"
        "User-Agent: kube-apiserver-admission\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Accept: application/json, */*\r\n"
        "Content-Type: application/json\r\n\r\n"
    )
    return Call(data=head.encode() + body, uid=uid, allowed=allowed)


class Load:
    """Some connections to one server, each with one call in flight while a stretch lasts."""

    def __init__(self, connections: list[_Connection]) -> None:
        self._connections = connections

    @classmethod
    async def connect(cls, port: int, *, tls: ssl.SSLContext, connections: int) -> Load:
        loop = asyncio.get_running_loop()
        opened = [
            await loop.create_connection(_Connection, "127.0.0.1", port, ssl=tls, server_hostname="localhost")
            for _ in range(connections)
        ]
        return cls([protocol for _, protocol in opened])

    async def repeat(self, calls: Iterable[Call], *, seconds: float) -> Tally:
        """Send the calls round and round for so long."""
        ends = time.perf_counter() + seconds
        forever = itertools.cycle(calls)
        return await self._run(itertools.takewhile(lambda _: time.perf_counter() < ends, forever))

    async def send(self, calls: Iterable[Call]) -> Tally:
        """Send each call once."""
        return await self._run(iter(calls))

    async def _run(self, calls: Iterator[Call]) -> Tally:
        tally = Tally()
        started = time.perf_counter()
        async with asyncio.timeout(None) as waiting:
            running = asyncio.gather(*(one.start(calls, tally) for one in self._connections))
            while not running.done():
                before = len(tally.latencies)
                waiting.reschedule(asyncio.get_running_loop().time() + _PATIENCE_SECONDS)
                await asyncio.wait([running], timeout=_PATIENCE_SECONDS / 2)
                if not running.done() and len(tally.latencies) == before:
                    raise TimeoutError("the server stopped answering")
            running.result()
        tally.seconds = time.perf_counter() - started
        return tally

    def close(self) -> None:
        for connection in self._connections:
            connection.close()


class _Connection(asyncio.Protocol):
    """One connection: sends the next call when the last is answered."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._done: asyncio.Future[None] | None = None
        self._calls: Iterator[Call] = iter(())
        self._call: Call | None = None
        self._tally = Tally()
        self._sent = 0.0
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's TLS transport is none of asyncio's by type, only by what it does.
        self._transport = cast("asyncio.Transport", transport)

    def start(self, calls: Iterator[Call], tally: Tally) -> asyncio.Future[None]:
        self._calls, self._tally = calls, tally
        self._done = asyncio.get_running_loop().create_future()
        self._next()
        return self._done

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        length = _LENGTH.search(head + b"\r\n")
        if length is None:
            self._fail(f"no Content-Length in {head[:200]!r}")
        elif len(body) >= int(length[1]):
            self._buffer = b""
            self._answered(head, body)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._call is not None:
            self._fail(f"the connection was lost: {exc}")

    def _next(self) -> None:
        assert self._done is not None
        assert self._transport is not None
        self._call = next(self._calls, None)
        if self._call is None:
            if not self._done.done():
                self._done.set_result(None)
            return
        self._sent = time.perf_counter()
        self._transport.write(self._call.data)

    def _answered(self, head: bytes, body: bytes) -> None:
        self._tally.latencies.append(time.perf_counter() - self._sent)
        asked = self._call
        assert asked is not None
        response = orjson.loads(body)["response"] if head.startswith(b"HTTP/1.1 200 ") else {}
        if response.get("uid") != asked.uid or response.get("allowed") is not asked.allowed:
            self._fail(f"wanted allowed={asked.allowed}, got {head[:80]!r} {body[:600]!r}")
        else:
            self._next()

    def _fail(self, problem: str) -> None:
        self._call = None
        if self._done is not None and not self._done.done():
            self._done.set_exception(RuntimeError(problem))
