"""The self-signed serving certificate, shared by all replicas through one Secret.

Whoever comes first makes it; the API server decides who that is. A renewal has two phases: the new CA stands
in the bundle first, and only when the webhook configuration has it does anybody serve the new certificate.
The CA's private key is nowhere (design.md §4).
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from peergate.cluster.client import Client, Miss
from peergate.cluster.endpoints import SECRETS
from peergate.errors import ConfigError, Unavailable
from peergate.model.names import JsonObject
from peergate.observe.metrics import Metrics

__all__ = ["CertificateKeeping", "StoredMaterial", "Tls"]

_log = logging.getLogger(__name__)

_RENEW_AHEAD: Final = timedelta(days=90)
_PUBLISHED_FOR: Final = timedelta(minutes=5)
"""How long a new CA stands in the configuration before it is relied on: API servers see it by watch."""
_SINCE: Final = "peergate.dev/next-since"
_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class StoredMaterial:
    """What a listener serves with, and what its clients check it against; all PEM."""

    ca_pem: bytes
    """One or more CA certificates."""
    cert_pem: bytes
    key_pem: bytes = field(repr=False)


class Tls(Protocol):
    """What is done with certificates elsewhere: this package holds no cryptography."""

    def make(self, *, now: datetime) -> StoredMaterial:
        """Return a new certificate with a new CA."""

    def check(self, material: StoredMaterial, *, now: datetime) -> None:
        """Errors: ConfigError if it can't be served, or has ended."""

    def expires(self, pem: bytes) -> datetime:
        """Return when the first certificate in it ends. Errors: ConfigError."""

    def join(self, *bundles: bytes, now: datetime) -> bytes:
        """Return the CA certificates of all bundles without those that have ended. Errors: ConfigError."""

    def serve(self, material: StoredMaterial, *, now: datetime) -> None:
        """Put it into the live listener. Errors: ConfigError; then the listener serves what it had."""


