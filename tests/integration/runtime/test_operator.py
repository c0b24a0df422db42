"""The whole runtime of one or two replicas on a real API server, with a server that only waits."""

from __future__ import annotations

import asyncio
import base64
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from peergate.cluster.client import Client
from peergate.cluster.endpoints import (
    APPROVERS,
    EVENTS,
    NAMESPACES,
    POLICIES,
    SECRETS,
    SERVICE_ACCOUNTS,
    WEBHOOK_CONFIGURATIONS,
)
from peergate.cluster.lease import LeaseTiming
from peergate.cluster.reflector import Timing
from peergate.cluster.snapshots import Snapshots
from peergate.control.certificates import StoredMaterial
from peergate.control.configuration import CA_FIELD_MANAGER
from peergate.control.housekeeping import Housekeeping
from peergate.control.keeping import Pace
from peergate.control.operator import run_operator
from peergate.errors import Unavailable
from peergate.observe.metrics import Metrics
from peergate.settings import Settings
from peergate.shipped.listed import live_conditions
from peergate.shipped.webhookconfig import AGENTS_FIELD_MANAGER, render, service_client_config
from peergate.webhook.tls import check_material, expiry_of, join_bundles, self_signed

pytestmark = pytest.mark.cluster

LEASE = LeaseTiming(renew=0.5, duration=2.0)
PACE = Pace(every=2.0, settle=0.05, backoff_first=0.1, backoff_most=1.0)
JUDGING = {f"{gate}.gate.peergate.dev" for gate in ("namespaced", "cluster", "own", "identity")}


class TlsOfTests:
    """The edge's certificates without the edge; remembers what was served."""

    def __init__(self):
        self.served = []

    def make(self, *, now):
        made = self_signed(["peergate.test"], now=now)
        return StoredMaterial(ca_pem=made.ca_pem, cert_pem=made.cert_pem, key_pem=made.key_pem)

    def check(self, material, *, now):
        check_material(material, now=now)

    def expires(self, pem):
        return expiry_of(pem)

    def join(self, *bundles, now):
        return join_bundles(*bundles, now=now)

    def serve(self, material, *, now):  # noqa: ARG002 - as the protocol has it
        self.served.append(material)


class Replica:
    def __init__(self, client, settings):
        self.client = client
        self.settings = settings
        self.metrics = Metrics()
        self.tls = TlsOfTests()
        self.listening = asyncio.Event()
        self.stop = asyncio.Event()
        self.snapshots = Snapshots(client, settings, timing=Timing(watch=5, backoff_most=0.5))
        self.housekeeping = Housekeeping(
            client,
            settings,
            self.snapshots,
            metrics=self.metrics,
            identity=uuid4().hex,
            tls=self.tls,
            lease=LEASE,
            pace=PACE,
        )

    async def serve(self, fn):  # noqa: ARG002 - as kopf calls it
        assert self.tls.served, "it listens before it has a certificate"
        self.listening.set()
        yield {}
        await asyncio.get_running_loop().create_future()

    @asynccontextmanager
    async def running(self):
        async with asyncio.TaskGroup() as group:
            group.create_task(
                run_operator(self.client, self.settings, self.housekeeping, server=self.serve, stop=self.stop)
            )
            try:
                async with asyncio.timeout(20):
                    await self.listening.wait()
                yield self
            finally:
                self.stop.set()


@pytest.fixture
async def settings(api, namespace):
    settings = Settings.model_validate(
        {"namespace": namespace, "webhook": {"configuration": f"peergate-{namespace}"}}
    )
    body = render(settings, client_config=service_client_config(settings))
    made = await api.create(WEBHOOK_CONFIGURATIONS, body=body)
    yield settings
    left = await api.get(WEBHOOK_CONFIGURATIONS, name=settings.webhook.configuration)
    if left is not None:
        await api.delete(
            WEBHOOK_CONFIGURATIONS, name=settings.webhook.configuration, uid=left["metadata"]["uid"]
        )
    assert isinstance(made, dict)


async def live(api, settings):
    return await api.get(WEBHOOK_CONFIGURATIONS, name=settings.webhook.configuration)


async def scraped(replica):
    return replica.metrics.render().decode()


async def eventually(get, holds, *, within=20.0):
    async with asyncio.timeout(within):
        while not holds(found := await get()):  # noqa: ASYNC110 - the state is the cluster's
            await asyncio.sleep(0.05)
        return found


def lists(username):
    def holds(configuration):
        found = live_conditions(configuration)
        return all(found[name] and username in found[name] for name in JUDGING)

    return holds


