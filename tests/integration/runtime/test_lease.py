"""One leader at a time, and another one soon after."""

from __future__ import annotations

import asyncio

import pytest

from peergate.cluster.endpoints import LEASES
from peergate.cluster.lease import LEASE_NAME, Elector, LeaseTiming

pytestmark = pytest.mark.cluster

TIMING = LeaseTiming(renew=0.4, duration=2.0)


def elector(client, namespace, identity, heard):
    return Elector(
        client,
        namespace=namespace,
        identity=identity,
        timing=TIMING,
        on_change=lambda leads: heard.append((identity, leads)),
    )


async def test_exactly_one_of_two_leads_and_the_lease_is_handed_over_at_once(api, namespace, until, running):
    heard = []
    first, second = elector(api, namespace, "first", heard), elector(api, namespace, "second", heard)
    async with running(second.run()):
        async with running(first.run()):
            leader = await until(lambda: [one for one in (first, second) if one.leads()])
            assert len(leader) == 1
            for _ in range(20):
                await asyncio.sleep(0.1)
                assert not (first.leads() and second.leads())
        assert not first.leads()
        # Given back, not waited for: well before the lease would have run out.
        await until(second.leads, within=TIMING.duration)
    assert heard[-1] == ("second", False)
    lease = await api.get(LEASES, namespace=namespace, name=LEASE_NAME)
    assert lease["spec"]["holderIdentity"] == ""


async def test_a_leader_that_vanishes_is_followed_when_its_lease_ran_out(api, namespace, until, running):
    first, second = elector(api, namespace, "first", []), elector(api, namespace, "second", [])
    await first._try()
    assert first.leads()
    async with running(second.run()):
        assert not second.leads()
        await until(second.leads, within=4 * TIMING.duration)
    assert not first.leads()


async def test_a_leader_that_cannot_renew_stops_before_others_start(
    peergate_cluster, api, namespace, until, running
):
    heard = []
    first = elector(api, namespace, "first", heard)
    async with running(first.run()):
        await until(first.leads)
        with peergate_cluster.pause_api_server():
            await until(lambda: not first.leads(), within=TIMING.duration)
        await until(first.leads)


async def test_a_lease_taken_by_somebody_else_ends_leading(api, namespace, until, running):
    first = elector(api, namespace, "first", [])
    async with running(first.run()):
        await until(first.leads)
        await api.patch(
            LEASES, namespace=namespace, name=LEASE_NAME, body={"spec": {"holderIdentity": "thief"}}
        )
        await until(lambda: not first.leads(), within=TIMING.duration)