class CertificateKeeping:
    """Makes, adopts and renews the certificate."""

    def __init__(
        self,
        client: Client,
        tls: Tls,
        *,
        namespace: str,
        name: str,
        leads: Callable[[], bool],
        published: Callable[[], bytes | None],
        metrics: Metrics,
        utc_now: Callable[[], datetime],
    ) -> None:
        """Take ``published``: the CA bundle that the live webhook configuration was last seen with.

        ``utc_now`` returns the API server's time, which counts for who checks certificates: by a clock that
        runs ahead, what holds would be replaced by what does not hold yet.
        """
        self._client = client
        self._tls = tls
        self._namespace = namespace
        self._name = name
        self._leads = leads
        self._published = published
        self._metrics = metrics
        self._utc_now = utc_now
        self._serving: StoredMaterial | None = None

    @property
    def serving(self) -> StoredMaterial | None:
        """Return what the listener serves with."""
        return self._serving

    def ca_bundle(self) -> bytes | None:
        """Return the CA bundle that the webhook configuration should have."""
        return self._serving.ca_pem if self._serving is not None else None

    async def step(self) -> bool:
        """Serve what the Secret holds; make it where it is missing, renew it where it ends.

        Returns whether the Secret was written. Errors: Unavailable, ConfigError.
        """
        secret = await self._read_or_make()
        # Read after an answer was heard, so that it is the time of who checks the certificate.
        now = self._utc_now()
        try:
            stored = _stored(secret)
            self._tls.check(stored, now=now)
        except ConfigError as error:
            if not self._leads():
                raise
            _log.warning("Secret %s is replaced: %s", self._name, error)
            return await self._write(secret, self._replacement(now=now), upcoming=None, now=now)
        if stored != self._serving:
            self._tls.serve(stored, now=now)
            self._serving = stored
            self._metrics.certificate("serving", expires=self._tls.expires(stored.cert_pem))
            self._metrics.certificate("ca", expires=self._tls.expires(stored.ca_pem))
        return await self._renew(secret, stored, now=now) if self._leads() else False

    async def _read_or_make(self) -> JsonObject:
        for _ in range(_TRIES):
            found = await self._client.get(SECRETS, namespace=self._namespace, name=self._name)
            if found is not None:
                return found
            # Somebody deleted it under us: what is served now is what clients trust, so that goes back.
            material = self._serving or self._tls.make(now=self._utc_now())
            made = await self._client.create(
                SECRETS,
                namespace=self._namespace,
                body={
                    "apiVersion": "v1",
                    "kind": "Secret",
                    "type": "kubernetes.io/tls",
                    "metadata": {"name": self._name, "namespace": self._namespace},
                    "data": _data(material),
                },
            )
            if isinstance(made, dict):
                _log.info("made Secret %s", self._name)
                return made
            if made is Miss.ABSENT:
                raise Unavailable(f"namespace {self._namespace} is missing")
        raise Unavailable(f"Secret {self._name} comes and goes")

    def _replacement(self, *, now: datetime) -> StoredMaterial:
        """Return new material; other replicas may serve the old certificate a little longer."""
        new = self._tls.make(now=now)
        if self._serving is None:
            return new
        return replace(new, ca_pem=self._tls.join(self._serving.ca_pem, new.ca_pem, now=now))

    async def _renew(self, secret: JsonObject, stored: StoredMaterial, *, now: datetime) -> bool:
        if self._tls.expires(stored.cert_pem) - now > _RENEW_AHEAD:
            return False
        upcoming = _upcoming(secret)
        if upcoming is None:
            new = self._tls.make(now=now)
            joined = self._tls.join(stored.ca_pem, new.ca_pem, now=now)
            _log.info("renewing the certificate: its CA is published first")
            return await self._write(secret, replace(stored, ca_pem=joined), upcoming=new, now=now)
        since = ((secret["metadata"].get("annotations") or {}).get(_SINCE)) or ""
        if self._published() != stored.ca_pem or not _is_past(since, by=_PUBLISHED_FOR, now=now):
            return False
        _log.info("renewing the certificate: serving the new one")
        return await self._write(secret, replace(upcoming, ca_pem=stored.ca_pem), upcoming=None, now=now)

    async def _write(
        self,
        secret: JsonObject,
        material: StoredMaterial,
        *,
        upcoming: StoredMaterial | None,
        now: datetime,
    ) -> bool:
        data = _data(material)
        annotations: dict[str, str] = dict(secret["metadata"].get("annotations") or {})
        annotations.pop(_SINCE, None)
        if upcoming is not None:
            data |= {"next.crt": _encode(upcoming.cert_pem), "next.key": _encode(upcoming.key_pem)}
            annotations[_SINCE] = now.isoformat()
        body = {**secret, "data": data, "metadata": {**secret["metadata"], "annotations": annotations}}
        body.setdefault("apiVersion", "v1")
        body.setdefault("kind", "Secret")
        return not isinstance(await self._client.replace(SECRETS, body=body), Miss)


def _data(material: StoredMaterial) -> dict[str, str]:
    return {
        "ca.crt": _encode(material.ca_pem),
        "tls.crt": _encode(material.cert_pem),
        "tls.key": _encode(material.key_pem),
    }


def _stored(secret: JsonObject) -> StoredMaterial:
    data: dict[str, Any] = secret.get("data") or {}
    try:
        return StoredMaterial(
            ca_pem=_decode(data["ca.crt"]),
            cert_pem=_decode(data["tls.crt"]),
            key_pem=_decode(data["tls.key"]),
        )
    except (KeyError, ValueError) as error:
        raise ConfigError("the Secret holds no certificate and key") from error


def _upcoming(secret: JsonObject) -> StoredMaterial | None:
    data: dict[str, Any] = secret.get("data") or {}
    try:
        return StoredMaterial(
            ca_pem=b"", cert_pem=_decode(data["next.crt"]), key_pem=_decode(data["next.key"])
        )
    except (KeyError, ValueError):
        return None


def _is_past(since: str, *, by: timedelta, now: datetime) -> bool:
    try:
        return now - datetime.fromisoformat(since) >= by
    except (ValueError, TypeError):
        # Somebody edited the time; that the configuration has the bundle is what counts.
        return True


def _encode(pem: bytes) -> str:
    return base64.b64encode(pem).decode("ascii")


def _decode(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
