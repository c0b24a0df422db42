"""Three replicas under callers who never pause, while everything around them breaks.

Counted in each test: an agent's deletion that nobody approved (it is refused with its code, always), one that
a peer approved, and a bystander's. Wrong answers are none, ever; calls of who is no agent never fail; an
agent's call fails only where the replica that had it is torn away. What the API server itself does not answer
is counted apart.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import secrets
import socket
import ssl
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
import yaml
from tests.harness.peergate import PeergateProcess
from tests.harness.principals import create_account
from tests.harness.process import resident_mib
from tests.harness.waiting import wait_until
from tests.support.asker import GATE, Asker, again
from tests.support.changes import DRY_DELETE, Peer, config_map, path_of, reported
from tests.support.link import Link
from tests.support.load import Load, in_a_word
from tests.support.world import CONFIGURATION, World, conditions, world
from urllib3.exceptions import HTTPError

from peergate.cluster.lease import LEASE_NAME, LeaseTiming
from peergate.webhook.tls import join_bundles, self_signed

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

CALLS = 20
SECRET = path_of("secrets", "peergate-tls", namespace="peergate-system")
LEASE = path_of("leases", LEASE_NAME, namespace="peergate-system", api="coordination.k8s.io/v1")


@dataclass(frozen=True, slots=True)
class Trio:
    """The world, the link of its operators to the API server, and a person whose signature counts."""

    world: World
    link: Link
    alice: Peer
    approved: str
    """Path of an object whose deletion alice approved."""

    @property
    def replicas(self):
        """Return the three."""
        return self.world.installation.replicas

    def callers(self):
        """Return who calls, each with a word for what came of it."""
        made = self.world
        probe = path_of("configmaps", "probe", namespace=made.namespace)

        def bystander() -> str:
            name = f"v-{secrets.token_hex(5)}"
            path = path_of("configmaps", name, namespace=made.namespace)
            body = config_map(made.namespace, name)
            if made.bystander.request("POST", path.rpartition("/")[0], body=body).code != 201:
                return "api"
            return in_a_word(made.delete(made.bystander, path))

        return {
            "refused": lambda: in_a_word(made.agent.request("DELETE", probe, body=DRY_DELETE)),
            "admitted": lambda: in_a_word(made.agent.request("DELETE", self.approved, body=DRY_DELETE)),
            "bystander": bystander,
        }

    @contextlib.contextmanager
    def loaded(self, *, torn: int = 0, api: bool = False) -> Iterator[Load]:
        """Let everybody call meanwhile.

        At most ``torn`` calls of each agent may fail. With ``api`` the API server may leave calls unanswered.
        """
        calls = self.callers()
        with Load({name: _patient(call) for name, call in calls.items()} if api else calls) as load:
            load.reaches(CALLS)
            yield load
            load.reaches(CALLS)
        print({name: dict(seen) for name, seen in load.seen.items()})
        for name, right in (("refused", "ApprovalMissing"), ("admitted", "200"), ("bystander", "200")):
            seen = load.seen[name]
            fault = seen["failed"] if name != "bystander" else 0
            assert fault <= torn, (name, seen)
            allowed = {right} | ({"failed"} if fault else set()) | ({"api"} if api else set())
            assert {word for word, count in seen.items() if count} <= allowed, (name, seen)

    def each_serves(self) -> None:
        """Return once every replica is ready and the agent's approved deletion is admitted throughout."""
        for replica in self.replicas:
            if not replica.running:
                replica.start()
        for replica in self.replicas:
            replica.wait_ready()
        self.world.wait_judged()
        ask = ("DELETE", self.approved)
        wait_until(
            "every replica knows alice",
            lambda: {self.world.agent.request(*ask, body=DRY_DELETE).code for _ in range(12)} == {200},
        )


def _patient(call):
    """Take what the API server does not answer for what it is."""

    def tried() -> str:
        try:
            word = call()
        except (HTTPError, OSError):
            return "api"
        # Every refusal of the gate has a code. A bare 403 is RBAC's, which starts a little later.
        return "api" if word in {"403", "429", "503", "504"} else word

    return tried


