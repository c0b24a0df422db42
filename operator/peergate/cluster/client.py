"""A thin client of the API server: raw JSON in and out, a deadline on every call, no retries of its own.

"Absent" and "conflict" are ordinary answers here, so they are values; whatever else isn't a success is
``Unavailable``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Self

import aiohttp
import orjson
from kubernetes.aio.client import Configuration

from peergate.cluster.clock import ClusterClock
from peergate.cluster.credentials import Connection, load_configuration
from peergate.cluster.endpoints import Endpoint
from peergate.cluster.transport import Miss, NotAllowed, Transport
from peergate.errors import Unavailable
from peergate.model.names import JsonObject

__all__ = ["METADATA_ONLY", "Client", "Miss", "NotAllowed", "WatchRefused"]

METADATA_ONLY: Final = "PartialObjectMetadata"
"""Ask for metadata alone: a list of ServiceAccounts is then a fraction of its size."""

_LINE_LIMIT: Final = 16 << 20
"""Bytes of one watch event; objects are at most 3 MiB (kubernetes-facts.md C16)."""


class WatchRefused(Unavailable):
    """The API server answered a watch with an error: only a new list can go on from here (410 Gone)."""


class Client:
    """One connection pool to one API server."""

    def __init__(self, configuration: Configuration, *, kubeconfig: Path | None = None) -> None:
        """Take a configuration as ``credentials.load_configuration`` returns it."""
        self._transport = Transport(configuration, kubeconfig=kubeconfig)

    @classmethod
    async def connect(cls, kubeconfig: Path | None = None) -> Self:
        """Return a client; nothing is sent yet. Errors: ConfigError."""
        return cls(await load_configuration(kubeconfig), kubeconfig=kubeconfig)

    async def close(self) -> None:
        """Close the pool."""
        await self._transport.close()

    @property
    def clock(self) -> ClusterClock:
        """Return the cluster's time, as the answers of this API server tell it."""
        return self._transport.clock

    async def connection(self) -> Connection:
        """Return the credentials in use, read again, for a second client in this process."""
        return await self._transport.connection()

    async def get(
        self,
        endpoint: Endpoint,
        *,
        name: str,
        namespace: str = "",
        subresource: str = "",
        metadata_only: bool = False,
        deadline: float = 5.0,
    ) -> JsonObject | None:
        """Return one object, ``None`` if it doesn't exist. Errors: Unavailable."""
        found = await self._transport.call(
            "GET",
            endpoint.path(namespace=namespace, name=name, subresource=subresource),
            accept=METADATA_ONLY if metadata_only else "",
            deadline=deadline,
        )
        return None if isinstance(found, Miss) else found

    async def list_pages(
        self,
        endpoint: Endpoint,
        *,
        namespace: str = "",
        field_selector: str = "",
        metadata_only: bool = False,
        page: int = 500,
        deadline: float = 15.0,
    ) -> AsyncIterator[tuple[Sequence[JsonObject], str]]:
        """Yield the collection page by page, each with the resourceVersion of the whole list.

        Units: ``deadline`` in seconds, for each page. Errors: Unavailable; also for a collection that isn't
        served (its CRD is missing), and for a continuation that expired.
        """
        query = {"limit": str(page), "fieldSelector": field_selector}
        while True:
            found = await self._transport.call(
                "GET",
                endpoint.path(namespace=namespace),
                query=query,
                accept=f"{METADATA_ONLY}List" if metadata_only else "",
                deadline=deadline,
            )
            if isinstance(found, Miss):
                raise Unavailable(f"the API server does not list {endpoint.resource}")
            metadata = found.get("metadata") or {}
            yield found.get("items") or [], metadata.get("resourceVersion") or ""
            query["continue"] = metadata.get("continue") or ""
            if not query["continue"]:
                return

    @asynccontextmanager
    async def watch(
        self,
        endpoint: Endpoint,
        *,
        resource_version: str,
        seconds: int,
        namespace: str = "",
        field_selector: str = "",
        metadata_only: bool = False,
    ) -> AsyncIterator[AsyncIterator[JsonObject]]:
        """Watch a collection; entering means that the API server accepted the watch.

        The events end when the server closes after ``seconds``; a server that stays silent for ten seconds
        longer is given up. Errors: WatchRefused for an error status; Unavailable for a broken connection.
        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(seconds),
            "fieldSelector": field_selector,
        }
        try:
            async with asyncio.timeout(seconds + 10):
                response = await self._transport.send(
                    "GET",
                    endpoint.path(namespace=namespace),
                    query=query,
                    accept=METADATA_ONLY if metadata_only else "",
                    patience=seconds + 15,
                )
                try:
                    if response.status != 200:  # noqa: PLR2004 - the only success of a watch
                        body = (await response.content.read(4096)).decode(errors="replace")
                        raise WatchRefused(
                            f"the API server refused to watch {endpoint.resource}",
                            context=f"{response.status} {body}",
                        )
                    yield _events(response, endpoint)
                finally:
                    _abort(response)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"the watch of {endpoint.resource} broke", context=repr(error)) from error

    async def create(
        self,
        endpoint: Endpoint,
        *,
        body: JsonObject,
        namespace: str = "",
        deadline: float = 5.0,
    ) -> JsonObject | Miss:
        """Create an object; ``CONFLICT`` if one of that name exists. Errors: Unavailable."""
        return await self._transport.call(
            "POST", endpoint.path(namespace=namespace), body=body, deadline=deadline
        )

    async def replace(
        self,
        endpoint: Endpoint,
        *,
        body: JsonObject,
        deadline: float = 5.0,
    ) -> JsonObject | Miss:
        """Put an object back; ``CONFLICT`` if its resourceVersion is not the live one.

        Errors: Unavailable.
        """
        metadata = body["metadata"]
        path = endpoint.path(namespace=metadata.get("namespace", ""), name=metadata["name"])
        return await self._transport.call("PUT", path, body=body, deadline=deadline)

    async def apply(
        self,
        endpoint: Endpoint,
        *,
        body: JsonObject,
        field_manager: str,
        namespace: str = "",
        deadline: float = 5.0,
    ) -> JsonObject | Miss:
        """Apply on the server's side, taking over fields that others own.

        ``metadata.uid`` in the body makes it a precondition: nothing is created, ``CONFLICT`` is the answer.
        Errors: Unavailable.
        """
        return await self._transport.call(
            "PATCH",
            endpoint.path(namespace=namespace, name=body["metadata"]["name"]),
            query={"fieldManager": field_manager, "force": "true"},
            body=body,
            content_type="application/apply-patch+yaml",
            deadline=deadline,
        )

    async def patch(
        self,
        endpoint: Endpoint,
        *,
        name: str,
        body: JsonObject,
        namespace: str = "",
        subresource: str = "",
        deadline: float = 5.0,
    ) -> JsonObject | Miss:
        """Merge a JSON merge patch (RFC 7396) into an object. Errors: Unavailable."""
        return await self._transport.call(
            "PATCH",
            endpoint.path(namespace=namespace, name=name, subresource=subresource),
            body=body,
            content_type="application/merge-patch+json",
            deadline=deadline,
        )

    async def delete(
        self,
        endpoint: Endpoint,
        *,
        name: str,
        uid: str,
        resource_version: str = "",
        namespace: str = "",
        deadline: float = 5.0,
    ) -> Miss | None:
        """Delete exactly the object with this uid, and in exactly this version if one is given.

        Errors: Unavailable.
        """
        preconditions = {"uid": uid, **({"resourceVersion": resource_version} if resource_version else {})}
        found = await self._transport.call(
            "DELETE",
            endpoint.path(namespace=namespace, name=name),
            body={"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions},
            deadline=deadline,
        )
        return found if isinstance(found, Miss) else None


def _abort(response: aiohttp.ClientResponse) -> None:
    """Drop the connection of an unfinished response at once: a silent server would not answer a goodbye."""
    connection = response.connection
    if connection is not None and connection.transport is not None:
        connection.transport.abort()
    response.close()


async def _events(response: aiohttp.ClientResponse, endpoint: Endpoint) -> AsyncIterator[JsonObject]:
    """Yield the decoded lines of a watch; a line that ends without a newline was cut, and is dropped."""
    buffer = bytearray()
    async for chunk in response.content.iter_any():
        buffer += chunk
        if b"\n" not in chunk:
            if len(buffer) > _LINE_LIMIT:
                raise WatchRefused(f"an event of {endpoint.resource} is too large")
            continue
        *lines, rest = bytes(buffer).split(b"\n")
        buffer = bytearray(rest)
        for line in lines:
            if line.strip():
                yield _event(line, endpoint)


def _event(line: bytes, endpoint: Endpoint) -> JsonObject:
    try:
        event: Any = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise WatchRefused(f"an event of {endpoint.resource} is no JSON") from error
    if not isinstance(event, dict) or not isinstance(event.get("object"), dict):
        raise WatchRefused(f"an event of {endpoint.resource} has no object")
    return event
