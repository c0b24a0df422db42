"""Bound what open connections can cost.

At the bound the connection that has been idle longest makes room, so that whoever opens many and says nothing
shuts out nobody.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, cast

from aiohttp import web

from peergate.webhook.plainresponse import PlainResponse

__all__ = ["Connection", "ConnectionServer"]

_LOG: Final = logging.getLogger(__name__)
_FIRST_REQUEST_SECONDS: Final = 10.0
"""A new connection that has not sent the head of a request by then is closed."""
_IDLE_SECONDS: Final = 150.0
"""Longer than the 90 s after which the API server closes idle connections itself, so that it never sends into
one that is closing here."""
_LINGER_SECONDS: Final = 1.0
"""How long the rest of a refused body is read and dropped, so that the answer is not lost in a reset."""
_MAX_LINE: Final = 2048
_MAX_HEADERS: Final = 64
_MAX_FIELD: Final = 8190


class Connection(web.RequestHandler):
    """One client's connection; answers what is no HTTP request with a short 400."""

    def __init__(self, server: ConnectionServer, *, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=_IDLE_SECONDS,
            access_log=None,  # type: ignore[arg-type]  # aiohttp tests for None
            logger=_LOG,
            max_line_size=_MAX_LINE,
            max_headers=_MAX_HEADERS,
            max_field_size=_MAX_FIELD,
            lingering_time=_LINGER_SECONDS,
            # A compressed body could unfold to any size; what is encoded is refused.
            auto_decompress=False,
        )
        self._server = server
        self._loop_of_server = loop
        self._first_request: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection in, or end it where no place can be made."""
        if not self._server.allowed(transport) or not self._server.admit(self):
            # Nothing of it was read, and nothing will be. The type is not asserted: uvloop's transport of TLS
            # has the method and is no subclass.
            cast("asyncio.WriteTransport", transport).abort()
            return
        self._first_request = self._loop_of_server.call_later(_FIRST_REQUEST_SECONDS, self.force_close)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give the place back."""
        self.heard()
        self._server.dismiss(self)
        super().connection_lost(exc)

    def heard(self) -> None:
        """Note that a whole head of a request came in."""
        if self._first_request is not None:
            self._first_request.cancel()
            self._first_request = None

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the answer to what is no HTTP (4xx), or to a defect of the edge (500), and close.

        The text never shows what was sent or what went wrong; a defect's detail goes to the log.
        """
        del request, message
        defect = status >= 500  # noqa: PLR2004
        if defect:
            _LOG.error("a defect met a request", exc_info=exc)
        self._server.failed(defect)
        return PlainResponse(b"defect\n" if defect else b"no HTTP request\n", status=status, closes=True)


class ConnectionServer(web.Server):
    """Makes connections and keeps count of them."""

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        *,
        limit: int,
        failed: Callable[[bool], None],
        allowed: Callable[[asyncio.BaseTransport], bool],
    ) -> None:
        """Keep the bound; ``failed`` is told of every request aiohttp gave up: by a defect, or no HTTP.

        ``allowed`` looks at a connection whose handshake is done; one that it refuses is ended at once.
        """
        self._serving_loop = asyncio.get_running_loop()
        super().__init__(handler)
        self._limit = limit
        self._idle: dict[Connection, None] = {}  # in the order of their last request
        self._busy: set[Connection] = set()
        self.failed: Final = failed
        self.allowed: Final = allowed

    def __call__(self) -> web.RequestHandler:
        """Return the protocol of a new connection."""
        return Connection(self, loop=self._serving_loop)

    @property
    def open(self) -> int:
        """Return how many connections are open."""
        return len(self._idle) + len(self._busy)

    def admit(self, connection: Connection) -> bool:
        """Take a connection in; false if all others are at work and there are too many."""
        if self.open >= self._limit:
            oldest = next(iter(self._idle), None)
            if oldest is None:
                return False
            del self._idle[oldest]
            oldest.force_close()
        self._idle[connection] = None
        return True

    def dismiss(self, connection: Connection) -> None:
        """Forget a connection that is gone."""
        self._idle.pop(connection, None)
        self._busy.discard(connection)

    def begin(self, connection: Connection) -> None:
        """Note that a request of this connection is in work, so that it won't make room for others."""
        connection.heard()
        if self._idle.pop(connection, self) is None:
            self._busy.add(connection)

    def end(self, connection: Connection) -> None:
        """Note that its request is answered."""
        if connection in self._busy:
            self._busy.discard(connection)
            self._idle[connection] = None
