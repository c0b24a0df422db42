"""A real edge on loopback, in front of a decision that the test chooses."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.gate import AGENT_UID, snapshot

from peergate.gate.decide import refuse_unavailable
from peergate.gate.snapshot import Snapshot
from peergate.model.change import Change, ObjectRef, Requester
from peergate.model.decision import Allow, Claim, Code, Decision, Deny, Details, Facts, State
from peergate.model.names import ChangeId, Digest
from peergate.model.review import Review
from peergate.observe.logs import DecisionLog
from peergate.observe.metrics import Metrics
from peergate.settings import LogSettings, WebhookSettings
from peergate.webhook.handler import Judge, ReviewHandler
from peergate.webhook.server import Edge
from peergate.webhook.tls import Material, self_signed, serving_context

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
NAME = "peergate.peergate-system.svc"
UID = "5f7c1c2e-0d0b-4c5a-9d2f-6f1f3b1e2a34"

CHANGE = Change(
    audience="k8s:00000000-0000-4000-8000-000000000001",
    operation="UPDATE",
    object=ObjectRef("", "v1", "configmaps", "", "shop", "limits", "1a2b3c4d-0000-4000-8000-00000000000a"),
    requester=Requester("system:serviceaccount:agents:bot", AGENT_UID),
    projection="k8s-projection/v1",
    from_=Digest("a" * 64),
    to=Digest("b" * 64),
    options={},
)


def request_of(**changes: Any) -> dict[str, Any]:
    """Return the request of a DELETE by an agent, with some members changed."""
    kind = {"group": "", "version": "v1", "kind": "ConfigMap"}
    metadata = {
        "name": "limits",
        "namespace": "shop",
        "uid": "1a2b3c4d-0000-4000-8000-00000000000a",
    }
    return {
        "uid": UID,
        "kind": kind,
        "resource": {"group": "", "version": "v1", "resource": "configmaps"},
        "name": "limits",
        "namespace": "shop",
        "operation": "DELETE",
        "userInfo": {
            "username": "system:serviceaccount:agents:bot",
            "uid": AGENT_UID,
            "groups": ["system:serviceaccounts", "system:serviceaccounts:agents"],
        },
        "object": None,
        "oldObject": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"max": "1"}},
        "dryRun": False,
        "options": {"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1"},
    } | changes


NEWCOMER = {
    "username": "system:serviceaccount:agents:newcomer",
    "uid": "uid-of-newcomer",
    "groups": ["system:serviceaccounts", "system:serviceaccounts:agents"],
}
"""An account that the snapshot does not know, so that it is looked up live."""


def review_body(**changes: Any) -> bytes:
    """Return the bytes of an AdmissionReview around ``request_of``."""
    document = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": request_of(**changes),
    }
    return json.dumps(document).encode()


def claim(number: int) -> Claim:
    """Return one approval that counted."""
    return Claim(
        payload=Digest(f"{number:064x}"),
        slot=f"v1.peer{number}",
        approver=f"peer{number}@example.com",
        key_id=f"SHA256:{number}",
        expires="2026-11-23T12:15:00Z",
        key_type="ssh",
    )


def approved(*claims: Claim) -> Allow:
    """Return the admission of ``CHANGE`` by these approvals."""
    facts = Facts(
        agent_tag="label",
        change=CHANGE,
        change_digest=Digest("c" * 64),
        change_id=ChangeId("cr-hbzkqvmtwxcdfgjnprst"),
        counted=claims,
    )
    return Allow("approved", facts=facts)


def denial(code: Code = Code.APPROVAL_MISSING, state: State = State.PENDING) -> Deny:
    """Return a short refusal."""
    return Deny(code=code, state=state, message=f"refused: {code}", details=Details(kind="configmaps"))


class Source:
    """A snapshot source whose live GET can be made to wait or fail."""

    def __init__(self, look_up: Callable[[], Any] | None = None) -> None:
        self.waiting = 0
        self.most_waiting = 0
        self.arrivals: asyncio.Queue[None] = asyncio.Queue()
        """One entry for each look-up that has begun."""
        self._known = snapshot()
        self._look_up = look_up

    def snapshot(self) -> Snapshot:
        return self._known

    async def look_up(self, _review: Review, known: Snapshot) -> Snapshot:
        self.waiting += 1
        self.most_waiting = max(self.waiting, self.most_waiting)
        self.arrivals.put_nowait(None)
        try:
            if self._look_up is not None:
                await self._look_up()
        finally:
            self.waiting -= 1
        return known


class UntouchedLedger:
    """Fails a test in which a use is recorded or asked for."""

    async def spent(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("the ledger was asked")

    async def claim(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("a use was recorded")


def always(decision: Decision) -> Callable[..., Decision]:
    """Return a decide function with one answer."""
    return lambda **_: decision


def make_handler(
    decide: Callable[..., Decision],
    *,
    source: Any = None,
    ledger: Any = None,
    metrics: Metrics | None = None,
    log: io.StringIO | None = None,
    deadline: timedelta = timedelta(seconds=4.5),
    max_concurrent: int = 64,
    refuse: Callable[..., Decision] = refuse_unavailable,
    times: tuple[datetime, ...] = (NOW,),
    **more: Any,
) -> ReviewHandler:
    """Return a handler with harmless parts where none are given."""
    return ReviewHandler(
        Judge(
            source=source or Source(),
            ledger=ledger or UntouchedLedger(),
            decide=decide,
            refuse_unavailable=refuse,
            clock=lambda: times,
        ),
        metrics=metrics or Metrics(),
        log=DecisionLog(LogSettings(), stream=log or io.StringIO()),
        deadline=deadline,
        max_concurrent=max_concurrent,
        **more,
    )


@dataclass(frozen=True)
class Served:
    """A running edge and how to reach it."""

    edge: Edge
    metrics: Metrics
    material: Material
    server_tls: ssl.SSLContext
    client_tls: ssl.SSLContext

    @asynccontextmanager
    async def connection(
        self,
        tls: ssl.SSLContext | None = None,
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Open a TLS connection, its certificate verified; leave nothing of it behind."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1",
            self.edge.port,
            ssl=tls or self.client_tls,
            server_hostname=NAME,
        )
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def exchange(self, data: bytes) -> bytes:
        """Send bytes on a connection of their own; return all that comes back until it is closed."""
        async with self.connection() as (reader, writer):
            writer.write(data)
            await writer.drain()
            return await reader.read()

    def errors(self, cause: str) -> float:
        """Return the count of one cause of errors."""
        found = self.metrics.registry.get_sample_value("peergate_review_errors_total", {"cause": cause})
        return found or 0.0


def client_context(material: Material) -> ssl.SSLContext:
    """Return a client's context that trusts the material's CA only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=material.ca_pem.decode())
    return context


