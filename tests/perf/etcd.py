"""What an API server has stored, by etcd's HTTP gateway: for what takes too long through the API server."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Self

import orjson
import urllib3

__all__ = ["Store"]


class Store:
    """Custom resources as they are stored, by key; by ``with``."""

    def __init__(self, url: str, *, connections: int) -> None:
        self._url = url
        self._http = urllib3.PoolManager(maxsize=connections, retries=False, timeout=30.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.clear()

    def get(self, key: str) -> dict[str, Any]:
        """Return an object that must be there."""
        found = self._ask("range", {"key": _encoded(key.encode())})
        return dict(orjson.loads(base64.b64decode(found["kvs"][0]["value"])))

    def put(self, key: str, value: Mapping[str, Any]) -> None:
        """Store an object.

        One at a time, so that each has a revision of its own, as all that an API server writes has: a watch
        that is cut goes on behind the last revision that it saw.
        """
        self._ask("put", {"key": _encoded(key.encode()), "value": _encoded(orjson.dumps(value))})

    def _ask(self, what: str, body: Any) -> dict[str, Any]:
        reply = self._http.request("POST", f"{self._url}/v3/kv/{what}", body=orjson.dumps(body))
        if reply.status != 200:
            raise RuntimeError(f"etcd refuses {what}: {reply.data[:500]!r}")
        return dict(orjson.loads(reply.data))


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
