"""The operator, put together: which part gets which other part, and nothing else.

Only here do the webhook and the controllers meet; they never import each other.
"""

from __future__ import annotations

import gc
import logging
import os
import secrets
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import uvloop

from peergate import __version__
from peergate.cluster.client import Client
from peergate.cluster.ledger import ApiLedger
from peergate.cluster.snapshots import Snapshots
from peergate.control.certificates import StoredMaterial
from peergate.control.housekeeping import Housekeeping
from peergate.control.operator import run_operator
from peergate.gate.decide import decide, refuse_unavailable
from peergate.observe.logs import DecisionLog, configure_logging
from peergate.observe.metrics import Metrics
from peergate.settings import Settings
from peergate.webhook.ahead import Opener
from peergate.webhook.certfiles import CertificateFiles, read_material
from peergate.webhook.clients import ClientCheck
from peergate.webhook.handler import Judge, ReviewHandler, internal_deadline
from peergate.webhook.health import Check, HealthServer
from peergate.webhook.selftest import SelfTest
from peergate.webhook.server import Edge
from peergate.webhook.tls import (
    Material,
    check_material,
    expiry_of,
    join_bundles,
    load_into,
    self_signed,
    serving_context,
)

__all__ = ["run", "tune_collector"]

_LOG: Final = logging.getLogger(__name__)


def run(settings: Settings) -> int:
    """Run the operator until SIGTERM or SIGINT; return the exit code.

    Errors: ConfigError where the settings make it impossible to start.
    """
    configure_logging(settings.log)
    _LOG.info("peergate %s starts", __version__)
    uvloop.run(_operate(settings))
    _LOG.info("peergate ends")
    return 0


async def _operate(settings: Settings) -> None:
    client = await Client.connect(_kubeconfig())
    try:
        operator = _Operator(client, settings)
        tune_collector()
        await operator.run()
    finally:
        await client.close()


def tune_collector() -> None:
    """Collect garbage seldom, and never look again at what was made by now: modules and models.

    Reviews make many short-lived objects without cycles; at the usual thresholds the collector takes a tenth
    of the time of a review.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 50)


def _kubeconfig() -> Path | None:
    """Return the file that ``KUBECONFIG`` names; ``None``: the credentials of the Pod."""
    path = os.environ.get("KUBECONFIG")
    return Path(path) if path else None


def _now() -> datetime:
    return datetime.now(UTC)


class _SelfSigned:
    """What the controllers do with certificates, by means of ``webhook.tls``."""

    def __init__(self, names: tuple[str, ...], *, context: ssl.SSLContext) -> None:
        self._names = names
        self._context = context

    def make(self, *, now: datetime) -> StoredMaterial:
        made = self_signed(self._names, now=now)
        return StoredMaterial(ca_pem=made.ca_pem, cert_pem=made.cert_pem, key_pem=made.key_pem)

    def check(self, material: StoredMaterial, *, now: datetime) -> None:
        check_material(_served(material), now=now)

    def expires(self, pem: bytes) -> datetime:
        return expiry_of(pem)

    def join(self, *bundles: bytes, now: datetime) -> bytes:
        return join_bundles(*bundles, now=now)

    def serve(self, material: StoredMaterial, *, now: datetime) -> None:
        load_into(self._context, _served(material), now=now)


def _served(material: StoredMaterial) -> Material:
    return Material(ca_pem=material.ca_pem, cert_pem=material.cert_pem, key_pem=material.key_pem)


class _Operator:
    """One replica."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self._settings = settings
        self._client = client
        self._metrics = Metrics()
        self._snapshots = Snapshots(client, settings)
        names = settings.tls.names or _service_names(settings)
        # The listener's own material: replaced before it listens, and whenever the certificate changes.
        self._context = serving_context(self_signed(names, now=_now()))
        verification = settings.webhook.client_verification
        self._clients = (
            ClientCheck.of(verification, context=self._context, now=_now()) if verification.enabled else None
        )
        is_self_signed = settings.tls.mode == "selfSigned"
        self._housekeeping = Housekeeping(
            client,
            settings,
            self._snapshots,
            metrics=self._metrics,
            identity=f"{socket.gethostname()}-{secrets.token_hex(4)}",
            tls=_SelfSigned(names, context=self._context) if is_self_signed else None,
        )
        self._files = None if is_self_signed else self._certificate_files()
        self._self_test = SelfTest(
            port=lambda: self._edge.port,
            host=settings.webhook.host,
            server_name=names[0],
            namespace=settings.namespace,
            ca_pem=self._ca_pem,
            own=self._clients.own if self._clients is not None else None,
        )
        self._edge = Edge(
            self._handler(),
            settings=settings.webhook,
            tls=self._context,
            metrics=self._metrics,
            allowed=self._clients or (lambda _: True),
            grace=timedelta(seconds=settings.webhook.drain_seconds),
        )

    async def run(self) -> None:
        """Run until told to stop."""
        self._metrics.watch_clock(self._client.clock.ahead)
        for resource in self._snapshots.ages():
            self._metrics.watch_snapshot_age(resource, self._age_of(resource))
        if self._files is not None:
            await self._files.look()
        health = HealthServer(self._checks(), settings=self._settings.metrics, metrics=self._metrics)
        companions: list[Callable[[], Awaitable[None]]] = [self._self_test.run]
        if self._files is not None:
            companions.append(self._files.run)
        async with health.serving():
            await run_operator(
                self._client,
                self._settings,
                self._housekeeping,
                server=self._edge,
                companions=companions,
            )

    def _handler(self) -> ReviewHandler:
        settings, keeping = self._settings, self._housekeeping
        return ReviewHandler(
            Judge(
                source=self._snapshots,
                ledger=ApiLedger(
                    self._client,
                    namespace=settings.namespace,
                    retry_window=settings.approvals.retry_window,
                ),
                decide=decide,
                refuse_unavailable=refuse_unavailable,
                clock=self._client.clock.readings,
            ),
            metrics=self._metrics,
            log=DecisionLog(settings.log),
            deadline=internal_deadline(settings.webhook.timeout_seconds),
            max_concurrent=settings.webhook.max_concurrent,
            accept=keeping.filer.accept,
            after=(
                keeping.filer.go,
                keeping.marker.tell,
                keeping.poster.tell,
                Opener(self._snapshots).tell,
            ),
            own=self._self_test,
        )

    def _checks(self) -> Mapping[str, Check]:
        return {
            "first-sync": lambda: "" if self._snapshots.synced else "caches are not listed yet",
            "listener": lambda: "" if self._edge.accepting else "not listening",
            "self-test": lambda: self._self_test.problem,
        }

    def _certificate_files(self) -> CertificateFiles:
        now = self._client.clock.now

        def load(material: Material) -> None:
            load_into(self._context, material, now=now())
            self._metrics.certificate("serving", expires=expiry_of(material.cert_pem))

        return CertificateFiles(self._settings.tls.directory, load=load, clock=now)

    def _ca_pem(self) -> bytes:
        """Return what clients check the listener against."""
        if self._files is not None:
            return read_material(self._settings.tls.directory).ca_pem
        keeping = self._housekeeping.certificates
        return (keeping.ca_bundle() if keeping is not None else None) or b""

    def _age_of(self, resource: str) -> Callable[[], timedelta]:
        def age() -> timedelta:
            seconds = self._snapshots.ages()[resource]
            return timedelta(seconds=seconds) if seconds != float("inf") else timedelta.max

        return age


def _service_names(settings: Settings) -> tuple[str, ...]:
    host = f"{settings.service}.{settings.namespace}"
    return f"{host}.svc", f"{host}.svc.cluster.local", host
