"""Start, prove itself, tell health, drain: the edge over its life."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import aiohttp
import pytest
from tests.support.edge import (
    NAME,
    NEWCOMER,
    Source,
    always,
    denial,
    fresh_material,
    http,
    make_handler,
    parts,
    review_body,
    serve,
)

from peergate.gate.decide import decide
from peergate.model.decision import Allow, Deny
from peergate.observe.metrics import Metrics
from peergate.settings import MetricsSettings, WebhookSettings
from peergate.webhook.health import HealthServer
from peergate.webhook.selftest import SelfTest
from peergate.webhook.server import Edge
from peergate.webhook.tls import serving_context

GOOD = review_body()


def self_test(served, **changes) -> SelfTest:
    known = {
        "port": lambda: served.edge.port,
        "host": "127.0.0.1",
        "server_name": NAME,
        "namespace": "peergate-system",
        "ca_pem": lambda: served.material.ca_pem,
    }
    return SelfTest(**known | changes)


async def test_the_gate_proves_that_it_guards():
    async with serve(decide) as served:
        proof = self_test(served)
        assert proof.problem == "not tried yet"
        assert await proof.prove() == ""
        assert proof.problem == ""


PROBLEMS = {
    "a gate that admits": (Allow("not-agent"), {}, "the own gate did not refuse what it must refuse"),
    "a refusal in other words": (denial(), {}, "the own gate did not refuse what it must refuse"),
    "a CA bundle of somebody else": (
        denial(),
        {"ca_pem": lambda: fresh_material().ca_pem},
        "the listener was not reached over TLS (ClientConnectorCertificateError)",
    ),
    "no CA bundle": (denial(), {"ca_pem": lambda: b""}, "the CA bundle is unreadable"),
    "a certificate of another name": (
        denial(),
        {"server_name": "other.svc"},
        "the listener was not reached over TLS (ClientConnectorCertificateError)",
    ),
    "no listener": (denial(), {"port": lambda: 0}, "the listener is not open"),
}


@pytest.mark.parametrize("case", PROBLEMS)
async def test_the_self_test_fails_with(case):
    decision, changes, problem = PROBLEMS[case]
    async with serve(always(decision)) as served:
        assert await self_test(served, **changes).prove() == problem


async def test_only_the_review_under_way_is_the_self_tests_own():
    seen: list[bool] = []

    def look(*, review, **_):
        seen.append(review.uid in proof)
        return denial()

    async with serve(look) as served:
        proof = self_test(served)
        await proof.prove()
        assert seen == [True]
        assert list(proof) == []
        assert "" not in proof


async def get(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"http://127.0.0.1:{port}{path}") as response,
    ):
        return response.status, await response.text()


async def test_health_tells_what_is_wrong():
    problems = {"first-sync": "", "listener": "", "self-test": "not tried yet"}
    checks = {name: lambda name=name: problems[name] for name in problems}
    metrics = Metrics()
    health = HealthServer(checks, settings=MetricsSettings(host="127.0.0.1", port=0), metrics=metrics)
    assert health.port == 0
    async with health.serving():
        assert await get(health.port, "/livez") == (200, "ok\n")
        assert await get(health.port, "/readyz") == (503, "not ready\n")
        assert await get(health.port, "/readyz?verbose") == (
            503,
            "[+]first-sync ok\n[+]listener ok\n[-]self-test: not tried yet\nnot ready\n",
        )
        problems["self-test"] = ""
        assert await get(health.port, "/readyz") == (200, "ready\n")
        assert await get(health.port, "/other") == (404, "nothing here\n")
        assert await get(health.port, "/livez", "POST") == (405, "only read\n")
        metrics.failed("bug")
        status, text = await get(health.port, "/metrics")
        assert status == 200
        assert 'peergate_review_errors_total{cause="bug"} 1.0' in text


async def test_a_late_verdict_is_refused_in_our_own_words_in_time():
    never = Source(asyncio.get_running_loop().create_future)
    async with serve(always(Allow("exempt")), timeout_seconds=1, source=never) as served:
        began = asyncio.get_running_loop().time()
        status, _, body = parts(await served.exchange(http(review_body(userInfo=NEWCOMER))))
        assert asyncio.get_running_loop().time() - began < 1.0
        assert status == 200
        assert b'"allowed":false' in body
        assert b"GUARD UNAVAILABLE" in body
        assert b"code=DeadlineExceeded" in body


async def test_a_client_that_leaves_costs_nothing():
    go = asyncio.Event()
    source = Source(go.wait)
    async with serve(always(Allow("exempt")), source=source) as served:
        async with served.connection() as (_, writer):
            writer.write(http(review_body(userInfo=NEWCOMER)))
            await source.arrivals.get()
        go.set()
        assert parts(await served.exchange(http(GOOD)))[0] == 200
        assert served.errors("bug") == 0


async def test_draining_finishes_what_is_in_work_and_asks_clients_to_leave():
    go = asyncio.Event()
    source = Source(go.wait)
    leaving = asyncio.Event()
    old = asyncio.Event()

    async def leave(served) -> None:
        """Use an old connection and a new one while the grace lasts."""
        async with served.connection() as (reader, writer):
            old.set()
            await leaving.wait()
            assert not served.edge.accepting
            writer.write(http(GOOD, close=False))
            status, headers, _ = parts(await reader.read())
            assert (status, headers["connection"]) == (200, "close")
        assert parts(await served.exchange(http(GOOD, close=False)))[0] == 200
        go.set()

    async with serve(always(denial()), source=source, grace=timedelta(seconds=1)) as served:
        busy = asyncio.create_task(served.exchange(http(review_body(userInfo=NEWCOMER))))
        await source.arrivals.get()
        leaver = asyncio.create_task(leave(served))
        await old.wait()
        assert served.edge.accepting
        asyncio.get_running_loop().call_soon(leaving.set)
    await leaver
    assert parts(await busy)[0] == 200
    assert served.edge.port == 0


async def test_kopf_can_run_it_and_its_own_review_function_is_never_called():
    metrics, material = Metrics(), fresh_material()
    edge = Edge(
        make_handler(always(denial()), metrics=metrics),
        settings=WebhookSettings(host="127.0.0.1", port=0),
        tls=serving_context(material),
        metrics=metrics,
        client_config=lambda: {"url": f"https://{NAME}"},
        grace=timedelta(0),
    )
    yielded: asyncio.Queue[object] = asyncio.Queue()

    async def consume() -> None:
        async for config in edge(Deny):
            yielded.put_nowait(config)

    task = asyncio.create_task(consume())
    assert await yielded.get() == {"url": f"https://{NAME}"}
    assert edge.accepting
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (edge.port, edge.accepting, yielded.empty()) == (0, False, True)
