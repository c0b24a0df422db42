"""A renewal: the new CA is published before anybody serves what it signed."""

from __future__ import annotations

import base64
import copy
from datetime import UTC, datetime, timedelta

import pytest

from peergate.cluster.client import Miss
from peergate.control.certificates import CertificateKeeping, StoredMaterial
from peergate.errors import ConfigError
from peergate.observe.metrics import Metrics

START = datetime(2026, 11, 23, tzinfo=UTC)
YEAR = timedelta(days=365)


class Secrets:
    """The API server's part for one Secret: create-only, and replaced only as it was read."""

    def __init__(self):
        self.secret = None
        self.version = 0
        self.before_create = None

    async def get(self, _, **__):
        return copy.deepcopy(self.secret)

    async def create(self, _, *, body, **__):
        if self.before_create is not None:
            self.before_create, before = None, self.before_create
            await before()
        if self.secret is not None:
            return Miss.CONFLICT
        return self._put(body)

    async def replace(self, _, *, body):
        if self.secret["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"]:
            return Miss.CONFLICT
        return self._put(body)

    def _put(self, body):
        self.version += 1
        self.secret = copy.deepcopy(body)
        self.secret["metadata"]["resourceVersion"] = str(self.version)
        return copy.deepcopy(self.secret)


class Paper:
    """Certificates that are only text: ``<number> <end>``."""

    def __init__(self):
        self.made = 0
        self.served = []

    def make(self, *, now):
        self.made += 1
        text = f"{self.made} {(now + YEAR).isoformat()}".encode()
        return StoredMaterial(ca_pem=b"CA" + text, cert_pem=text, key_pem=b"key" + text)

    def check(self, material, *, now):
        if self.expires(material.cert_pem) <= now:
            raise ConfigError("it has ended")

    def expires(self, pem):
        return datetime.fromisoformat(pem.split(b"|")[0].split()[1].decode())

    def join(self, *bundles, **_):
        return b"|".join(bundles)

    def serve(self, material, **_):
        self.served.append(material)


class Replica:
    def __init__(self, secrets, *, leads=True):
        self.now = START
        self.paper = Paper()
        self.published = None
        self.keeping = CertificateKeeping(
            secrets,
            self.paper,
            namespace="peergate-system",
            name="peergate-tls",
            leads=lambda: leads,
            published=lambda: self.published,
            metrics=Metrics(),
            utc_now=lambda: self.now,
        )

    async def step(self, *, after=timedelta(0)):
        self.now += after
        return await self.keeping.step()


def stored(secrets, member):
    return base64.b64decode(secrets.secret["data"][member])


async def test_a_cold_start_makes_it_and_serves_it():
    secrets = Secrets()
    replica = Replica(secrets, leads=False)
    await replica.step()
    assert replica.paper.served == [replica.keeping.serving]
    assert stored(secrets, "tls.crt") == replica.keeping.serving.cert_pem
    assert replica.keeping.ca_bundle() == stored(secrets, "ca.crt")


async def test_the_loser_of_a_race_serves_the_winners():
    secrets = Secrets()
    winner, loser = Replica(secrets), Replica(secrets)
    secrets.before_create = winner.step
    await loser.step()
    assert winner.keeping.serving == loser.keeping.serving
    assert winner.paper.served == loser.paper.served


async def test_nothing_is_written_as_long_as_it_is_young():
    secrets = Secrets()
    replica = Replica(secrets)
    await replica.step()
    assert not await replica.step(after=timedelta(days=274))
    assert replica.paper.made == 1


async def test_the_new_ca_is_published_five_minutes_before_it_is_relied_on():
    secrets = Secrets()
    replica, other = Replica(secrets), Replica(secrets, leads=False)
    await replica.step()
    await other.step()
    first = replica.keeping.serving
    assert await replica.step(after=timedelta(days=276))
    await replica.step()
    assert replica.keeping.serving.cert_pem == first.cert_pem
    assert replica.keeping.ca_bundle().startswith(first.ca_pem + b"|CA2")

    assert not await replica.step(after=timedelta(hours=1)), "not before the configuration has it"
    replica.published = replica.keeping.ca_bundle()
    assert await replica.step()
    await replica.step()
    assert replica.keeping.serving.cert_pem.startswith(b"2 ")
    assert replica.keeping.ca_bundle() == replica.published, "the old CA stands until it ends"
    assert "next.key" not in secrets.secret["data"]
    assert not await replica.step()

    other.now = replica.now
    assert not await other.step()
    assert other.keeping.serving == replica.keeping.serving
    assert other.paper.made == 0


async def test_five_minutes_are_waited_for_even_if_the_configuration_was_quick():
    secrets = Secrets()
    replica = Replica(secrets)
    await replica.step()
    await replica.step(after=timedelta(days=276))
    await replica.step()
    replica.published = replica.keeping.ca_bundle()
    assert not await replica.step(after=timedelta(minutes=4))
    assert await replica.step(after=timedelta(minutes=1))


async def test_a_deleted_secret_comes_back_with_what_is_served():
    secrets = Secrets()
    replica = Replica(secrets)
    await replica.step()
    secrets.secret = None
    await replica.step()
    assert stored(secrets, "tls.crt") == replica.keeping.serving.cert_pem
    assert replica.paper.made == 1


@pytest.mark.parametrize("data", [{}, {"tls.crt": "!"}, None])
async def test_a_spoilt_secret_is_replaced_by_the_leader_alone(data):
    secrets = Secrets()
    leader, other = Replica(secrets), Replica(secrets, leads=False)
    await leader.step()
    await other.step()
    secrets.secret["data"] = data
    with pytest.raises(ConfigError):
        await other.step()
    assert await leader.step()
    await leader.step()
    await other.step()
    assert leader.keeping.serving == other.keeping.serving
    assert leader.keeping.serving.cert_pem.startswith(b"2 ")
    assert leader.keeping.ca_bundle().startswith(b"CA1")


async def test_one_that_has_ended_is_replaced_at_once():
    secrets = Secrets()
    replica = Replica(secrets)
    await replica.step()
    assert await replica.step(after=timedelta(days=366))
    await replica.step()
    assert replica.keeping.serving.cert_pem.startswith(b"2 ")
