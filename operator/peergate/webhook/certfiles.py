"""Follow mounted certificate files and load what changes into the live listener."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from peergate.errors import ConfigError
from peergate.webhook.tls import Material

__all__ = ["CertificateFiles", "read_material"]

_LOG: Final = logging.getLogger(__name__)


def read_material(directory: Path) -> Material:
    """Return ``tls.crt``, ``tls.key`` and, if it is there, ``ca.crt`` of a mounted Secret.

    Without ``ca.crt`` the chain itself is what clients check against.
    Errors: ConfigError if a file can't be read.
    """
    try:
        chain = (directory / "tls.crt").read_bytes()
        key = (directory / "tls.key").read_bytes()
        ca = directory / "ca.crt"
        return Material(ca_pem=ca.read_bytes() if ca.exists() else chain, cert_pem=chain, key_pem=key)
    except OSError as error:
        raise ConfigError(f"can't read the certificate in {directory}", context=str(error)) from error


class CertificateFiles:
    """Looks at the files again and again; hands a changed pair to ``load``.

    A pair that ``load`` refuses with ConfigError is logged once and tried again with every look: while the
    kubelet swaps files, certificate and key may be of two versions for a moment.
    """

    def __init__(
        self,
        directory: Path,
        *,
        load: Callable[[Material], None],
        clock: Callable[[], datetime],
        interval: timedelta = timedelta(seconds=10),
    ) -> None:
        """Keep what looking needs; the first look loads too."""
        self._directory = directory
        self._load = load
        self._clock = clock
        self._interval = interval.total_seconds()
        self._loaded = b""
        self._refused = b""
        self.failing_since: datetime | None = None
        """Since when the files hold something that can't be served; ``None`` while all is well."""

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(self._interval)

    async def look(self) -> None:
        """Load the files once if they hold another pair than the one that was loaded last."""
        try:
            material = await asyncio.to_thread(read_material, self._directory)
        except ConfigError as error:
            self._keep_old(error, seen=b"unreadable")
            return
        seen = hashlib.sha256(b"\0".join((material.ca_pem, material.cert_pem, material.key_pem))).digest()
        if seen == self._loaded:
            self._refused, self.failing_since = b"", None
            return
        try:
            self._load(material)
        except ConfigError as error:
            self._keep_old(error, seen=seen)
            return
        self._loaded = seen
        self._refused, self.failing_since = b"", None

    def _keep_old(self, error: ConfigError, *, seen: bytes) -> None:
        if self.failing_since is None:
            self.failing_since = self._clock()
        if seen != self._refused:
            _LOG.error("keeping the certificate that was loaded before: %s", error)
        self._refused = seen