@pytest.fixture(scope="module")
def _trio() -> Iterator[Trio]:
    settings = {"webhook": {"drainSeconds": 2}}
    with (
        world(settings=settings, replicas=3) as made,
        Link(int(made.cluster.server.rpartition(":")[2])) as link,
    ):
        settings_of = made.installation.settings
        name = f"{settings_of.namespace}.{settings_of.service_account}.kubeconfig"
        kubeconfig = made.cluster.folder / "users" / name
        document = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        document["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{link.port}"
        kubeconfig.write_text(yaml.safe_dump(document), encoding="utf-8")
        for replica in made.installation.replicas:
            replica.restart()
        made.wait_judged()
        alice = made.crew.register("alice")
        yield Trio(made, link, alice, made.approved(made.victim(), alice))


@pytest.fixture
def trio(_trio: Trio) -> Iterator[Trio]:
    """Everything in order; and again afterwards, whatever the test broke."""
    _trio.each_serves()
    yield _trio
    _trio.link.mend()
    _trio.world.cluster.start_api_server()
    _trio.each_serves()


# --- replicas ---


def leaders(trio) -> list[PeergateProcess]:
    """Return the replicas that say that they lead."""
    said = {
        replica: [
            line["msg"] for line in replica.log_lines() if line["msg"] in {"leading", "no longer leading"}
        ]
        for replica in trio.replicas
    }
    return [replica for replica, words in said.items() if words[-1:] == ["leading"]]


def test_the_leader_is_killed_and_another_one_takes_the_housekeeping_on(trio):
    made = trio.world
    wait_until("one leads", lambda: leaders(trio))
    [leader] = leaders(trio)
    holder = made.desk.get(LEASE)["spec"]["holderIdentity"]
    with trio.loaded(torn=4):
        leader.kill()
        wait_until(
            "another one leads",
            lambda: made.desk.get(LEASE)["spec"]["holderIdentity"] not in {holder, ""},
            within=2 * LeaseTiming().duration + 10,
        )
        # The new leader lists who is tagged from now on.
        newcomer = create_account(
            made.cluster, "agents", f"new-{secrets.token_hex(3)}", owner="team-platform"
        )
        made.installation.wait_gated(newcomer, namespace=made.namespace)


def test_replicas_end_in_order_one_after_the_other_and_fail_no_call(trio):
    with trio.loaded() as load:
        for replica in trio.replicas:
            assert replica.stop() == 0
            load.reaches(CALLS)
            replica.start()
            replica.wait_ready()


# --- the API server and etcd ---


def test_an_api_server_that_starts_anew_finds_every_replica_at_work(trio):
    pids = [replica.pid for replica in trio.replicas]
    with trio.loaded(torn=4, api=True):
        trio.world.cluster.restart_api_server()
        trio.world.wait_judged()
    assert [replica.pid for replica in trio.replicas] == pids


def test_an_etcd_that_stands_still_for_some_seconds_makes_calls_late_and_none_wrong(trio):
    with trio.loaded(api=True) as load:
        with trio.world.cluster.pause_etcd():
            until = time.monotonic() + 6
            wait_until("six seconds have passed", lambda: time.monotonic() > until)
        load.reaches(CALLS)


def test_who_was_removed_while_no_replica_could_watch_is_trusted_by_none_after_it(trio):
    made = trio.world
    eve = made.crew.register(f"eve-{secrets.token_hex(3)}")
    path = made.approved(made.victim(), eve)
    wait_until("eve is known", lambda: made.agent.request("DELETE", path, body=DRY_DELETE).code == 200)
    with trio.loaded() as load:
        trio.link.cut()
        made.crew.remove(eve)
        load.reaches(CALLS)
        trio.link.mend()
        mended = time.monotonic()

        def forgotten() -> bool:
            replies = [made.agent.request("DELETE", path, body=DRY_DELETE) for _ in range(12)]
            return {(one.code, reported(one)) for one in replies} == {(403, "UnknownApprover")}

        wait_until("every replica has forgotten eve", forgotten, within=30)
        print(f"forgotten {time.monotonic() - mended:.1f} s after the line was whole")
    assert made.delete(made.agent, path).code == 403
    assert made.desk.there(path)


# --- the certificate and the webhook configuration ---


def material_of(trio) -> dict[str, bytes]:
    return {name: base64.b64decode(value) for name, value in trio.world.desk.get(SECRET)["data"].items()}


def served_by(trio) -> set[bytes]:
    """Return the certificates that the replicas serve, as bytes."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    found = set()
    for replica in trio.replicas:
        with (
            socket.create_connection(("127.0.0.1", replica.port), 5) as raw,
            context.wrap_socket(raw) as wrapped,
        ):
            found.add(wrapped.getpeercert(binary_form=True))
    return found


def bundles(trio) -> set[bytes]:
    """Return the CA bundles of the live configuration's entries."""
    entries = trio.world.configuration()["webhooks"]
    return {base64.b64decode(entry["clientConfig"].get("caBundle", "")) for entry in entries}


def put_material(trio, material: dict[str, bytes]) -> None:
    secret = trio.world.desk.get(SECRET)
    secret["data"] = {name: base64.b64encode(value).decode("ascii") for name, value in material.items()}
    assert trio.world.admin.request("PUT", SECRET, body=secret).code == 200


def test_a_deleted_secret_is_put_back_with_what_is_served(trio):
    before, served = material_of(trio), served_by(trio)
    uid = trio.world.desk.get(SECRET)["metadata"]["uid"]
    with trio.loaded():
        assert trio.world.admin.request("DELETE", SECRET).code == 200
        wait_until("there is a Secret again", lambda: trio.world.desk.there(SECRET), within=45)
    assert trio.world.desk.get(SECRET)["metadata"]["uid"] != uid
    assert material_of(trio) == before
    assert served_by(trio) == served


def test_a_certificate_that_nears_its_end_is_followed_by_another_on_every_replica(trio):
    """The one that ends soon is put in as a person would, CA first; what follows is the operator's doing."""
    now = datetime.now(UTC)
    names = trio.world.installation.settings.tls.names
    ending = self_signed(names, now=now - timedelta(days=300))
    before = material_of(trio)
    joined = join_bundles(before["ca.crt"], ending.ca_pem, now=now)
    with trio.loaded():
        put_material(trio, {**before, "ca.crt": joined})
        wait_until("its CA is published", lambda: bundles(trio) == {joined}, within=120)
        put_material(trio, {"ca.crt": joined, "tls.crt": ending.cert_pem, "tls.key": ending.key_pem})
        old = ssl.PEM_cert_to_DER_cert(ending.cert_pem.decode())
        wait_until("every replica serves it", lambda: served_by(trio) == {old}, within=60)

        def is_next() -> bool:
            annotations = trio.world.desk.get(SECRET)["metadata"].get("annotations") or {}
            return "peergate.dev/next-since" in annotations

        wait_until("the next one's CA is in the bundle", is_next, within=60)
        wait_until("and published", lambda: bundles(trio) == {material_of(trio)["ca.crt"]}, within=60)
        assert served_by(trio) == {old}
        # Five minutes pass, so that every API server has the bundle.
        earlier = {
            "metadata": {"annotations": {"peergate.dev/next-since": (now - timedelta(hours=1)).isoformat()}}
        }
        patched = trio.world.admin.request(
            "PATCH", SECRET, body=earlier, content_type="application/merge-patch+json"
        )
        assert patched.code == 200

        def is_followed() -> bool:
            new = ssl.PEM_cert_to_DER_cert(material_of(trio)["tls.crt"].decode())
            return new != old and served_by(trio) == {new}

        wait_until("every replica serves the next one", is_followed, within=120)


EDITS = {
    "an entry's CA bundle is emptied": (lambda entry: entry["clientConfig"].pop("caBundle"), "ca", True),
    "who is judged is taken out": (
        lambda entry: entry["matchConditions"].__setitem__(
            slice(None), [one for one in entry["matchConditions"] if one["name"] != "agents"]
        ),
        "",
        True,
    ),
    "failures are ignored": (lambda entry: entry.update(failurePolicy="Ignore"), "failure_policy", False),
    "its rules are gone": (lambda entry: entry["rules"].pop(), "rules", False),
}


@pytest.mark.parametrize("case", EDITS)
def test_by_hand(case, trio):
    """What is the operator's is put back; what is the chart's is reported, until somebody puts it back."""
    edit, check, is_healed = EDITS[case]
    made = trio.world
    before = made.configuration()
    edited = json.loads(json.dumps(before))
    [index] = [n for n, entry in enumerate(edited["webhooks"]) if entry["name"].startswith("identity.")] or [
        0
    ]
    edit(edited["webhooks"][index])
    # The namespaced gate stays as it is: the load goes on through it.
    with trio.loaded():
        assert made.admin.request("PUT", CONFIGURATION, body=edited).code == 200
        if is_healed:
            wait_until(
                "it is put back",
                lambda: (
                    (bundles(trio), conditions(made.configuration()))
                    == ({material_of(trio)["ca.crt"]}, conditions(before))
                ),
                within=60,
            )
            return
        is_said = {"name": "peergate_webhook_config_ok", "check": check}
        wait_until(
            "every replica says so",
            lambda: {replica.metric(**is_said) for replica in trio.replicas} == {0.0},
            within=60,
        )
        assert made.configuration()["webhooks"][index] == edited["webhooks"][index]
        live = made.configuration()
        live["webhooks"][index] = before["webhooks"][index]
        assert made.admin.request("PUT", CONFIGURATION, body=live).code == 200
        wait_until(
            "every replica says that it is right",
            lambda: {replica.metric(**is_said) for replica in trio.replicas} == {1.0},
            within=60,
        )


# --- the network ---


def _half(port: int, kind: str, context: ssl.SSLContext) -> socket.socket:
    """Open a connection that goes no further than its kind says."""
    raw = socket.create_connection(("127.0.0.1", port), 10)
    if kind == "no handshake":
        return raw
    if kind == "half a handshake":
        raw.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
        return raw
    wrapped = context.wrap_socket(raw)
    if kind == "half a head":
        wrapped.sendall(b"POST /gates/namespaced HTTP/1.1\r\nHost: x\r\n")
    if kind == "half a body":
        wrapped.sendall(
            b"POST /gates/namespaced HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100000\r\n\r\n{"
        )
    return wrapped


HALVES = ("no handshake", "half a handshake", "no request", "half a head", "half a body")


def test_connections_that_stay_half_open_hold_up_nobody(trio):
    """Each replica has some 300 of them at any time; and it ends in order all the same."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    opened: list[socket.socket] = []
    kinds = itertools.cycle(HALVES)
    try:
        with trio.loaded() as load:
            for _ in range(300):
                kind = next(kinds)
                opened.extend(_half(replica.port, kind, context) for replica in trio.replicas)
            load.reaches(2 * CALLS)
        first = trio.replicas[0]
        began = time.monotonic()
        assert first.stop() == 0
        print(f"ended {time.monotonic() - began:.1f} s after SIGTERM")
        assert time.monotonic() - began < 15
    finally:
        for one in opened:
            one.close()


@pytest.mark.parametrize("count", [500])
def test_so_many_requests_at_once_are_all_answered_rightly(count, trio):
    made = trio.world
    probe = path_of("configmaps", "probe", namespace=made.namespace)
    clients = {
        "refused": lambda: made.agent.request("DELETE", probe, body=DRY_DELETE),
        "admitted": lambda: made.agent.request("DELETE", trio.approved, body=DRY_DELETE),
        "bystander": lambda: made.bystander.request("DELETE", probe, body=DRY_DELETE),
    }
    names = [name for name, _ in zip(itertools.cycle(clients), range(count), strict=False)]
    began = time.monotonic()
    with ThreadPoolExecutor(count) as pool:
        words = list(pool.map(lambda name: (name, in_a_word(clients[name]())), names))
    print(f"{count} at once: {time.monotonic() - began:.1f} s")
    assert set(words) == {("refused", "ApprovalMissing"), ("admitted", "200"), ("bystander", "200")}


# --- an hour's traffic ---

WARM, MORE, AT_ONCE = 4_000, 20_000, 8
GROWN_MIB, GROWN_FILES = 8.0, 4


def resident(pid: int) -> tuple[float, int]:
    """Return a process's resident memory, in MiB, and how many files it has open."""
    return resident_mib(pid), len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def ask_often(trio: Trio, count: int, session: aiohttp.ClientSession) -> Counter[str]:
    """Send so many reviews to the first replica: refused, admitted and a bystander's in turn."""
    made, replica = trio.world, trio.replicas[0]
    asked = {
        "refused": Asker(made, path_of("configmaps", "probe", namespace=made.namespace)).request,
        "admitted": Asker(made, trio.approved).request,
    }
    stranger = {"username": "system:serviceaccount:workers:bystander", "uid": "", "groups": []}
    asked["bystander"] = {**asked["refused"], "userInfo": {**asked["refused"]["userInfo"], **stranger}}
    kinds = itertools.cycle(asked)
    url = f"https://127.0.0.1:{replica.port}{GATE}"
    seen: Counter[str] = Counter()
    left = iter(range(count))

    async def one_after_the_other() -> None:
        for _ in left:
            kind = next(kinds)
            async with session.post(url, json=again(asked[kind])) as reply:
                response = (await reply.json())["response"]
            causes = response.get("status", {}).get("details", {}).get("causes", [{"reason": "allowed"}])
            seen[f"{kind}: {causes[0]['reason']}"] += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(one_after_the_other())
    return seen


async def test_memory_and_files_stay_what_they_were(trio):
    """Twenty thousand reviews: an hour of six a second."""
    pid = trio.replicas[0].pid
    path = path_of("configmaps", "probe", namespace=trio.world.namespace)
    connector = aiohttp.TCPConnector(limit=AT_ONCE, ssl=Asker(trio.world, path).tls)
    async with aiohttp.ClientSession(connector=connector) as session:
        await ask_often(trio, WARM, session)
        warm = resident(pid)
        began = time.monotonic()
        seen = await ask_often(trio, MORE, session)
        took = time.monotonic() - began
        after = resident(pid)
    print(f"{warm} -> {after} MiB, files; {MORE / took:.0f} reviews a second; {seen}")
    assert set(seen) == {"refused: ApprovalMissing", "admitted: allowed", "bystander: allowed"}
    assert after[0] - warm[0] < GROWN_MIB
    assert after[1] - warm[1] <= GROWN_FILES