async def tag(api, namespace, name, value="true"):
    body = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": name, "labels": {"peergate.dev/agent": value}},
    }
    await api.create(SERVICE_ACCOUNTS, namespace=namespace, body=body)


async def test_the_condition_lists_who_is_tagged_and_is_put_back(api, settings):
    await tag(api, settings.namespace, "bot")
    async with Replica(api, settings).running() as replica:
        listed = lists(f'"{settings.namespace}:bot"')
        found = await eventually(lambda: live(api, settings), listed)
        managers = {entry["manager"] for entry in found["metadata"]["managedFields"]}
        assert {AGENTS_FIELD_MANAGER, CA_FIELD_MANAGER} <= managers
        assert live_conditions(found)["resources.gate.peergate.dev"] is None

        for entry in found["webhooks"]:
            entry["matchConditions"] = [c for c in entry["matchConditions"] if c["name"] != "agents"]
        found["metadata"].pop("managedFields")
        await api.replace(WEBHOOK_CONFIGURATIONS, body=found)
        await eventually(lambda: live(api, settings), listed, within=5.0)

        await tag(api, settings.namespace, "second")
        await eventually(lambda: live(api, settings), lists(f'"{settings.namespace}:second"'), within=5.0)
        await eventually(
            lambda: scraped(replica),
            lambda text: (
                "peergate_gate_exact 1.0" in text
                and 'peergate_agents{state="unlisted"} 0.0' in text
                and 'peergate_webhook_config_ok{check="rules"} 1.0' in text
            ),
        )
        assert replica.housekeeping.bugs == 0


async def test_an_absent_configuration_is_reported_and_not_made(api, settings):
    found = await live(api, settings)
    await api.delete(
        WEBHOOK_CONFIGURATIONS, name=settings.webhook.configuration, uid=found["metadata"]["uid"]
    )
    async with Replica(api, settings).running() as replica:
        await eventually(
            lambda: scraped(replica),
            lambda text: 'peergate_webhook_config_ok{check="present"} 0.0' in text,
        )
        await asyncio.sleep(2 * PACE.every)
        assert await live(api, settings) is None


async def test_two_replicas_that_start_cold_share_one_certificate(peergate_cluster, api, settings):
    async with Replica(api, settings).running() as first, Replica(api, settings).running() as second:
        assert first.tls.served == second.tls.served
        bundle = base64.b64encode(first.tls.served[0].ca_pem).decode()
        await eventually(
            lambda: live(api, settings),
            lambda found: all(entry["clientConfig"].get("caBundle") == bundle for entry in found["webhooks"]),
        )

        # A change of the Secret reaches both listeners.
        new = first.tls.make(now=datetime.now(UTC))
        data = {
            "ca.crt": base64.b64encode(new.ca_pem).decode(),
            "tls.crt": base64.b64encode(new.cert_pem).decode(),
            "tls.key": base64.b64encode(new.key_pem).decode(),
        }
        await api.patch(SECRETS, namespace=settings.namespace, name=settings.tls.secret, body={"data": data})
        for replica in (first, second):
            await eventually(
                lambda replica=replica: asyncio.sleep(0, replica.tls.served[-1]), lambda now: now == new
            )