def fresh_material() -> Material:
    """Return a certificate for loopback and the Service's name."""
    return self_signed([NAME, "127.0.0.1", "localhost"], now=datetime.now(UTC))


@asynccontextmanager
async def serve(
    decide: Callable[..., Decision],
    *,
    timeout_seconds: int = 5,
    max_body_bytes: int = 8 << 20,
    grace: timedelta = timedelta(0),
    clients: Callable[[ssl.SSLContext], Callable[[asyncio.BaseTransport], bool]] | None = None,
    **more: Any,
) -> AsyncIterator[Served]:
    """Run an edge on a free port of loopback; ``clients`` makes of its context what looks at connections."""
    metrics = Metrics()
    settings = WebhookSettings(
        host="127.0.0.1",
        port=0,
        timeout_seconds=timeout_seconds,
        max_body_bytes=max_body_bytes,
    )
    material = fresh_material()
    tls = serving_context(material)
    more.setdefault("deadline", timedelta(seconds=timeout_seconds - 0.5))
    handler = make_handler(decide, metrics=metrics, **more)
    allowed = clients(tls) if clients is not None else lambda _: True
    edge = Edge(handler, settings=settings, tls=tls, metrics=metrics, grace=grace, allowed=allowed)
    async with edge.serving():
        yield Served(edge, metrics, material, tls, client_context(material))


def http(
    body: bytes,
    *,
    path: str = "/gates/namespaced",
    method: str = "POST",
    content_type: str | None = "application/json",
    headers: tuple[str, ...] = (),
    length: int | None = None,
    close: bool = True,
) -> bytes:
    """Return one HTTP request; ``length`` announces another length than the body's."""
    lines = [f"{method} {path} HTTP/1.1", "Host: edge", *headers]
    if content_type is not None:
        lines.append(f"Content-Type: {content_type}")
    if not any(line.lower().startswith("transfer-encoding") for line in headers):
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    if close:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode() + body


def parts(answer: bytes) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers (lower case) and body of one HTTP answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in rest)}
    return int(first.split()[1]), headers, body
