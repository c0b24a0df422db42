"""Clients that send too slowly, too much, too little or nothing hurt nobody but themselves."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
import uvloop
from tests.support.edge import always, http, parts, review_body, serve

from peergate.model.decision import Allow
from peergate.webhook import connections, server

GOOD = review_body()
ADMIT = always(Allow("not-agent"))
LIMIT = 1 << 20


async def test_a_body_that_never_comes_is_answered_in_time():
    async with serve(ADMIT, timeout_seconds=1) as served:
        answer = parts(await served.exchange(http(GOOD[:100], length=len(GOOD))))
        assert (answer[0], answer[2]) == (408, b"the body came too slowly\n")
        assert served.errors("body") == 1


async def send_for_ever(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while not writer.is_closing():
            writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
            await writer.drain()
            await asyncio.sleep(0)  # drain alone never lets the loop see that the connection is gone


async def test_an_endless_sender_is_cut_off_at_the_limit():
    async with serve(ADMIT, max_body_bytes=LIMIT) as served, served.connection() as (reader, writer):
        writer.write(http(b"", headers=("Transfer-Encoding: chunked",)))
        sender = asyncio.create_task(send_for_ever(writer))
        assert parts(await reader.read(4096))[0] == 413
        await asyncio.wait_for(sender, 10)
        assert served.errors("body") == 1


async def test_a_body_that_is_cut_short_is_counted_and_harms_nothing():
    async with serve(ADMIT) as served:
        async with served.connection() as (_, writer):
            writer.write(http(GOOD[:100], length=len(GOOD)))
            await writer.drain()
        async with asyncio.timeout(5):
            while not served.errors("body"):
                await served.exchange(http(GOOD))
        assert served.errors("body") == 1


BAD_CHUNKS = {
    "a size that is no number": b"zz\r\n{}\r\n0\r\n\r\n",
    "a negative size": b"-1\r\n{}\r\n0\r\n\r\n",
    "more than the size": b"1\r\n{}\r\n0\r\n\r\n",
    "a size of 64 digits": b"f" * 64 + b"\r\n{}\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("case", BAD_CHUNKS)
async def test_wrong_chunks_are_refused(case):
    async with serve(ADMIT) as served:
        sent = http(BAD_CHUNKS[case], headers=("Transfer-Encoding: chunked",))
        assert parts(await served.exchange(sent))[0] == 400
        assert served.errors("body") == 1


async def test_slow_clients_hold_up_nobody():
    async with serve(ADMIT, timeout_seconds=2) as served:
        slow = [
            asyncio.create_task(served.exchange(http(GOOD[:10], length=6 << 20 if number < 4 else len(GOOD))))
            for number in range(20)
        ]
        loop = asyncio.get_running_loop()
        for _ in range(20):
            began = loop.time()
            assert parts(await served.exchange(http(GOOD)))[0] == 200
            assert loop.time() - began < 1.0
        assert {parts(answer)[0] for answer in await asyncio.gather(*slow)} == {408}


async def test_large_bodies_wait_for_their_turn_and_then_are_answered():
    async with serve(ADMIT, max_body_bytes=LIMIT) as served:
        big = http(GOOD.ljust(LIMIT))
        answers = await asyncio.gather(*(served.exchange(big) for _ in range(12)))
        assert {parts(answer)[0] for answer in answers} == {200}


async def test_large_bodies_beyond_the_budget_are_refused_in_time():
    async with serve(ADMIT, timeout_seconds=1, max_body_bytes=LIMIT) as served:
        hoarders = [asyncio.create_task(served.exchange(http(b"{", length=LIMIT))) for _ in range(6)]
        answers = [parts(answer)[0] for answer in await asyncio.gather(*hoarders)]
        # The last two get their turn, if at all, in the moment in which their time is over.
        assert sorted(answers)[:4] == [408] * 4
        assert set(answers) <= {408, 503}
        assert served.errors("body") + served.errors("deadline") == 6
        assert parts(await served.exchange(http(GOOD.ljust(LIMIT))))[0] == 200


async def test_a_connection_that_says_nothing_is_closed(monkeypatch):
    monkeypatch.setattr(connections, "_FIRST_REQUEST_SECONDS", 0.1)
    async with serve(ADMIT) as served:
        for start in (b"", b"POST /gates/own HTTP/1.1\r\nX: "):
            assert await asyncio.wait_for(served.exchange(start), 5) == b""


async def test_at_the_bound_the_longest_idle_connection_makes_room(monkeypatch):
    monkeypatch.setattr(server, "_MAX_CONNECTIONS", 3)
    async with (
        serve(ADMIT) as served,
        served.connection() as (first_reader, first),
        served.connection() as (second_reader, _),
        served.connection(),
    ):
        first.write(http(GOOD, close=False))  # so that the second is idle longest
        await first_reader.readuntil(b"\r\n\r\n")
        assert parts(await served.exchange(http(GOOD)))[0] == 200
        assert await asyncio.wait_for(second_reader.read(), 5) == b""


def test_a_connection_over_the_bound_is_ended_under_uvloop_too(monkeypatch):
    # uvloop's TLS transport is no asyncio.WriteTransport.
    monkeypatch.setattr(server, "_MAX_CONNECTIONS", 0)

    async def connect() -> bytes:
        async with serve(ADMIT) as served, served.connection() as (reader, _):
            return await asyncio.wait_for(reader.read(), 5)

    with contextlib.suppress(ConnectionError):
        assert uvloop.run(connect()) == b""
