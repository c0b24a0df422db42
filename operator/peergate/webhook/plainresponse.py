"""One HTTP answer with a body that is known beforehand, written in one piece.

Does what ``web.Response`` does for such an answer, without its header table, cookies, compression and ranges:
those cost more than judging a review does.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

__all__ = ["PlainResponse"]

_HEADS: Final = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {kind}\r\nContent-Length: "
    for status in HTTPStatus
    for kind in ("application/json" if status is HTTPStatus.OK else "text/plain",)
}


class PlainResponse(web.StreamResponse):
    """JSON with status 200, or text with any other."""

    def __init__(self, body: bytes, *, status: int, extra: str = "", closes: bool = False) -> None:
        """Keep what is to be written; ``extra`` is one more header line, ended by CR and LF."""
        self._head = _HEADS[status]
        self._content = body
        self._extra = extra
        self._closes = closes

    @property
    def keep_alive(self) -> bool:
        """Tell whether the connection stays open after this answer."""
        return not self._closes

    def force_close(self) -> None:
        """Close the connection after this answer."""
        self._closes = True

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        """Write all of it."""
        self._closes = self._closes or not request.keep_alive
        end = "Connection: close\r\n\r\n" if self._closes else "\r\n"
        head = f"{self._head}{len(self._content)}\r\n{self._extra}{end}"
        await request.writer.write(head.encode("ascii") + self._content)
        return request.writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: the length was announced and all was written."""
