"""What the gate decides from follows the cluster, and says when it does not."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from tests.support.approvals import approve, make_key, update_target
from tests.support.resources import change_request

from peergate.cluster.endpoints import APPROVERS, CHANGE_REQUESTS, NAMESPACES, PODS, SERVICE_ACCOUNTS
from peergate.cluster.pods import PodFinder
from peergate.cluster.reflector import Timing
from peergate.cluster.snapshots import Snapshots
from peergate.errors import Unavailable
from peergate.gate.principal import Agent, NotAgent, Unverified, identify
from peergate.model.names import APPROVAL_SLOT_PREFIX
from peergate.model.review import Gate, Kind, Resource, Review, User
from peergate.settings import Settings

pytestmark = pytest.mark.cluster


def review(namespace, name, uid):
    username = f"system:serviceaccount:{namespace}:{name}"
    return Review(
        gate=Gate.NAMESPACED,
        uid="u",
        operation="DELETE",
        kind=Kind("", "v1", "ConfigMap"),
        resource=Resource("", "v1", "configmaps"),
        subresource="",
        name="c",
        namespace=namespace,
        user=User(username=username, uid=uid, groups=frozenset()),
        object=None,
        old_object=None,
        options=None,
        dry_run=False,
    )


@pytest.fixture
async def snapshots(api, running):
    source = Snapshots(api, Settings(), timing=Timing(watch=2, backoff_most=0.5))
    async with running(source.run()):
        async with asyncio.timeout(20):
            while not source.synced:  # noqa: ASYNC110 - built by another task
                await asyncio.sleep(0.02)
        yield source


@asynccontextmanager
async def account(api, namespace, name, **labels):
    body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "labels": labels}}
    made = await api.create(SERVICE_ACCOUNTS, namespace=namespace, body=body)
    yield made["metadata"]["uid"]
    await api.delete(SERVICE_ACCOUNTS, namespace=namespace, name=name, uid=made["metadata"]["uid"])


async def test_before_the_first_list_everything_is_stale(api):
    assert len(Snapshots(api, Settings()).snapshot().stale) == 5


async def test_the_audience_is_the_uid_of_kube_system(api, snapshots):
    found = await api.get(NAMESPACES, name="kube-system")
    assert snapshots.snapshot().audience == f"k8s:{found['metadata']['uid']}"
    assert snapshots.snapshot().stale == ()
    assert "default" in snapshots.snapshot().namespaces


async def test_a_deleted_account_is_remembered_as_no_agents_unless_it_was_tagged(
    api, namespace, snapshots, until
):
    async with (
        account(api, namespace, "bot", **{"peergate.dev/agent": "true"}) as uid,
        account(api, namespace, "person") as plain,
    ):
        await until(lambda: {(namespace, "bot"), (namespace, "person")} <= set(snapshots.snapshot().accounts))
    await until(lambda: (namespace, "bot") not in snapshots.snapshot().accounts)
    assert plain in snapshots.snapshot().departed
    assert uid not in snapshots.snapshot().departed


async def test_an_account_of_an_agents_namespace_is_not_either(api, namespace, snapshots, until):
    async with account(api, namespace, "worker") as uid:
        await until(lambda: (namespace, "worker") in snapshots.snapshot().accounts)
        await api.patch(
            NAMESPACES, name=namespace, body={"metadata": {"labels": {"peergate.dev/agents": "true"}}}
        )
        await until(lambda: "peergate.dev/agents" in snapshots.snapshot().namespaces[namespace])
    await until(lambda: (namespace, "worker") not in snapshots.snapshot().accounts)
    assert uid not in snapshots.snapshot().departed


async def test_an_account_that_the_cache_misses_is_looked_up(api, namespace, until):
    blind = Snapshots(api, Settings())
    async with (
        account(api, namespace, "person") as uid,
        account(api, namespace, "bot", **{"peergate.dev/agent": "true"}) as bot_uid,
    ):
        for name, its_uid, want in (
            ("person", uid, NotAgent),
            ("bot", bot_uid, Agent),
            ("bot", "another", Unverified),
            ("nobody", "x", Agent),
        ):
            asked = review(namespace, name, its_uid)
            found = await blind.look_up(asked, blind.snapshot())
            assert not found.lookup_failed
            assert isinstance(identify(asked.user, snapshot=found), want), name


async def test_a_look_up_that_fails_says_so_in_time(peergate_cluster, api, namespace):
    blind = Snapshots(api, Settings())
    with peergate_cluster.pause_api_server():
        async with asyncio.timeout(4):
            found = await blind.look_up(review(namespace, "person", "x"), blind.snapshot())
    assert found.lookup_failed


def eviction(namespace, name, account, uid):
    asked = review(namespace, account, uid)
    return replace(
        asked, operation="CREATE", resource=Resource("", "v1", "pods"), subresource="eviction", name=name
    )


async def test_the_pod_of_an_eviction_is_looked_up_anew_each_time(api, namespace):
    blind = Snapshots(api, Settings())
    spec = {"containers": [{"name": "c", "image": "example.invalid/none:1"}], "restartPolicy": "Never"}
    spec["automountServiceAccountToken"] = False
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}
    async with account(api, namespace, "bot", **{"peergate.dev/agent": "true"}) as uid:
        asked = eviction(namespace, "p", "bot", uid)
        found = await blind.look_up(asked, blind.snapshot())
        assert (found.pod, found.lookup_failed) == (None, False)
        made = await api.create(PODS, namespace=namespace, body=body)
        found = await blind.look_up(asked, blind.snapshot())
        assert found.pod["metadata"]["uid"] == made["metadata"]["uid"]
        assert found.accounts[namespace, "bot"].uid == uid
        stranger = eviction(namespace, "p", "default", "x")
        assert (await blind.look_up(stranger, blind.snapshot())).pod == found.pod
    async with account(api, namespace, "person") as uid:
        asked = eviction(namespace, "p", "person", uid)
        assert (await blind.look_up(asked, blind.snapshot())).pod is None, "nobody else is judged by it"
    await api.delete(PODS, namespace=namespace, name="p", uid=made["metadata"]["uid"])


async def test_a_pod_that_cannot_be_looked_up_says_so_in_time(peergate_cluster, api, namespace):
    blind = Snapshots(api, Settings())
    async with account(api, namespace, "bot", **{"peergate.dev/agent": "true"}) as uid:
        asked = eviction(namespace, "p", "bot", uid)
        known = await blind.look_up(review(namespace, "bot", uid), blind.snapshot())
        with peergate_cluster.pause_api_server():
            async with asyncio.timeout(4):
                found = await blind.look_up(asked, known)
        assert (found.pod, found.lookup_failed) == (None, True)


async def test_look_ups_of_pods_are_bounded(peergate_cluster, api, namespace):
    finder = PodFinder(api)
    with peergate_cluster.pause_api_server():
        async with asyncio.timeout(4):
            asked = (finder.find(namespace, f"p-{number}") for number in range(200))
            outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(outcome, Unavailable) for outcome in outcomes)
    assert sum("too many Pods" in str(outcome) for outcome in outcomes) == 136
    assert await finder.find(namespace, "p-0") is None


async def test_a_burst_of_reviews_of_one_unknown_account_asks_once(peergate_cluster, api, namespace):
    blind = Snapshots(api, Settings())
    asked = review(namespace, "burst", "x")
    await asyncio.gather(*(blind.look_up(asked, blind.snapshot()) for _ in range(100)))

    def burst(event):
        return (event.resource, event.namespace, event.name) == ("serviceaccounts", namespace, "burst")

    await asyncio.to_thread(peergate_cluster.wait_for_audit, burst)
    asked_for = {event.raw["auditID"] for event in peergate_cluster.audit_events() if burst(event)}
    assert len(asked_for) == 1


async def test_an_approver_that_cannot_be_read_is_no_approver(api, namespace, snapshots, until):
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS"
    body = {
        "apiVersion": APPROVERS.api_version,
        "kind": "Approver",
        "metadata": {"name": namespace},
        "spec": {"identity": namespace, "class": "human", "keys": [{"type": "ssh", "publicKey": key}]},
    }
    made = await api.create(APPROVERS, body=body)
    await until(lambda: namespace in snapshots.snapshot().keyring.approvers)
    before = snapshots.snapshot()
    await api.delete(APPROVERS, name=namespace, uid=made["metadata"]["uid"])
    await until(lambda: namespace not in snapshots.snapshot().keyring.approvers)
    assert namespace in before.keyring.approvers, "a snapshot never changes"


async def test_an_approval_on_a_request_is_opened_as_it_arrives_and_again_with_other_keys(
    api, namespace, snapshots, until
):
    key = make_key("ssh-ed25519", namespace)
    value = approve(update_target(), key=key)
    spec = {
        "identity": namespace,
        "class": "human",
        "keys": [{"type": key.type, "publicKey": key.public_text}],
    }
    body = {
        "apiVersion": APPROVERS.api_version,
        "kind": "Approver",
        "metadata": {"name": namespace},
        "spec": spec,
    }
    made = await api.create(APPROVERS, body=body)
    await until(lambda: namespace in snapshots.snapshot().keyring.approvers)
    request = change_request()
    request["metadata"] = {
        "name": request["metadata"]["name"],
        "annotations": {f"{APPROVAL_SLOT_PREFIX}alice": value},
    }
    await api.create(CHANGE_REQUESTS, namespace=namespace, body=request)
    await until(lambda: value in snapshots.snapshot().keyring.seen)
    first = snapshots.snapshot().keyring
    # Without a resourceVersion: where an operator runs in this cluster, it has written a status meanwhile.
    await api.patch(APPROVERS, name=namespace, body={"spec": {"owner": "me"}})
    await until(lambda: snapshots.snapshot().keyring is not first)
    await until(lambda: value in snapshots.snapshot().keyring.seen)
    await api.delete(APPROVERS, name=namespace, uid=made["metadata"]["uid"])
    await until(lambda: namespace not in snapshots.snapshot().keyring.approvers)
    assert value not in snapshots.snapshot().keyring.seen
