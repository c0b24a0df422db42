"""A cache never keeps what is gone, whatever happens between it and the API server."""

from __future__ import annotations

import asyncio

import pytest

from peergate.cluster.caches import read_account
from peergate.cluster.endpoints import NAMESPACES, SERVICE_ACCOUNTS
from peergate.cluster.reflector import Reflector, Source, Timing
from peergate.model.names import AGENT_LABEL

pytestmark = pytest.mark.cluster

QUICK = Timing(watch=2, relist=600.0, backoff_first=0.05, backoff_most=0.5)


def accounts(client, namespace, **options):
    return Reflector(
        client,
        Source(
            SERVICE_ACCOUNTS,
            lambda document: read_account(document, agent_label=AGENT_LABEL),
            namespace=namespace,
            metadata_only=True,
        ),
        timing=options.pop("timing", QUICK),
        **options,
    )


async def create(client, namespace, *names, labels=None):
    for name in names:
        await client.create(
            SERVICE_ACCOUNTS,
            namespace=namespace,
            body={
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": {"name": name, "labels": labels or {}},
            },
        )


async def delete(client, namespace, name):
    found = await client.get(SERVICE_ACCOUNTS, namespace=namespace, name=name)
    await client.delete(SERVICE_ACCOUNTS, namespace=namespace, name=name, uid=found["metadata"]["uid"])


async def test_a_cache_follows_creations_changes_and_deletions(api, namespace, until, running):
    cache = accounts(api, namespace)
    await create(api, namespace, "before")
    async with running(cache.run()):
        await cache.wait_synced()
        assert cache.get((namespace, "before")) is not None
        await create(api, namespace, "bot", labels={AGENT_LABEL: "true"})
        held = await until(lambda: cache.get((namespace, "bot")))
        assert held.value.tagged
        await api.patch(
            SERVICE_ACCOUNTS,
            namespace=namespace,
            name="bot",
            body={"metadata": {"labels": {AGENT_LABEL: None}, "annotations": {"peergate.dev/owner": "ops"}}},
        )
        await until(lambda: not cache.get((namespace, "bot")).value.tagged)
        assert cache.get((namespace, "bot")).value.owner == "ops"
        await delete(api, namespace, "bot")
        await until(lambda: cache.get((namespace, "bot")) is None)


async def test_a_quiet_watch_proves_itself_again(api, namespace, until, running):
    cache = accounts(api, namespace)
    async with running(cache.run()):
        await cache.wait_synced()
        await until(lambda: cache.age() > 1.0)
        await until(lambda: cache.age() < 0.5)


async def test_an_object_made_anew_under_its_name_counts_as_another(api, namespace, until, running):
    gone = []
    cache = accounts(api, namespace, on_departure=gone.append)
    await create(api, namespace, "bot", labels={AGENT_LABEL: "true"})
    async with running(cache.run()):
        await cache.wait_synced()
        first = cache.get((namespace, "bot")).uid
        await delete(api, namespace, "bot")
        await create(api, namespace, "bot")
        await until(lambda: (held := cache.get((namespace, "bot"))) and held.uid != first)
        assert [(departure.key[1], departure.held.uid) for departure in gone] == [("bot", first)]


async def test_nothing_deleted_while_nobody_watched_stays(peergate_cluster, api, namespace, until, running):
    gone = []
    cache = accounts(api, namespace, on_departure=gone.append)
    await create(api, namespace, "stays", "goes", "replaced", labels={AGENT_LABEL: "true"})
    async with running(cache.run()):
        await until(lambda: cache.get((namespace, "replaced")))
        before = cache.items()
    await delete(api, namespace, "goes")
    await delete(api, namespace, "replaced")
    await create(api, namespace, "replaced")
    cache._resource_version = ""  # as after 410 Gone
    async with running(cache.run()):
        await until(lambda: cache.get((namespace, "goes")) is None)
        after = cache.items()
    assert after[namespace, "stays"] == before[namespace, "stays"]
    assert after[namespace, "replaced"].uid != before[namespace, "replaced"].uid
    assert {departure.held.uid for departure in gone} == {
        before[namespace, "goes"].uid,
        before[namespace, "replaced"].uid,
    }


async def test_a_version_that_is_too_old_leads_to_a_new_list(
    peergate_cluster, api, namespace, until, running, caplog
):
    caplog.set_level("INFO", "peergate.cluster.reflector")
    cache = accounts(api, namespace)
    await create(api, namespace, "goes")
    async with running(cache.run()):
        await until(lambda: cache.get((namespace, "goes")))
    await delete(api, namespace, "goes")
    # A restarted API server knows no events from before: it answers 410 to a version that old.
    await asyncio.to_thread(peergate_cluster.restart_api_server)
    cache._resource_version = "1"
    async with running(cache.run()):
        await until(lambda: cache.get((namespace, "goes")) is None)
    assert "410 Expired" in caplog.text


async def test_a_cache_survives_a_restart_of_the_api_server(peergate_cluster, api, namespace, until, running):
    cache = accounts(api, namespace)
    await create(api, namespace, "goes", "stays")
    async with running(cache.run()):
        await until(lambda: cache.get((namespace, "goes")))
        await asyncio.to_thread(peergate_cluster.kill_api_server)
        await until(lambda: cache.age() > 1.0)
        await asyncio.to_thread(peergate_cluster.start_api_server)
        await delete(api, namespace, "goes")
        await until(lambda: cache.get((namespace, "goes")) is None)
        assert cache.get((namespace, "stays")) is not None
        assert cache.age() < QUICK.watch + 1


async def test_a_silent_api_server_makes_the_cache_age(peergate_cluster, api, namespace, until, running):
    cache = accounts(api, namespace)
    async with running(cache.run()):
        await cache.wait_synced()
        with peergate_cluster.pause_api_server():
            await until(lambda: cache.age() > 5.0)
        await until(lambda: cache.age() < 1.0)


async def test_long_lists_are_read_page_by_page(api, namespace):
    await create(api, namespace, *(f"bot-{number}" for number in range(7)))
    pages = [
        [item["metadata"]["name"] for item in page]
        async for page, _ in api.list_pages(SERVICE_ACCOUNTS, namespace=namespace, metadata_only=True, page=3)
    ]
    assert [len(page) for page in pages[:-1]] == [3] * (len(pages) - 1)
    assert {name for page in pages for name in page} >= {f"bot-{number}" for number in range(7)}


async def test_metadata_is_all_that_is_asked_for(api):
    found = await api.get(NAMESPACES, name="default", metadata_only=True)
    assert found["kind"] == "PartialObjectMetadata"
    assert "spec" not in found
