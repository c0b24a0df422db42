"""Who may speak to the webhook port at all, where that is the API server alone (experience.md §3.3).

TLS verifies the chain; whoever has no certificate, or one of another CA, gets no further than the handshake.
What is left is the name in it, looked at before the first byte of a request is read.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import ssl
import time
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from peergate.errors import ConfigError
from peergate.settings import ClientVerificationSettings
from peergate.webhook.tls import Material, own_client, require_clients

__all__ = ["ClientCheck", "common_name"]

_LOG: Final = logging.getLogger(__name__)
_BETWEEN_LINES_SECONDS: Final = 60.0
"""Whoever reaches the port can be refused as often as it likes; the log shall not grow by that."""
_MAX_BUNDLE: Final = 1 << 20
"""Bytes of PEM; a Secret holds no more."""


class ClientCheck:
    """Admits connections by the common name of their certificate.

    The operator's own proof (``selftest.py``) comes through the same door, with a certificate that this
    process made for itself: a CA of its own, whose key is thrown away, and a name that nobody can guess.
    """

    def __init__(self, *, subjects: Collection[str], now: datetime) -> None:
        """Take the names that are good; none: every name that the CAs vouch for is."""
        self._subjects = frozenset(subjects)
        self._told = float("-inf")
        self._own_name = f"peergate-self-test-{secrets.token_hex(16)}"
        self.own: Final[Material] = own_client(self._own_name, now=now)
        """What the own proof presents."""

    @classmethod
    def of(
        cls, settings: ClientVerificationSettings, *, context: ssl.SSLContext, now: datetime
    ) -> ClientCheck:
        """Have a listener's context ask for certificates; return what looks at the names.

        Errors: ConfigError where the CAs can't be read; nothing is served then.
        """
        try:
            with settings.ca_file.open("rb") as file:
                bundle = file.read(_MAX_BUNDLE + 1)
        except OSError as error:
            raise _unusable(settings.ca_file) from error
        if len(bundle) > _MAX_BUNDLE:
            raise _unusable(settings.ca_file)
        check = cls(subjects=settings.subjects, now=now)
        require_clients(context, ca_pem=bundle)
        require_clients(context, ca_pem=check.own.ca_pem)
        return check

    def __call__(self, transport: asyncio.BaseTransport) -> bool:
        """Tell whether this connection's certificate is good; one without certificate never is."""
        name = common_name(transport.get_extra_info("peercert") or {})
        if name and (not self._subjects or name in self._subjects or name == self._own_name):
            return True
        if (now := time.monotonic()) - self._told > _BETWEEN_LINES_SECONDS:
            self._told = now
            _LOG.warning("refused a client certificate: its name is none of clientVerification.subjects")
        return False


def common_name(certificate: Mapping[str, Any]) -> str:
    """Return the common name of a verified certificate, empty unless there is exactly one.

    Shape: as ``SSLSocket.getpeercert`` decodes it.
    """
    names = [
        str(value)
        for relative in certificate.get("subject", ())
        for key, value in relative
        if key == "commonName"
    ]
    return names[0] if len(names) == 1 else ""


def _unusable(file: Path) -> ConfigError:
    return ConfigError(
        f"can't read the CAs of clients; {file} is no readable PEM file; check clientVerification"
    )
