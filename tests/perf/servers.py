"""The servers under test, each a process of its own: ``python -m tests.perf.servers ARM DIRECTORY [CORE]``.

A server writes its port as one line to standard output and serves until its standard input ends, so none
outlives the benchmark. All run on uvloop with the same certificate; what they log goes to ``/dev/null``, but
it is written. The arms:

``ours``
    The real ``Edge`` and ``ReviewHandler`` with decision log and metrics, over a snapshot that does not
    change and a ledger in memory. Imports all that the operator imports, for its memory, and has the
    collector of garbage tuned as the operator tunes its own; the other arms have it as Python has it.
``large``
    The same over the large world.
``bare``
    An aiohttp application with one route that parses the review with orjson and admits it.
``kopf``
    The same decision behind ``@kopf.on.validate``. kopf needs an API server to discover resources, and only
    for that; here its own admission task, ``admission_webhook_server``, runs as ``kopf.operator`` starts it,
    with a registry that holds the handler and with ``Insights`` in which discovery has found the resources
    that are asked about. From the socket to the answer everything is kopf's: ``kopf.WebhookServer``,
    ``serve_admission_request``, its logging as ``kopf run`` configures it. kopf hides ``request.uid``, name,
    namespace, kind and ``options`` from handlers, and the decision needs them: they are put into a context
    variable where kopf's server hands the request over, the cheapest way there is. The handler neither
    counts metrics nor writes a decision log, which ours does: both differences are in kopf's favour.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import os
import socket
import sys
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uvloop
from tests.perf.world import GATE_PATH, large_world, small_world

from peergate.gate.decide import decide, refuse_unavailable
from peergate.gate.snapshot import Snapshot
from peergate.model.change import Requester
from peergate.model.decision import Claim, Deny, Hold
from peergate.model.names import Digest
from peergate.model.review import Gate, Kind, Resource, Review, User
from peergate.observe.logs import DecisionLog
from peergate.observe.metrics import Metrics
from peergate.settings import Settings, WebhookSettings
from peergate.webhook.handler import Judge, ReviewHandler, internal_deadline
from peergate.webhook.server import Edge
from peergate.webhook.tls import Material, serving_context

__all__ = ["CERTIFICATE", "KEY", "PATHS"]

CERTIFICATE = "tls.crt"
KEY = "tls.key"
PATHS = {"ours": GATE_PATH, "large": GATE_PATH, "bare": GATE_PATH, "kopf": "/gate"}
_OPERATOR = "peergate.wiring"
_MAX_BODY = 8 << 20
_USES_KEPT = 1000


class _Still:
    """A snapshot source whose snapshot never changes."""

    def __init__(self, known: Snapshot) -> None:
        self._known = known

    def snapshot(self) -> Snapshot:
        return self._known

    async def look_up(self, review: Review, snapshot: Snapshot) -> Snapshot:
        del review
        return snapshot


class _MemoryLedger:
    """A ledger that remembers the last thousand uses; the real one keeps none in the process."""

    def __init__(self) -> None:
        self._uses: OrderedDict[Digest, datetime] = OrderedDict()

    async def spent(
        self, claims: Sequence[Claim], *, change: Digest, requester: Requester, now: datetime
    ) -> Mapping[Digest, datetime]:
        del change, requester, now
        return {claim.payload: self._uses[claim.payload] for claim in claims if claim.payload in self._uses}

    async def claim(
        self,
        claims: Sequence[Claim],
        *,
        change: Digest,
        requester: Requester,
        request_uid: str,
        now: datetime,
    ) -> Mapping[Digest, datetime]:
        del change, requester, request_uid
        for one in claims:
            self._uses[one.payload] = now
            if len(self._uses) > _USES_KEPT:
                self._uses.popitem(last=False)
        return {}


@contextlib.asynccontextmanager
async def _ours(directory: Path, *, known: Snapshot) -> AsyncIterator[int]:
    operator = importlib.import_module(_OPERATOR)
    settings = WebhookSettings(host="127.0.0.1", port=0, max_body_bytes=_MAX_BODY)
    metrics = Metrics()
    handler = ReviewHandler(
        Judge(
            source=_Still(known),
            ledger=_MemoryLedger(),
            decide=decide,
            refuse_unavailable=refuse_unavailable,
            clock=lambda: (datetime.now(UTC),),
        ),
        metrics=metrics,
        log=DecisionLog(Settings().log),
        deadline=internal_deadline(settings.timeout_seconds),
        max_concurrent=settings.max_concurrent,
    )
    edge = Edge(
        handler,
        settings=settings,
        tls=serving_context(_material(directory)),
        metrics=metrics,
        grace=timedelta(0),
    )
    operator.tune_collector()
    async with edge.serving():
        yield edge.port


@contextlib.asynccontextmanager
async def _bare(directory: Path) -> AsyncIterator[int]:
    import orjson  # noqa: PLC0415 - each arm imports its own, for its memory
    from aiohttp import web  # noqa: PLC0415 - the same

    async def admit(request: web.Request) -> web.Response:
        review = orjson.loads(await request.read())
        answer = {
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "response": {"uid": review["request"]["uid"], "allowed": True},
        }
        return web.Response(body=orjson.dumps(answer), content_type="application/json")

    application = web.Application(client_max_size=_MAX_BODY)
    application.add_routes([web.post(GATE_PATH, admit)])
    runner = web.AppRunner(application, access_log=None, handle_signals=False)
    await runner.setup()
    listener = _listener()
    try:
        await web.SockSite(runner, listener, ssl_context=serving_context(_material(directory))).start()
        yield listener.getsockname()[1]
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def _kopf(directory: Path, *, known: Snapshot) -> AsyncIterator[int]:
    import kopf  # noqa: PLC0415 - each arm imports its own, for its memory
    from kopf._cogs.aiokits.aiovalues import Container  # noqa: PLC0415 - the same
    from kopf._cogs.structs.ephemera import AnyMemo  # noqa: PLC0415 - the same
    from kopf._cogs.structs.references import Insights  # noqa: PLC0415 - the same
    from kopf._cogs.structs.references import Resource as Discovered  # noqa: PLC0415 - the same
    from kopf._core.engines.admission import (  # noqa: PLC0415 - the same
        admission_webhook_server,
        serve_admission_request,
    )
    from kopf._core.reactor.inventory import ResourceMemories  # noqa: PLC0415 - the same

    kopf.configure()
    registry = kopf.OperatorRegistry()
    asked: ContextVar[Mapping[str, Any]] = ContextVar("asked")

    @kopf.on.validate(lambda _: True, id="gate", subresource="*", registry=registry)
    async def gate(**given: Any) -> None:
        review = _rebuilt(given, hidden=asked.get())
        decision = decide(review=review, snapshot=known, now=datetime.now(UTC))
        match decision:
            case Deny():
                raise kopf.AdmissionError(decision.message, code=decision.http_code)
            case Hold():
                raise kopf.AdmissionError(decision.refusal.message, code=429)

    settings = kopf.OperatorSettings()
    insights = Insights(
        webhook_resources={
            Discovered(group="apps", version="v1", plural="deployments", kind="Deployment", namespaced=True),
            Discovered(group="", version="v1", plural="configmaps", kind="ConfigMap", namespaced=True),
        }
    )
    insights.ready_resources.set()
    serve = functools.partial(
        serve_admission_request,
        settings=settings,
        registry=registry,
        insights=insights,
        memories=ResourceMemories(),
        memobase=AnyMemo(kopf.Memo()),
        indices={},
    )

    async def hand_over(request: Any, **more: Any) -> Any:
        asked.set(request["request"])
        return await serve(request, **more)

    listener = _listener()
    port = listener.getsockname()[1]
    listener.close()
    settings.admission.server = kopf.WebhookServer(
        addr="127.0.0.1", port=port, certfile=directory / CERTIFICATE, pkeyfile=directory / KEY
    )
    listening: Container[Any] = Container()
    server = asyncio.create_task(
        admission_webhook_server(
            settings=settings,
            registry=registry,
            insights=insights,
            webhookfn=hand_over,
            container=listening,
        )
    )
    try:
        async for _ in listening.as_changed():
            break
        yield port
    finally:
        server.cancel()
        await asyncio.gather(server, return_exceptions=True)


def _rebuilt(given: Mapping[str, Any], *, hidden: Mapping[str, Any]) -> Review:
    """Return the review from what kopf hands to a handler, and from what it hides."""
    resource, kind, user = given["resource"], hidden["kind"], given["userinfo"]
    old, new = given["old"], given["new"]
    return Review(
        gate=Gate.NAMESPACED,
        uid=hidden["uid"],
        operation=given["operation"],
        kind=Kind(group=kind["group"], version=kind["version"], kind=kind["kind"]),
        resource=Resource(group=resource.group, version=resource.version, resource=resource.plural),
        subresource=given["subresource"] or "",
        name=hidden.get("name", ""),
        namespace=hidden.get("namespace", ""),
        user=User(
            username=user["username"],
            uid=user.get("uid", ""),
            groups=frozenset(user.get("groups", ())),
        ),
        object=None if new is None else dict(new),
        old_object=None if old is None else dict(old),
        options=hidden.get("options"),
        dry_run=given["dryrun"],
    )


def _material(directory: Path) -> Material:
    return Material(
        ca_pem=b"",
        cert_pem=(directory / CERTIFICATE).read_bytes(),
        key_pem=(directory / KEY).read_bytes(),
    )


def _listener() -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0))
    return listener


async def _serve(arm: str, directory: Path) -> None:
    servers = {
        "ours": lambda: _ours(directory, known=small_world()),
        "large": lambda: _ours(directory, known=large_world()),
        "bare": lambda: _bare(directory),
        "kopf": lambda: _kopf(directory, known=small_world()),
    }
    async with servers[arm]() as port:
        # Logs are written like anywhere, and kept nowhere; what stops a start was shown before.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.write(1, f"{port}\n".encode())
        ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(0, ended.set)
        await ended.wait()


if __name__ == "__main__":
    if sys.argv[3:]:
        os.sched_setaffinity(0, {int(sys.argv[3])})
    uvloop.run(_serve(sys.argv[1], Path(sys.argv[2])))
