"""Requests to the API server: credentials, deadlines, and what counts as an answer.

Built on the official client's configuration and transport, without its generated models: those would cost
more memory than the rest of the operator.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

import aiohttp
import orjson
from kubernetes.aio.client import Configuration
from kubernetes.aio.client.rest import RESTClientObject

from peergate.cluster.clock import ClusterClock
from peergate.cluster.credentials import Connection, authorization_of, connection_of, load_configuration
from peergate.errors import ConfigError, Unavailable
from peergate.model.names import JsonObject

__all__ = ["Miss", "NotAllowed", "Transport"]

_CONNECT_SECONDS: Final = 5.0
_USER_AGENT: Final = "peergate"
_NO_RIGHT: Final = 403


class Miss(Enum):
    """What a call met instead of its object."""

    ABSENT = 404
    CONFLICT = 409
    """Exists already, or changed since it was read, or another uid."""


class NotAllowed(Unavailable):
    """The API server refused a call for want of rights, or by a policy: repeating it now is no use."""


class Transport:
    """One connection pool to one API server."""

    def __init__(self, configuration: Configuration, *, kubeconfig: Path | None) -> None:
        self._configuration = configuration
        self._kubeconfig = kubeconfig
        self._rest = RESTClientObject(configuration)
        self._reload = asyncio.Lock()
        self.clock = ClusterClock()
        """Hears the date of every answer."""

    async def close(self) -> None:
        """Close the pool."""
        await self._rest.close()

    async def connection(self) -> Connection:
        """Return the credentials in use, read again. Errors: Unavailable."""
        await self._reload_credentials(refused="")
        return await connection_of(self._configuration)

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: JsonObject | None = None,
        content_type: str = "application/json",
        accept: str = "",
        deadline: float,
    ) -> JsonObject | Miss:
        """Return the answer's object, or what was met instead of it.

        Units: ``deadline`` in seconds, for everything. Errors: Unavailable for whatever is neither a success
        nor 404 or 409; of it NotAllowed for 403.
        """
        try:
            async with asyncio.timeout(deadline):
                response = await self.send(
                    method,
                    path,
                    query=query,
                    body=body,
                    content_type=content_type,
                    accept=accept,
                    patience=deadline + 5,
                )
                async with response:
                    data = await response.read()
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise Unavailable(
                "the API server does not answer", context=f"{method} {path}: {error!r}"
            ) from error
        if response.status in (Miss.ABSENT.value, Miss.CONFLICT.value):
            return Miss(response.status)
        if not 200 <= response.status < 300:  # noqa: PLR2004 - the range of success
            shown = data[:512].decode(errors="replace")
            refusal = NotAllowed if response.status == _NO_RIGHT else Unavailable
            raise refusal(
                "the API server refused a call", context=f"{method} {path}: {response.status} {shown}"
            )
        try:
            document = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise Unavailable("the API server's answer is no JSON", context=f"{method} {path}") from error
        if not isinstance(document, dict):
            raise Unavailable("the API server's answer is no object", context=f"{method} {path}")
        return document

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: JsonObject | None = None,
        content_type: str = "application/json",
        accept: str = "",
        patience: float,
    ) -> aiohttp.ClientResponse:
        """Return the response, its body unread, whatever its status.

        Shape: ``accept`` asks for a form of ``meta.k8s.io/v1``; empty query members are left out.
        Units: ``patience`` in seconds is the transport's own limit; the caller's deadline is shorter.
        Errors: TimeoutError, aiohttp.ClientError, OSError; Unavailable if the credentials can't be read.
        """
        headers = {
            "Accept": f"application/json;as={accept};g=meta.k8s.io;v=v1" if accept else "application/json",
            "Content-Type": content_type,
            "User-Agent": _USER_AGENT,
        }
        authorization = await authorization_of(self._configuration)
        for again in (False, True):
            if authorization:
                headers["Authorization"] = authorization
            asked = time.monotonic()
            raw: aiohttp.ClientResponse = (
                await self._rest.request(  # type: ignore[no-untyped-call]
                    method,
                    self._configuration.host + _url(path, query or {}),
                    headers=dict(headers),
                    body=body,
                    # Never None: it would be taken for a default of five minutes.
                    _request_timeout=aiohttp.ClientTimeout(total=patience, sock_connect=_CONNECT_SECONDS),
                )
            ).response
            self.clock.heard(raw.headers.get("Date", ""), asked=asked)
            if raw.status != 401 or again:  # noqa: PLR2004 - Unauthorized
                return raw
            # A rotated token: read the credentials again, once, and repeat.
            raw.close()
            await self._reload_credentials(refused=authorization)
            authorization = await authorization_of(self._configuration)
        raise RuntimeError("unreachable: the second try always returns")

    async def _reload_credentials(self, *, refused: str) -> None:
        async with self._reload:
            if refused and await authorization_of(self._configuration) != refused:
                return
            try:
                fresh = await load_configuration(self._kubeconfig)
            except ConfigError as error:
                raise Unavailable("the credentials can't be read again", context=str(error)) from error
            self._configuration.api_key = fresh.api_key
            self._configuration.refresh_api_key_hook = fresh.refresh_api_key_hook


def _url(path: str, query: Mapping[str, str]) -> str:
    given = {key: value for key, value in query.items() if value}
    return f"{path}?{urlencode(given, quote_via=quote)}" if given else path
