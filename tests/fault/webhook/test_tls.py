"""Transport security of the live listener: versions, protocols, and a new certificate under load."""

from __future__ import annotations

import asyncio
import ssl
import warnings
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.edge import (
    NAME,
    always,
    client_context,
    denial,
    fresh_material,
    http,
    parts,
    review_body,
    serve,
)

from peergate.errors import ConfigError
from peergate.model.decision import Allow
from peergate.webhook.certfiles import CertificateFiles
from peergate.webhook.tls import Material, expiry_of, join_bundles, load_into, self_signed

ADMIT = always(Allow("not-agent"))
GOOD = review_body()


def trusting(*materials: Material) -> ssl.SSLContext:
    bundle = join_bundles(*(material.ca_pem for material in materials), now=datetime.now(UTC))
    return client_context(Material(ca_pem=bundle, cert_pem=b"", key_pem=b""))


def der(material: Material) -> bytes:
    return ssl.PEM_cert_to_DER_cert(material.cert_pem.decode())


def shown_on(writer: asyncio.StreamWriter) -> bytes:
    return writer.get_extra_info("ssl_object").getpeercert(binary_form=True)


async def served_certificate(served, context: ssl.SSLContext) -> bytes:
    async with served.connection(context) as (_, writer):
        return shown_on(writer)


async def test_tls_1_1_is_refused():
    async with serve(ADMIT) as served:
        context = served.client_tls
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
            context.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await served.exchange(http(GOOD))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_newer_versions_are_served(version):
    async with serve(ADMIT) as served:
        served.client_tls.minimum_version = served.client_tls.maximum_version = version
        assert parts(await served.exchange(http(GOOD)))[0] == 200


OFFERS = {
    "HTTP/2 and HTTP/1.1": (["h2", "http/1.1"], "http/1.1"),
    "HTTP/1.1": (["http/1.1"], "http/1.1"),
    "HTTP/2 only": (["h2"], None),
}


@pytest.mark.parametrize("case", OFFERS)
async def test_http_2_is_never_negotiated_with_who_offers(case):
    offered, want = OFFERS[case]
    async with serve(ADMIT) as served:
        served.client_tls.set_alpn_protocols(offered)
        async with served.connection() as (_, writer):
            assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == want


async def test_a_new_certificate_under_load_fails_no_call():
    materials = [fresh_material() for _ in range(8)]
    async with serve(always(denial())) as served:
        context = trusting(served.material, *materials)
        answers: list[int] = []
        seen: list[bytes] = []
        done = asyncio.Event()

        async def keep_alive() -> None:
            """Use one connection from before the first change to after the last."""
            async with served.connection(context) as (reader, writer):
                while not done.is_set():
                    writer.write(http(GOOD, close=False))
                    status, headers, _ = parts(await reader.readuntil(b"\r\n\r\n"))
                    await reader.readexactly(int(headers["content-length"]))
                    answers.append(status)

        async def reconnect() -> None:
            while not done.is_set():
                async with served.connection(context) as (reader, writer):
                    seen.append(shown_on(writer))
                    writer.write(http(GOOD))
                    answers.append(parts(await reader.read())[0])

        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(keep_alive())
                group.create_task(reconnect())
            for material in materials:
                load_into(served.server_tls, material, now=datetime.now(UTC))
                assert await served_certificate(served, context) == der(material)
            done.set()
        assert set(answers) == {200}
        assert {der(material) for material in materials} & set(seen)


def with_key_of(one: Material, other: Material) -> Material:
    return Material(ca_pem=one.ca_pem, cert_pem=one.cert_pem, key_pem=other.key_pem)


BAD = {
    "another certificate's key": lambda: with_key_of(fresh_material(), fresh_material()),
    "no key": lambda: Material(fresh_material().ca_pem, fresh_material().cert_pem, b""),
    "no certificate": lambda: Material(fresh_material().ca_pem, b"", fresh_material().key_pem),
    "text": lambda: Material(b"a", b"b", b"c"),
    "an ended certificate": lambda: self_signed([NAME], now=datetime.now(UTC) - timedelta(days=366)),
}


@pytest.mark.parametrize("case", BAD)
async def test_a_pair_that_cant_be_served_leaves_the_old_one(case):
    async with serve(ADMIT) as served:
        before = await served_certificate(served, served.client_tls)
        with pytest.raises(ConfigError):
            load_into(served.server_tls, BAD[case](), now=datetime.now(UTC))
        assert await served_certificate(served, served.client_tls) == before


def write(directory, material: Material) -> None:
    (directory / "tls.crt").write_bytes(material.cert_pem)
    (directory / "tls.key").write_bytes(material.key_pem)
    (directory / "ca.crt").write_bytes(material.ca_pem)


async def test_changed_files_are_served_and_bad_ones_are_not(tmp_path):
    first, second, third = (fresh_material() for _ in range(3))
    loaded: list[Material] = []

    def load(material: Material) -> None:
        load_into(served.server_tls, material, now=datetime.now(UTC))
        loaded.append(material)

    async with serve(ADMIT) as served:
        files = CertificateFiles(tmp_path, load=load, clock=lambda: datetime.now(UTC))
        await files.look()
        assert (loaded, files.failing_since is None) == ([], False)
        write(tmp_path, first)
        await files.look()
        await files.look()
        assert (loaded, files.failing_since) == ([first], None)
        write(tmp_path, with_key_of(second, third))
        await files.look()
        assert loaded == [first]
        assert files.failing_since is not None
        write(tmp_path, second)
        await files.look()
        assert (loaded, files.failing_since) == ([first, second], None)
        assert await served_certificate(served, trusting(second))


def test_a_bundle_keeps_what_is_valid_once():
    now = datetime.now(UTC)
    old, new = fresh_material(), fresh_material()
    ended = self_signed([NAME], now=now - timedelta(days=366))
    joined = join_bundles(new.ca_pem, old.ca_pem, ended.ca_pem, new.ca_pem, now=now)
    assert joined == new.ca_pem + old.ca_pem
    assert expiry_of(new.cert_pem + ended.cert_pem) == expiry_of(ended.cert_pem)
    with pytest.raises(ConfigError):
        join_bundles(new.ca_pem, b"", now=now)


def test_a_key_is_not_shown():
    material = fresh_material()
    assert "key_pem" not in repr(material)
    assert b"PRIVATE" in material.key_pem
