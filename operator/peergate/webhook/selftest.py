"""Prove that the gate guards: post a must-deny review through the own listener, over real TLS.

Ready means that a client with the CA bundle reaches the own gate and is refused there in our own words; a
listener that answers, but admits, is not ready.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Final

import aiohttp
import orjson

from peergate.errors import ConfigError
from peergate.model.names import SELF_TEST_GROUP
from peergate.model.review import Gate
from peergate.webhook.tls import Material, present

__all__ = ["SelfTest", "must_deny"]

_LOG: Final = logging.getLogger(__name__)
_CALL_SECONDS: Final = 5.0
_OPENING_SECONDS: Final = 0.05
_MAX_ANSWER: Final = 64 << 10


class SelfTest:
    """Repeats the proof in the background and remembers how the last one went.

    Contains the uid of the review it has under way, for ``ReviewHandler(own=...)``: a random one, so that
    nobody else can ask unseen.
    """

    def __init__(
        self,
        *,
        port: Callable[[], int],
        host: str,
        server_name: str,
        namespace: str,
        ca_pem: Callable[[], bytes],
        own: Material | None = None,
        interval: timedelta = timedelta(seconds=30),
    ) -> None:
        """Keep where to ask.

        ``host`` is what the listener is bound to; bound to all addresses it is asked on loopback.
        ``server_name`` is the name the certificate must be valid for, the Service's. ``ca_pem`` returns the
        bundle as the API server has it; ``own`` is what this client presents, where the listener asks for it.
        """
        self._port = port
        self._host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
        self._server_name = server_name
        self._namespace = namespace
        self._ca_pem = ca_pem
        self._own = own
        self._interval = interval.total_seconds()
        self._under_way = ""
        self.problem = "not tried yet"
        """Why the gate does not guard, for people; empty when it does."""

    def __contains__(self, uid: object) -> bool:
        """Tell whether this is the uid of the review under way."""
        return bool(self._under_way) and uid == self._under_way

    def __iter__(self) -> Iterator[str]:
        """Iterate over the uid under way, if any."""
        return iter([self._under_way] if self._under_way else [])

    async def run(self) -> None:
        """Repeat until cancelled, from when the listener is open; faster while it fails."""
        while True:
            if not self._port():
                await asyncio.sleep(_OPENING_SECONDS)
                continue
            await self.prove()
            await asyncio.sleep(self._interval if not self.problem else min(1.0, self._interval))

    async def prove(self) -> str:
        """Ask once; return the problem, empty if refused as must be. Never raises but when cancelled."""
        problem = await self._ask()
        if problem != self.problem:
            _LOG.log(logging.WARNING if problem else logging.INFO, "self-test: %s", problem or "ok")
        self.problem = problem
        return problem

    async def _ask(self) -> str:
        port = self._port()
        if not port:
            return "the listener is not open"
        self._under_way = uid = str(uuid.uuid4())
        try:
            context = _client_context(self._ca_pem(), own=self._own)
            status, body = await self._post(port, context, must_deny(uid, namespace=self._namespace))
        except ConfigError as error:
            return error.user_message
        except TimeoutError:
            return "the listener did not answer in time"
        except (aiohttp.ClientError, OSError) as error:
            return f"the listener was not reached over TLS ({type(error).__name__})"
        finally:
            self._under_way = ""
        return _judged(status, body, uid=uid)

    async def _post(self, port: int, context: ssl.SSLContext, body: bytes) -> tuple[int, bytes]:
        host = f"[{self._host}]" if ":" in self._host else self._host
        connector = aiohttp.TCPConnector(ssl=context, force_close=True)
        timeout = aiohttp.ClientTimeout(total=_CALL_SECONDS)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as session,
            session.post(
                f"https://{host}:{port}/gates/{Gate.OWN}",
                data=body,
                headers={"Content-Type": "application/json"},
                server_hostname=self._server_name,
                allow_redirects=False,
            ) as response,
        ):
            return response.status, await response.content.read(_MAX_ANSWER)


def must_deny(uid: str, *, namespace: str) -> bytes:
    """Return a review that every gate refuses: an agent deletes in the operator's own namespace.

    Whoever claims ``SELF_TEST_GROUP`` is an agent, whatever the caches say. It is a dry run, so that nothing
    is filed or spent.
    """
    name = "self-test"
    kind = {"group": "", "version": "v1", "kind": "ConfigMap"}
    resource = {"group": "", "version": "v1", "resource": "configmaps"}
    return orjson.dumps(
        {
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": uid,
                "kind": kind,
                "resource": resource,
                "requestKind": kind,
                "requestResource": resource,
                "name": name,
                "namespace": namespace,
                "operation": "DELETE",
                "userInfo": {"username": SELF_TEST_GROUP, "groups": [SELF_TEST_GROUP]},
                "object": None,
                "oldObject": {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "metadata": {
                        "name": name,
                        "namespace": namespace,
                        "uid": "00000000-0000-4000-8000-000000000000",
                    },
                },
                "dryRun": True,
                "options": {"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1"},
            },
        },
    )


def _client_context(ca_pem: bytes, *, own: Material | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(cadata=ca_pem.decode("ascii"))
    except (ValueError, ssl.SSLError) as error:
        raise ConfigError("the CA bundle is unreadable", context=str(error)) from error
    if own is not None:
        present(context, own)
    return context


def _judged(status: int, body: bytes, *, uid: str) -> str:
    if status != 200:  # noqa: PLR2004
        return f"the own gate answered HTTP {status}"
    try:
        response = orjson.loads(body)["response"]
        verdict = (
            response["uid"],
            response["allowed"],
            response["status"]["code"],
            response["status"]["reason"],
        )
    except (ValueError, KeyError, TypeError):
        verdict = None
    if verdict != (uid, False, 403, "NotApprovable"):
        return "the own gate did not refuse what it must refuse"
    return ""