async def test_statuses_say_what_is_missing(api, settings, namespace):
    body = {"apiVersion": "v1", "kind": "Namespace"}
    guarded, bare = f"guarded-{uuid4().hex[:6]}", f"bare-{uuid4().hex[:6]}"
    labels = {"team": guarded}
    await api.create(
        NAMESPACES,
        body={**body, "metadata": {"name": guarded, "labels": {**labels, "peergate.dev/protected": "true"}}},
    )
    await api.create(NAMESPACES, body={**body, "metadata": {"name": bare, "labels": labels}})
    policy = {
        "apiVersion": POLICIES.api_version,
        "kind": "ProtectionPolicy",
        "metadata": {"name": guarded},
        "spec": {
            "namespaces": {"selector": {"matchLabels": labels}},
            "rules": [{"approvals": {"required": 1, "minHumans": 1, "fromGroups": [guarded]}}],
        },
    }
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS"
    approver = {
        "apiVersion": APPROVERS.api_version,
        "kind": "Approver",
        "metadata": {"name": guarded},
        "spec": {
            "identity": guarded,
            "class": "human",
            "owner": guarded,
            "groups": [guarded],
            "keys": [{"type": "ssh", "publicKey": key}],
        },
    }
    made = await api.create(POLICIES, body=policy)
    assert isinstance(made, dict)

    async def conditions(endpoint):
        found = await api.get(endpoint, name=guarded)
        status = found.get("status") or {}
        return {c["type"]: (c["status"], c["reason"]) for c in status.get("conditions") or []}, status

    async with Replica(api, settings).running() as replica:
        found, status = await eventually(lambda: conditions(POLICIES), lambda seen: seen[0])
        assert found == {
            "Ready": ("False", "Unsatisfiable"),
            "NamespaceNotProtected": ("True", "Unprotected"),
        }
        assert status["namespaces"] == [guarded]
        assert f"Rule {guarded}/0 needs 1 approvers in {guarded}; there are 0." in str(status)
        assert bare in str(status)

        made = await api.create(APPROVERS, body=approver)
        assert isinstance(made, dict)
        await eventually(lambda: conditions(POLICIES), lambda seen: seen[0]["Ready"] == ("True", "Valid"))
        _, status = await eventually(lambda: conditions(APPROVERS), lambda seen: seen[0])
        assert status["fingerprints"][0].startswith("SHA256:")
        await eventually(
            lambda: scraped(replica),
            lambda text: (
                f'peergate_approver_ready{{name="{guarded}"}} 1.0' in text
                and f'peergate_policy_ready{{name="{guarded}"}} 1.0' in text
            ),
        )
    for endpoint in (APPROVERS, POLICIES):
        found = await api.get(endpoint, name=guarded)
        await api.delete(endpoint, name=guarded, uid=found["metadata"]["uid"])


async def test_the_client_uses_the_credentials_of_a_kubeconfig(peergate_cluster, ended_connections, tmp_path):
    kubeconfig = peergate_cluster.kubeconfig_for_account("default", "default", path=tmp_path / "kubeconfig")
    client = await Client.connect(kubeconfig)
    try:
        connection = await client.connection()
        assert (connection.scheme, connection.server) == ("Bearer", peergate_cluster.server)
        with pytest.raises(Unavailable, match="403"):
            await client.get(NAMESPACES, name="default")
    finally:
        await client.close()


async def test_a_token_that_was_replaced_is_read_again(peergate_cluster, ended_connections, tmp_path):
    path = tmp_path / "kubeconfig"
    peergate_cluster.kubeconfig_for_token("stale", path=path)
    client = await Client.connect(path)
    try:
        with pytest.raises(Unavailable, match="401"):
            await client.get(NAMESPACES, name="default")
        peergate_cluster.kubeconfig_for_token(peergate_cluster.token("default", "default"), path=path)
        with pytest.raises(Unavailable, match="403"):
            await client.get(NAMESPACES, name="default")
    finally:
        await client.close()


async def test_an_outage_of_the_api_server_ends_nothing(peergate_cluster, api, settings):
    async with Replica(api, settings).running() as replica:
        await eventually(lambda: live(api, settings), lambda found: any(live_conditions(found).values()))
        await asyncio.to_thread(peergate_cluster.kill_api_server)
        await asyncio.sleep(8)
        assert not replica.housekeeping.elector.leads()
        await asyncio.to_thread(peergate_cluster.start_api_server)
        await tag(api, settings.namespace, "after")
        await eventually(lambda: live(api, settings), lists(f'"{settings.namespace}:after"'), within=15.0)
        assert replica.housekeeping.bugs == 0


async def test_strict_mode_takes_away_a_condition_that_somebody_else_owns_and_says_so(api, settings):
    found = await live(api, settings)
    for entry in found["webhooks"]:
        entry["matchConditions"].append({"name": "agents", "expression": "false"})
    found["metadata"].pop("managedFields")
    await api.replace(WEBHOOK_CONFIGURATIONS, body=found)
    strict = settings.model_copy(update={"agents": settings.agents.model_copy(update={"strict": True})})
    async with Replica(api, strict).running() as replica:
        await eventually(
            lambda: live(api, settings),
            lambda found: not any(live_conditions(found)[name] for name in JUDGING),
        )
        events = await eventually(lambda: collected(api, EVENTS, settings.namespace), lambda found: found)
        assert [(event["reason"], event["regarding"]["kind"]) for event in events] == [("GateWide", "Lease")]
        await eventually(lambda: scraped(replica), lambda text: "peergate_gate_exact 0.0" in text)
        assert replica.housekeeping.bugs == 0


async def collected(api, endpoint, namespace):
    return [item async for page, _ in api.list_pages(endpoint, namespace=namespace) for item in page]
