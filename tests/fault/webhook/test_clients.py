"""A port that only the API server may speak to: whoever comes without its certificate gets nothing at all."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime

import pytest
from tests.harness.pki import Authority, KeyPair
from tests.support.edge import always, fresh_material, http, parts, review_body, serve

from peergate.errors import ConfigError
from peergate.model.decision import Allow
from peergate.settings import ClientVerificationSettings
from peergate.webhook.clients import ClientCheck, common_name
from peergate.webhook.tls import present, serving_context

GOOD = review_body()


class Door:
    """One CA, one name that is good, and what counts who came in."""

    def __init__(self, folder) -> None:
        self.authority = Authority(folder / "ours")
        self.others = Authority(folder / "theirs")
        self.asked = 0

    def decide(self, **arguments):
        self.asked += 1
        return always(Allow("not-agent"))(**arguments)

    def check(self, *subjects: str):
        settings = ClientVerificationSettings(
            enabled=True, ca_file=self.authority.pair.certificate, subjects=subjects
        )

        def make(context: ssl.SSLContext) -> ClientCheck:
            self.made = ClientCheck.of(settings, context=context, now=datetime.now(UTC))
            return self.made

        return make


@pytest.fixture
def door(tmp_path):
    return Door(tmp_path)


async def answer(served, pair: KeyPair | None, *, version: ssl.TLSVersion) -> bytes:
    """Return all that comes back to who sends a whole review together with the end of its handshake."""
    context = served.client_tls
    context.minimum_version = context.maximum_version = version
    if pair is not None:
        context.load_cert_chain(pair.certificate, pair.key)
    try:
        return await served.exchange(http(GOOD))
    except (ssl.SSLError, ConnectionError):
        return b""


NAME = "kube-apiserver-webhooks"


def own_of_another(door) -> KeyPair:
    material = ClientCheck(subjects=(), now=datetime.now(UTC)).own
    pair = KeyPair(
        certificate=door.authority.pair.certificate.with_name("own.crt"),
        key=door.authority.pair.certificate.with_name("own.key"),
    )
    pair.certificate.write_bytes(material.cert_pem)
    pair.key.write_bytes(material.key_pem)
    return pair


STRANGERS = {
    "nobody": lambda _: None,
    "the good name by another CA": lambda door: door.others.client("x", username=NAME),
    "another name by our CA": lambda door: door.authority.client("x", username="kubelet"),
    "the good name as an organisation": lambda door: door.authority.client("x", username="y", groups=[NAME]),
    "the good name in other letters": lambda door: door.authority.client("x", username=NAME.upper()),
    "the good name and more": lambda door: door.authority.client("x", username=f"{NAME}.example.com"),
    "a certificate for serving": lambda door: door.authority.server(NAME),
    "an operator's own of another process": own_of_another,
}


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("stranger", STRANGERS)
async def test_a_stranger_gets_nothing_and_nothing_of_it_is_read(door, stranger, version):
    async with serve(door.decide, clients=door.check(NAME)) as served:
        assert await answer(served, STRANGERS[stranger](door), version=version) == b""
        assert served.errors("body") == served.errors("bug") == 0
        assert served.edge._connections.open == 0, "and holds no place"
    assert door.asked == 0


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_who_has_the_certificate_is_served(door, version):
    async with serve(door.decide, clients=door.check("somebody-else", NAME)) as served:
        pair = door.authority.client("api", username=NAME, groups=["system:masters"])
        assert parts(await answer(served, pair, version=version))[0] == 200
    assert door.asked == 1


async def test_without_names_any_certificate_of_the_ca_is_good_and_none_is_not(door):
    async with serve(door.decide, clients=door.check()) as served:
        pair = door.authority.client("api", username="whoever")
        assert await answer(served, None, version=ssl.TLSVersion.TLSv1_3) == b""
        assert parts(await answer(served, pair, version=ssl.TLSVersion.TLSv1_3))[0] == 200


async def test_the_operators_own_proof_comes_through_the_same_door(door):
    async with serve(door.decide, clients=door.check(NAME)) as served:
        present(served.client_tls, door.made.own)
        assert parts(await served.exchange(http(GOOD)))[0] == 200


BUNDLES = {
    "no file": None,
    "an empty one": b"",
    "text": b"hello",
    "bytes": b"\xff\xfe",
    "a key": b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    "more than a Secret holds": b"-" * ((1 << 20) + 1),
}


@pytest.mark.parametrize("bundle", BUNDLES)
def test_without_readable_cas_nothing_is_served(tmp_path, bundle):
    file = tmp_path / "ca.crt"
    if BUNDLES[bundle] is not None:
        file.write_bytes(BUNDLES[bundle])
    context = serving_context(fresh_material())
    settings = ClientVerificationSettings(enabled=True, ca_file=file)
    with pytest.raises(ConfigError):
        ClientCheck.of(settings, context=context, now=datetime.now(UTC))


NAMES = {
    "one name": ({"subject": ((("commonName", "a"),),)}, "a"),
    "one among others": ({"subject": ((("organizationName", "o"),), (("commonName", "a"),))}, "a"),
    "two names": ({"subject": ((("commonName", "a"),), (("commonName", "b"),))}, ""),
    "two in one place": ({"subject": ((("commonName", "a"), ("commonName", "a")),)}, ""),
    "none": ({"subject": ((("organizationName", "a"),),)}, ""),
    "no subject": ({"subjectAltName": (("DNS", "a"),)}, ""),
    "no certificate": ({}, ""),
}


@pytest.mark.parametrize(("certificate", "name"), NAMES.values(), ids=NAMES)
def test_the_name_of_a_certificate(certificate, name):
    assert common_name(certificate) == name


def test_a_wrong_name_is_logged_and_a_thousand_are_one_line(caplog):
    class Transport:
        def get_extra_info(self, _name):
            return {"subject": ((("commonName", "somebody\nelse"),),)}

    check = ClientCheck(subjects=(NAME,), now=datetime.now(UTC))
    assert not any(check(Transport()) for _ in range(1000))
    [record] = caplog.records
    assert record.getMessage() == (
        "refused a client certificate: its name is none of clientVerification.subjects"
    )


def test_a_client_without_a_name_is_none_of_those_without_names():
    class Transport:
        def get_extra_info(self, _name):
            return {"subject": ()}

    assert not ClientCheck(subjects=(), now=datetime.now(UTC))(Transport())


def test_the_key_of_the_own_proof_is_not_shown():
    assert "key_pem" not in repr(ClientCheck(subjects=(), now=datetime.now(UTC)).own)
