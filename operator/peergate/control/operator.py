"""The kopf operator: start-up, credentials, the webhook server's place, and one watch.

kopf runs standalone in every replica and writes nothing: no finalizers, no progress or last-handled
annotations, no Events, no webhook configuration. Its own admission path is not used (kubernetes-facts.md K1,
K2); trust data are in caches of our own (K21).
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol, cast

import kopf

from peergate.cluster.client import Client
from peergate.control.housekeeping import Housekeeping
from peergate.errors import PeergateError, Unavailable
from peergate.settings import Settings

__all__ = ["WebhookServer", "build_registry", "build_settings", "run_operator"]

_RETRY_SECONDS: Final = 1.0
_FIRST_STEPS: Final = 10


class WebhookServer(Protocol):
    """What kopf takes as ``settings.admission.server`` (K22)."""

    def __call__(self, fn: Any) -> AsyncIterator[Mapping[str, object]]:
        """Serve until cancelled; yield how to be reached, once it listens."""


class _Backoffs:
    """Delays between kopf's tries, without an end: giving up would end the process, and with it the gate."""

    def __iter__(self) -> Iterator[float]:
        return itertools.chain((0.5, 1.0, 2.0, 3.0), itertools.repeat(5.0))


async def run_operator(
    client: Client,
    settings: Settings,
    housekeeping: Housekeeping,
    *,
    server: WebhookServer,
    companions: Sequence[Callable[[], Any]] = (),
    stop: asyncio.Event | None = None,
) -> None:
    """Run until a signal or ``stop``: first kopf with the server ends, then the housekeeping.

    ``companions`` are coroutine functions that run for as long; one that fails ends everything.
    """
    async with _beside([housekeeping.run, *companions]):
        await kopf.operator(
            registry=build_registry(client, settings, housekeeping),
            settings=build_settings(settings, server=server),
            standalone=True,
            clusterwide=True,
            # Only peering, which is off, would use it. Left out, kopf looks up the user's name, and a uid
            # in a container may have none.
            identity=cast("Any", "peergate"),
            stop_flag=stop,
        )


def build_settings(settings: Settings, *, server: WebhookServer) -> kopf.OperatorSettings:
    """Return kopf's settings."""
    chosen = kopf.OperatorSettings()
    # kopf hands on what the server yields to its configuration manager, which is switched off.
    chosen.admission.server = cast("Any", server)
    chosen.admission.managed = None
    chosen.peering.standalone = True
    chosen.posting.enabled = False
    # No watch of CustomResourceDefinitions: it would hold every definition of the cluster in memory.
    chosen.scanning.disabled = True
    chosen.networking.error_backoffs = _Backoffs()
    chosen.networking.request_timeout = 15.0
    chosen.networking.connect_timeout = 5.0
    chosen.watching.server_timeout = 60
    chosen.watching.client_timeout = 75.0
    chosen.watching.connect_timeout = 5.0
    chosen.watching.field_selectors["validatingwebhookconfigurations"] = (
        f"metadata.name={settings.webhook.configuration}"
    )
    chosen.execution.max_workers = 1
    chosen.process.ultimate_exiting_timeout = 60.0
    return chosen


def build_registry(client: Client, settings: Settings, housekeeping: Housekeeping) -> kopf.OperatorRegistry:
    """Return kopf's handlers."""
    registry = kopf.OperatorRegistry()

    @kopf.on.startup(registry=registry, id="certificate")
    async def prepare(**_: Any) -> None:
        """Have a certificate before the server listens, also where nobody serves yet."""
        if housekeeping.certificates is None:
            return
        try:
            await housekeeping.certificates.step()
        except PeergateError as error:
            raise kopf.TemporaryError(str(error), delay=_RETRY_SECONDS) from error

    @kopf.on.login(registry=registry, id="credentials")
    async def log_in(**_: Any) -> kopf.ConnectionInfo:
        """Give kopf the credentials of our own client; asked again when they are refused."""
        try:
            connection = await client.connection()
        except Unavailable as error:
            raise kopf.TemporaryError(str(error), delay=_RETRY_SECONDS) from error
        return kopf.ConnectionInfo(
            server=connection.server,
            ca_path=connection.ca_path,
            certificate_path=connection.certificate_path,
            private_key_path=connection.private_key_path,
            scheme=connection.scheme,
            token=connection.token,
            insecure=connection.insecure,
        )

    @kopf.on.event(
        "admissionregistration.k8s.io",
        "v1",
        "validatingwebhookconfigurations",
        registry=registry,
        id="configuration",
    )
    async def look(name: str, **_: Any) -> None:
        """Have the configuration mended within seconds of a change."""
        if name == settings.webhook.configuration:
            housekeeping.configuration_changed()

    return registry


@asynccontextmanager
async def _beside(runners: Sequence[Callable[[], Any]]) -> AsyncIterator[None]:
    """Run these for the length of the block."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(runner()) for runner in runners]
        # Let them start their own tasks: kopf, when it ends, waits for and then ends what began after it.
        for _ in range(_FIRST_STEPS):
            await asyncio.sleep(0)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
