"""The plain HTTP port: is it alive, is it ready, what does it count.

Readiness is first sync, listener and self-test. Staleness is not part of it: an API server that pauses would
take every replica out of the Service at once (experience.md §3.4).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from peergate.observe.metrics import Metrics
from peergate.settings import MetricsSettings

__all__ = ["Check", "HealthServer"]

Check = Callable[[], str]
"""Returns what is wrong, for people; empty when nothing is. Must not wait."""

_LOG: Final = logging.getLogger(__name__)
_IDLE_SECONDS: Final = 75.0


class HealthServer:
    """Serves ``/livez``, ``/readyz`` and ``/metrics``."""

    def __init__(self, checks: Mapping[str, Check], *, settings: MetricsSettings, metrics: Metrics) -> None:
        """Keep the readiness checks, by name, in the order in which they are shown."""
        self._checks = dict(checks)
        self._settings = settings
        self._metrics = metrics
        self._port = 0

    @property
    def port(self) -> int:
        """Return the port it listens on; 0 while it doesn't."""
        return self._port

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Listen inside the block."""
        server = web.Server(
            self._respond,
            access_log=None,
            logger=_LOG,
            keepalive_timeout=_IDLE_SECONDS,
        )
        listener = await asyncio.get_running_loop().create_server(
            server,
            self._settings.host,
            self._settings.port,
            reuse_port=False,
        )
        self._port = listener.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            listener.close()
            self._port = 0
            server.pre_shutdown()
            await server.shutdown(1.0)

    async def _respond(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        if request.method not in {"GET", "HEAD"}:
            return web.Response(status=405, text="only read\n", headers={"Allow": "GET, HEAD"})
        match path:
            case "/livez":
                return web.Response(text="ok\n")
            case "/readyz":
                return self._readiness(verbose=query == "verbose" or query.startswith("verbose="))
            case "/metrics":
                # In a thread: with thousands of named policies and approvers it takes its time.
                body = await asyncio.to_thread(self._metrics.render)
                return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})
            case _:
                return web.Response(status=404, text="nothing here\n")

    def _readiness(self, *, verbose: bool) -> web.Response:
        problems = {name: check() for name, check in self._checks.items()}
        ready = not any(problems.values())
        lines = []
        if verbose:
            lines = [f"[-]{name}: {what}" if what else f"[+]{name} ok" for name, what in problems.items()]
        lines.append("ready" if ready else "not ready")
        return web.Response(status=200 if ready else 503, text="\n".join(lines) + "\n")
