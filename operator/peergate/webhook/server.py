"""The HTTPS port that the API server calls: one exact path per gate, nothing else.

What is wrong at the level of HTTP is answered at the level of HTTP: the API server takes any status but 200
for a failed call, and its failure policy refuses. None of these answers is a verdict.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from aiohttp import web

from peergate.model.review import Gate
from peergate.observe.metrics import Metrics
from peergate.settings import WebhookSettings
from peergate.webhook.body import BodyBudget, BodyProblem, expected_size, read_body
from peergate.webhook.connections import Connection, ConnectionServer
from peergate.webhook.handler import ReviewHandler, internal_deadline
from peergate.webhook.plainresponse import PlainResponse

__all__ = ["GATE_PATHS", "ClientConfig", "Edge"]

ClientConfig = Mapping[str, object]

GATE_PATHS: Final[Mapping[str, Gate]] = {f"/gates/{gate}": gate for gate in Gate}
"""The exact paths; nothing is normalised, decoded or trimmed before the comparison (K2)."""

_LOG: Final = logging.getLogger(__name__)
_MAX_CONNECTIONS: Final = 1024
"""An API server opens one per review in flight; the bound is for everybody else who reaches the port."""
_SMALL_BODY: Final = 64 << 10
"""Bodies up to this size don't draw on the budget: all connections together hold 64 MiB of them."""
_BUDGET_BODIES: Final = 4
"""Bodies of the largest size that are held at once; others are left on the wire until their turn."""
_BACKLOG: Final = 512
_HANDSHAKE_SECONDS: Final = 5.0
_SHUTDOWN_SECONDS: Final = 1.0
_JSON: Final = frozenset({"application/json", "application/json; charset=utf-8"})


class Edge:
    """Serves the gates over TLS until it is left.

    ``kopf`` takes an instance as ``settings.admission.server`` (K22); nothing here needs kopf.
    """

    def __init__(
        self,
        handler: ReviewHandler,
        *,
        settings: WebhookSettings,
        tls: ssl.SSLContext,
        metrics: Metrics,
        client_config: Callable[[], ClientConfig] = dict,
        allowed: Callable[[asyncio.BaseTransport], bool] = lambda _: True,
        grace: timedelta = timedelta(seconds=10),
    ) -> None:
        """Keep what serving needs.

        ``allowed``: who may speak at all, asked after the handshake and before a byte is read.
        ``grace``: how long it serves on after it is told to stop, until no Service sends to it any more.
        """
        self._handler = handler
        self._settings = settings
        self._tls = tls
        self._metrics = metrics
        self._client_config = client_config
        self._allowed = allowed
        self._grace = grace.total_seconds()
        self._patience = internal_deadline(settings.timeout_seconds).total_seconds()
        self._budget = BodyBudget(_BUDGET_BODIES * settings.max_body_bytes)
        self._connections: ConnectionServer | None = None
        self._port = 0
        self._draining = False

    @property
    def port(self) -> int:
        """Return the port it listens on; 0 while it doesn't."""
        return self._port

    @property
    def accepting(self) -> bool:
        """Tell whether it listens and is not about to stop: a readiness check."""
        return self._port != 0 and not self._draining

    async def __call__(self, fn: object) -> AsyncGenerator[ClientConfig, None]:
        """Serve until cancelled; yield once, when listening, how the API server reaches it.

        ``fn``, kopf's own review function, is never called: it admits what no handler matches (K1, K2).
        """
        del fn
        async with self.serving():
            yield self._client_config()
            await asyncio.get_running_loop().create_future()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Listen inside the block, then drain: serve on for the grace, close, and finish what is in work."""
        loop = asyncio.get_running_loop()
        connections = ConnectionServer(
            self._respond, limit=_MAX_CONNECTIONS, failed=self._gave_up, allowed=self._allowed
        )
        listener = await loop.create_server(
            connections,
            self._settings.host,
            self._settings.port,
            ssl=self._tls,
            backlog=_BACKLOG,
            reuse_port=False,  # two operators on one port must not share traffic in silence (K19)
            ssl_handshake_timeout=_HANDSHAKE_SECONDS,
            ssl_shutdown_timeout=_SHUTDOWN_SECONDS,
        )
        self._connections = connections
        self._draining = False
        self._port = listener.sockets[0].getsockname()[1]
        _LOG.info("serving the gates on port %d", self._port)
        try:
            yield
        finally:
            self._draining = True
            await asyncio.sleep(self._grace)
            listener.close()
            self._port = 0
            connections.pre_shutdown()
            await connections.shutdown(self._patience)
            self._handler.report()
            _LOG.info("served the last review")

    async def _respond(self, request: web.BaseRequest) -> web.StreamResponse:
        connections, connection = self._connections, request.protocol
        assert connections is not None  # noqa: S101 - narrows the type: only served while serving
        assert isinstance(connection, Connection)  # noqa: S101 - narrows the type
        connections.begin(connection)
        try:
            response = await self._answer(request)
        finally:
            connections.end(connection)
        if self._draining:
            response.force_close()
        return response

    async def _answer(self, request: web.BaseRequest) -> PlainResponse:
        arrived = asyncio.get_running_loop().time()
        gate = GATE_PATHS.get(request.raw_path.partition("?")[0])
        if gate is None:
            return _refused(404, "no gate has this path")
        if request.method != "POST":
            return _refused(405, "reviews are posted", extra="Allow: POST\r\n")
        headers = request.headers
        if headers.get("Content-Type", "").lower() not in _JSON:
            return _refused(415, "a review is application/json")
        if headers.get("Content-Encoding", "identity") != "identity":
            return _refused(415, "a review is not compressed")
        try:
            size = expected_size(request, limit=self._settings.max_body_bytes)
            if size <= _SMALL_BODY:
                return await self._review(request, gate=gate, arrived=arrived)
            async with asyncio.timeout_at(arrived + self._patience) as waiting, self._budget.hold(size):
                waiting.reschedule(None)
                return await self._review(request, gate=gate, arrived=arrived)
        except BodyProblem as problem:
            self._metrics.failed("body")
            return _refused(problem.status, problem.user_message)
        except TimeoutError:
            self._metrics.failed("deadline")
            return _refused(503, "too many large bodies at once")

    async def _review(self, request: web.BaseRequest, *, gate: Gate, arrived: float) -> PlainResponse:
        limit = self._settings.max_body_bytes
        body = await read_body(request, limit=limit, deadline=arrived + self._patience)
        answer = await self._handler.answer(body, gate=gate, arrived=arrived)
        return PlainResponse(answer.body, status=answer.status)

    def _gave_up(self, defect: bool) -> None:  # noqa: FBT001 - which of the two it was
        self._metrics.failed("bug" if defect else "body")


def _refused(status: int, text: str, *, extra: str = "") -> PlainResponse:
    return PlainResponse(f"{text}\n".encode(), status=status, extra=extra, closes=True)
