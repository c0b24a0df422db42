"""Certificate, replicas, leader, clocks."""

from __future__ import annotations

import base64
import dataclasses
from datetime import timedelta

import pytest
from tests.support.doctor import NOW, levels, seen

from peergate.cli.doctor.service import (
    certificate_findings,
    clock_findings,
    leader_findings,
    replica_findings,
)
from peergate.webhook.tls import self_signed


@pytest.fixture(scope="module")
def bundle():
    """A CA that lives from NOW for a year."""
    return base64.b64encode(self_signed(("localhost",), now=NOW).ca_pem).decode("ascii")


def _configuration(*clients):
    return {
        "webhooks": [{"name": f"entry-{number}", "clientConfig": one} for number, one in enumerate(clients)]
    }


def test_a_certificate_with_a_long_life_is_fine(bundle):
    found = certificate_findings(seen(configuration=_configuration({"caBundle": bundle})))
    assert levels(found) == [("ok", "certificate")]


AGES = {
    "ends in three weeks less a day": (timedelta(days=345), "warn"),
    "has ended": (timedelta(days=400), "fail"),
    "ends in more than three weeks": (timedelta(days=300), "ok"),
}


@pytest.mark.parametrize(("age", "level"), AGES.values(), ids=AGES)
def test_a_certificate_that(bundle, age, level):
    cluster = dataclasses.replace(seen(configuration=_configuration({"caBundle": bundle})), now=NOW + age)
    assert levels(certificate_findings(cluster)) == [(level, "certificate")]


SPOILT = {
    "no bundle": {},
    "an empty bundle": {"caBundle": ""},
    "no base64": {"caBundle": "*"},
    "no certificate": {"caBundle": base64.b64encode(b"hello").decode("ascii")},
}


@pytest.mark.parametrize("client", SPOILT.values(), ids=SPOILT)
def test_a_bundle_that_can_not_be_read(bundle, client):
    found = certificate_findings(seen(configuration=_configuration({"caBundle": bundle}, client)))
    assert levels(found) == [("fail", "certificate")]
    assert found[0].subjects == ("entry-1",)


_SERVICE = {"service": {"namespace": "peergate-system", "name": "peergate"}}
_DEPLOYMENT = {
    "metadata": {"name": "peergate", "namespace": "peergate-system"},
    "spec": {"selector": {"matchLabels": {"app": "peergate"}}},
}


def _slice(*ready, service="peergate"):
    return {
        "metadata": {"labels": {"kubernetes.io/service-name": service}},
        "endpoints": [
            {"addresses": [f"10.0.0.{number}"], "conditions": {"ready": state}}
            for number, state in enumerate(ready)
        ],
    }


REPLICAS = {
    "two ready, kept by a budget": ([_slice(True, True)], [{}], [("ok", "replicas")]),
    "one ready": ([_slice(True, False)], [{}], [("warn", "replicas")]),
    "none ready": ([_slice(False)], [{}], [("fail", "replicas")]),
    "another service's do not count": ([_slice(True, True, service="x")], [{}], [("fail", "replicas")]),
    "no budget": ([_slice(True, True)], [], [("warn", "budget")]),
    "unknown is ready": ([_slice(None, None)], [{}], [("ok", "replicas")]),
    "what can't be read is not judged": (None, None, [("ok", "replicas")]),
}  # fmt: skip


@pytest.mark.parametrize(("slices", "budgets", "expected"), REPLICAS.values(), ids=REPLICAS)
def test_replicas(slices, budgets, expected):
    cluster = seen(
        configuration=_configuration(_SERVICE),
        endpoint_slices=slices,
        budgets=budgets,
        deployments=[_DEPLOYMENT],
    )
    assert levels(replica_findings(cluster)) == expected


def test_the_budget_is_printed():
    cluster = seen(
        configuration=_configuration(_SERVICE),
        endpoint_slices=[_slice(True, True)],
        budgets=[],
        deployments=[_DEPLOYMENT],
    )
    [finding] = replica_findings(cluster)
    [manifest] = finding.manifests
    assert manifest["spec"]["selector"] == {"matchLabels": {"app": "peergate"}}


def test_an_address_shows_no_replicas():
    found = replica_findings(seen(configuration=_configuration({"url": "https://x/gates/own"})))
    assert levels(found) == [("warn", "replicas")]


def test_without_a_configuration_there_is_nothing_to_reach():
    assert replica_findings(seen()) == certificate_findings(seen()) == []


def _lease(seconds_ago, *, stamped=None):
    """Return a lease as its holder's clock has it; ``stamped`` is how long ago it was by the API server's."""
    renewed = NOW - timedelta(seconds=seconds_ago)
    lease = {"spec": {"renewTime": renewed.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}}
    if stamped is None:
        return lease
    time = (NOW - timedelta(seconds=stamped)).strftime("%Y-%m-%dT%H:%M:%SZ")
    fields = [
        {"manager": "kubectl", "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:metadata": {}}},
        {"manager": "peergate", "time": time, "fieldsV1": {"f:spec": {"f:renewTime": {}}}},
    ]
    return {**lease, "metadata": {"managedFields": fields}}


LEASES = {
    "renewed just now": (_lease(3), "ok"),
    "not renewed for long": (_lease(300), "fail"),
    "renewed just now by a clock that is behind": (_lease(300, stamped=3), "ok"),
    "not renewed for long by a clock that was ahead": (_lease(-300, stamped=300), "fail"),
    "absent": (None, "fail"),
    "never renewed": ({"spec": {}}, "fail"),
    "unreadable": ({"spec": {"renewTime": "yesterday"}}, "fail"),
}


@pytest.mark.parametrize(("lease", "level"), LEASES.values(), ids=LEASES)
def test_a_lease_that_is(lease, level):
    assert levels(leader_findings(seen(lease=lease))) == [(level, "leader")]


CLOCKS = {
    "all agree": (timedelta(seconds=1), _lease(3), []),
    "this machine is ahead": (timedelta(minutes=-5), _lease(303), ["This machine"]),
    "this machine is behind": (timedelta(minutes=5), _lease(-290), ["This machine"]),
    "the operator is ahead": (timedelta(0), _lease(-90), ["The operator"]),
    "the operator is behind": (timedelta(0), _lease(93, stamped=3), ["The operator"]),
    "the operator was ahead when it renewed": (timedelta(0), _lease(-20, stamped=20), ["The operator"]),
    "the operator is right and slow to renew": (timedelta(0), _lease(50, stamped=50), []),
}


@pytest.mark.parametrize(("server", "lease", "who"), CLOCKS.values(), ids=CLOCKS)
def test_clocks(server, lease, who):
    found = clock_findings(seen(server_time=NOW + server, lease=lease))
    assert [finding.what.partition(" and ")[0] for finding in found if finding.level.value == "warn"] == who


def test_without_the_time_of_the_server_clocks_are_not_judged():
    assert clock_findings(seen()) == []
