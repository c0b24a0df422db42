"""Fetch programs of an official release and check them against its published checksums.

A file that is not whole, not in the list of checksums or not what the list says is never kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import re
import shutil
import socket
import tarfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.harness.cache import adopt, scratch
from tests.harness.progress import Work
from tests.harness.versions import Suite

__all__ = ["DownloadError", "Limits", "download"]

_CHUNK = 1 << 18
_CHECKSUM_LIMIT = 1 << 16
_SHA256 = re.compile(r"^[0-9a-f]{64}$")
_MIB = 1 << 20


class DownloadError(Exception):
    """The release can't be had from here; the text says why in one line."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long to wait."""

    connect_seconds: float = 3.0
    """For the first connection, name look-up included: most sandboxes have no way out, and should say so
    soon."""
    silence_seconds: float = 15.0
    """Between two chunks."""
    total_seconds: float = 900.0
    """For one file."""


def download(suite: Suite, programs: Sequence[str], *, cache: Path, limits: Limits | None = None) -> None:
    """Put the programs of a suite into its folder in the cache; all of them or none.

    Errors:
        DownloadError: not reachable, not there, broken off, too slow, or not what the checksums say.
    """
    limits = limits or Limits()
    _reach(suite.base_url, limits=limits)
    with scratch(cache) as folder:
        if suite.archive:
            archive = _verified(suite, suite.archive, folder=folder, limits=limits)
            for program in programs:
                _extract(archive, member=f"{suite.archive_folder}/{program}", to=folder)
        else:
            for program in programs:
                _verified(suite, program, folder=folder, limits=limits)
        for program in programs:
            adopt(folder / program, into=cache / suite.folder)


def _verified(suite: Suite, name: str, *, folder: Path, limits: Limits) -> Path:
    wanted = _checksum(suite, name, limits=limits)
    path = folder / name
    found = _fetch(f"{suite.base_url}/{name}", path=path, limits=limits)
    if found != wanted:
        raise DownloadError(f"{name}: the checksum is not the published one")
    return path


def _checksum(suite: Suite, name: str, *, limits: Limits) -> str:
    """Return the published SHA-256: of the suite's list for archives, else of ``<name>.sha256``."""
    url = f"{suite.base_url}/{suite.checksums or f'{name}.sha256'}"
    with _open(url, limits=limits) as answer:
        try:
            text = answer.read(_CHECKSUM_LIMIT).decode("ascii")
        except (OSError, http.client.HTTPException, UnicodeDecodeError) as error:
            raise DownloadError(f"{url}: {error}") from error
    for line in text.splitlines():
        fields = line.split()
        if fields and _SHA256.match(fields[0]) and fields[1:] in ([], [name], [f"*{name}"]):
            return fields[0]
    raise DownloadError(f"{url} has no checksum of {name}")


def _fetch(url: str, *, path: Path, limits: Limits) -> str:
    """Write the file; return its SHA-256 in hex."""
    digest = hashlib.sha256()
    deadline = time.monotonic() + limits.total_seconds
    with _open(url, limits=limits) as answer, path.open("wb") as file:
        length = int(answer.headers.get("Content-Length") or 0)
        received = 0
        with Work(f"download {path.name}", total=length // _MIB, unit="MiB") as work:
            while chunk := _read(answer, url=url):
                file.write(chunk)
                digest.update(chunk)
                work.advance((received + len(chunk)) // _MIB - received // _MIB)
                received += len(chunk)
                if time.monotonic() > deadline:
                    raise DownloadError(f"{url}: not done after {limits.total_seconds:g} s")
            if length and received != length:
                raise DownloadError(f"{url}: broke off after {received} of {length} bytes")
    return digest.hexdigest()


def _read(answer: http.client.HTTPResponse, *, url: str) -> bytes:
    try:
        return answer.read1(_CHUNK)  # what is there now: read() would wait for a whole chunk, however long
    except (OSError, http.client.HTTPException) as error:
        raise DownloadError(f"{url}: {error!r}") from error


def _open(url: str, *, limits: Limits) -> http.client.HTTPResponse:
    try:
        answer: http.client.HTTPResponse = urllib.request.urlopen(  # noqa: S310 - the suite's own https URL
            url, timeout=limits.silence_seconds
        )
    except urllib.error.HTTPError as error:
        error.close()
        raise DownloadError(f"{url}: HTTP {error.code}") from error
    except (OSError, http.client.HTTPException) as error:
        raise DownloadError(f"{url}: {error}") from error
    return answer


def _reach(url: str, *, limits: Limits) -> None:
    """Check that the host answers at all, in a bounded time even where the name look-up hangs."""
    parts = urllib.parse.urlsplit(url)
    host = parts.hostname or ""
    proxies = urllib.request.getproxies()
    if parts.scheme in proxies and not urllib.request.proxy_bypass(host):
        return  # the proxy reaches it, or says so itself
    outcome: list[str] = []

    def connect() -> None:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            socket.create_connection((host, port), timeout=limits.connect_seconds).close()
        except OSError as error:
            outcome.append(str(error))
        else:
            outcome.append("")

    attempt = threading.Thread(target=connect, daemon=True)  # a hanging resolver can't be called off
    attempt.start()
    attempt.join(limits.connect_seconds)
    reason = outcome[0] if outcome else f"no answer within {limits.connect_seconds:g} s"
    if reason:
        raise DownloadError(f"{host} is not reachable ({reason})")


def _extract(archive: Path, *, member: str, to: Path) -> None:
    with contextlib.suppress(KeyError), tarfile.open(archive) as files:
        source = files.extractfile(member)
        if source is not None:
            with source, (to / Path(member).name).open("wb") as file:
                shutil.copyfileobj(source, file)
            return
    raise DownloadError(f"{archive.name} has no {member}")
