"""Of all who claim one approval at once exactly one gets it, and what ran out is swept."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from peergate.cluster.client import Client
from peergate.cluster.endpoints import APPROVAL_USES
from peergate.cluster.ledger import ApiLedger, sweep
from peergate.errors import Unavailable
from peergate.model.change import Requester
from peergate.model.decision import Claim
from peergate.model.wire import format_instant

pytestmark = pytest.mark.cluster

BOT = Requester(username="system:serviceaccount:agents:bot", uid="3f0c")
WINDOW = timedelta(seconds=40)


def digest():
    return hashlib.sha256(uuid4().bytes).hexdigest()


def approval(*, approver="alice", expires=timedelta(minutes=15)):
    return Claim(
        payload=digest(),
        slot=approver,
        approver=approver,
        key_id="SHA256:x",
        key_type="ssh",
        expires=format_instant(datetime.now(UTC) + expires),
    )


async def take(ledger, *claims, change, requester=BOT):
    return await ledger.claim(
        claims, change=change, requester=requester, request_uid=str(uuid4()), now=datetime.now(UTC)
    )


async def test_of_24_claims_of_one_approval_exactly_one_wins(peergate_cluster, namespace):
    claim = approval()
    clients = [await Client.connect(peergate_cluster.kubeconfig) for _ in range(4)]
    ledgers = [ApiLedger(client, namespace=namespace, retry_window=WINDOW) for client in clients]
    try:
        answers = await asyncio.gather(
            *(take(ledgers[number % 4], claim, change=digest()) for number in range(24))
        )
    finally:
        for client in clients:
            await client.close()
    assert sum(not answer for answer in answers) == 1
    assert all(set(answer) <= {claim.payload} for answer in answers)


async def test_the_same_change_may_be_claimed_again_inside_the_window(api, namespace):
    ledger = ApiLedger(api, namespace=namespace, retry_window=WINDOW)
    claim, change = approval(), digest()
    assert await take(ledger, claim, change=change) == {}
    assert await take(ledger, claim, change=change) == {}
    assert await ledger.spent([claim], change=change, requester=BOT, now=datetime.now(UTC)) == {}
    later = datetime.now(UTC) + timedelta(seconds=45)
    spent = await ledger.spent([claim], change=change, requester=BOT, now=later)
    assert set(spent) == {claim.payload}
    other = Requester(username=BOT.username, uid="another")
    assert set(await take(ledger, claim, change=change, requester=other)) == {claim.payload}


async def test_reading_writes_nothing(api, namespace):
    ledger = ApiLedger(api, namespace=namespace, retry_window=WINDOW)
    claim = approval()
    assert await ledger.spent([claim], change=digest(), requester=BOT, now=datetime.now(UTC)) == {}
    assert [page async for page, _ in api.list_pages(APPROVAL_USES, namespace=namespace)] == [[]]


async def test_a_record_is_made_for_every_approval_and_says_who(api, namespace):
    ledger = ApiLedger(api, namespace=namespace, retry_window=WINDOW)
    claims = [approval(), approval(approver="bob")]
    change = digest()
    assert await take(ledger, *claims, change=change) == {}
    [[first, second]] = [page async for page, _ in api.list_pages(APPROVAL_USES, namespace=namespace)]
    assert {first["metadata"]["name"], second["metadata"]["name"]} == {f"use-{c.payload}" for c in claims}
    assert first["spec"]["change"] == change
    assert first["spec"]["approvers"] == ["alice", "bob"]


async def test_a_ledger_that_cannot_write_is_unavailable(api):
    ledger = ApiLedger(api, namespace="no-such-namespace", retry_window=WINDOW)
    with pytest.raises(Unavailable):
        await take(ledger, approval(), change=digest())


async def test_an_api_server_that_stands_still_is_unavailable_in_time(peergate_cluster, api, namespace):
    ledger = ApiLedger(api, namespace=namespace, retry_window=WINDOW)
    with peergate_cluster.pause_api_server():
        async with asyncio.timeout(4.5):
            with pytest.raises(Unavailable):
                await take(ledger, approval(), change=digest())


async def test_what_ran_out_is_swept_and_nothing_else(api, namespace):
    ledger = ApiLedger(api, namespace=namespace, retry_window=WINDOW)
    old, young = approval(expires=timedelta(hours=-25)), approval(expires=timedelta(hours=-23))
    await take(ledger, old, young, change=digest())
    assert await sweep(api, namespace=namespace, now=datetime.now(UTC)) == 1
    [[left]] = [page async for page, _ in api.list_pages(APPROVAL_USES, namespace=namespace)]
    assert left["metadata"]["name"] == f"use-{young.payload}"
