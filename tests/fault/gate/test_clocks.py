"""Wall clocks that jump while replicas run and everybody calls; replicas that disagree about the time.

The right answer, whatever a replica's own clock shows: a change that nobody approved is refused with its
code, whoever is no agent is let through, and an approval counts exactly while it is valid by the API server's
clock. There is one exception, and it is closed: where the own clock is ahead and takes for over what the API
server's does not, the replica says that it can't tell (ClocksDisagree, 503).
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.harness.clients import Client
from tests.harness.peergate import PeergateProcess
from tests.harness.principals import create_account
from tests.harness.waiting import wait_until
from tests.harness.wallclock import WallClock
from tests.support.asker import Asker
from tests.support.changes import Peer, config_map, id_of, path_of, reported, sign, slots, use_path
from tests.support.cli import run
from tests.support.doctor import seen
from tests.support.load import Load, callers
from tests.support.requests_of import rejection, request_path, wait_filed
from tests.support.world import CONFIGURATION, MERGE, World, world

from peergate.cli.doctor.service import clock_findings, leader_findings
from peergate.cluster.lease import LEASE_NAME, LeaseTiming
from peergate.model.wire import format_instant, parse_instant

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

CALLS = 20
RIGHT = timedelta(0)
LEASE = path_of("leases", LEASE_NAME, namespace="peergate-system", api="coordination.k8s.io/v1")
SECRET = path_of("secrets", "peergate-tls", namespace="peergate-system")
UNDECIDED = {"name": "peergate_review_errors_total", "cause": "clock"}
RED, BLUE = {"data": {"colour": "red"}}, {"data": {"colour": "blue"}}


@dataclass(frozen=True, slots=True)
class Watches:
    """Three replicas, each with a clock of its own, and a person whose signature counts."""

    world: World
    clocks: tuple[WallClock, ...]
    alice: Peer
    person: Client
    """Alice, as a user of the cluster."""

    @property
    def replicas(self) -> tuple[PeergateProcess, ...]:
        """Return the three."""
        return self.world.installation.replicas

    def set(self, *ahead: timedelta) -> None:
        """Set every clock, and return once the replicas that run see it."""
        for clock, much in zip(self.clocks, ahead, strict=True):
            clock.set(much)
        for replica, much in zip(self.replicas, ahead, strict=True):
            if replica.running:
                wait_until(f"{replica.name} is {much} ahead", lambda: _off(replica, by=much))  # noqa: B023

    def holder(self) -> tuple[str, int]:
        """Return who leads, and how often that has changed."""
        spec = self.world.desk.get(LEASE)["spec"]
        return spec["holderIdentity"], spec["leaseTransitions"]

    def leader(self) -> int:
        """Return the number of the replica that leads."""
        wait_until("somebody leads", lambda: self.holder()[0])
        said = [
            [line["msg"] for line in replica.log_lines() if line["msg"] in {"leading", "no longer leading"}]
            for replica in self.replicas
        ]
        [found] = [number for number, words in enumerate(said) if words[-1:] == ["leading"]]
        return found

    def answers(self, path: str) -> list[str]:
        """Return what each replica says to the agent's deletion of this object."""
        asker = Asker(self.world, path)
        with contextlib.closing(asker):
            return [asker.ask(replica) for replica in self.replicas]

    def approved(self, **times: Any) -> str:
        """Return the path of a new object whose deletion by the agent alice has signed."""
        path, desk = self.world.victim(), self.world.desk
        desk.attach(path, slots(sign(desk.deletion(path), by=self.alice, **times)))
        return path

    def each_serves(self) -> None:
        """Return once every replica is ready, has the right time and knows alice."""
        for replica, clock in zip(self.replicas, self.clocks, strict=True):
            clock.set(RIGHT)
            if not replica.running:
                replica.start()
        for replica in self.replicas:
            replica.wait_ready()
        self.set(RIGHT, RIGHT, RIGHT)
        self.world.wait_judged()
        path = self.approved()
        wait_until("every replica knows alice", lambda: set(self.answers(path)) == {"allowed"})


def _wait_told(watches: Watches, *, of: timedelta) -> None:
    """Return once the doctor says that the leader's clock is off, exactly where it is."""

    def told() -> bool:
        lease, now = watches.world.desk.get(LEASE), datetime.now(UTC)
        as_seen = replace(seen(server_time=now, lease=lease), now=now)
        assert [finding.level.value for finding in leader_findings(as_seen)] == ["ok"]
        return [finding.level.value for finding in clock_findings(as_seen)] == ["warn" if of else "ok"]

    # From the next renewal on.
    wait_until("the doctor tells", told)


def _off(replica: PeergateProcess, *, by: timedelta) -> bool:
    return abs(replica.metric("peergate_clock_skew_seconds") - by.total_seconds()) < 2


@pytest.fixture(scope="module")
def _watches() -> Iterator[Watches]:
    with world(settings={"webhook": {"drainSeconds": 2}}, replicas=3) as made:
        clocks = []
        for replica in made.installation.replicas:
            clock = WallClock(made.cluster.folder, name=replica.name)
            replica.more_environment = clock.environment
            replica.restart()
            clocks.append(clock)
        username = f"alice-{secrets.token_hex(4)}"
        alice = made.crew.register("alice", kubernetesUsernames=[username])
        person = made.cluster.client(made.cluster.kubeconfig_for_user(username, groups=("system:masters",)))
        yield Watches(made, tuple(clocks), alice, person)


@pytest.fixture
def watches(_watches: Watches) -> Iterator[Watches]:
    """Everything in order; and again afterwards, whatever the test set."""
    _watches.each_serves()
    yield _watches
    _watches.each_serves()


@pytest.fixture
def loaded(watches) -> Callable[[], Counter[str]]:
    """Let everybody call meanwhile; the value tells what the agent with an approval was answered since."""
    approved = watches.approved(ttl=timedelta(minutes=14))
    with Load(callers(watches.world, approved), threads=2) as load:
        before: Counter[str] = Counter()

        def since() -> Counter[str]:
            load.reaches(CALLS)
            now = Counter(load.seen["admitted"])
            found = now - before
            before.clear()
            before.update(now)
            return found

        since()
        yield since
    print({name: dict(seen) for name, seen in load.seen.items()})
    assert set(load.seen["refused"]) == {"ApprovalMissing"}
    assert set(load.seen["bystander"]) == {"200"}


FAR, NEAR = timedelta(minutes=20), timedelta(minutes=3)
"""Further than an approval lives; and less."""


def test_a_clock_jumps_under_load_and_no_answer_is_wrong(watches, loaded):
    number, lead = watches.leader(), watches.holder()
    secret, configuration = watches.world.desk.get(SECRET), watches.world.desk.get(CONFIGURATION)
    made = watches.world
    for ahead, may_say in (
        (NEAR, {"200"}),
        (FAR, {"200", "ClocksDisagree"}),
        (-NEAR, {"200"}),
        (-FAR, {"200"}),
        (RIGHT, {"200"}),
    ):
        loaded()
        watches.set(*(ahead if one == number else RIGHT for one in range(3)))
        # What was under way while the clock was set is of neither time.
        between = set(loaded())
        said = loaded()
        print(f"the leader {ahead.total_seconds():+.0f} s: {dict(said)}")
        assert set(said) <= may_say
        assert between <= {"200", "ClocksDisagree"}
        _wait_told(watches, of=ahead)
        # It leads on, and does what the leader does.
        newcomer = create_account(
            made.cluster, "agents", f"new-{secrets.token_hex(3)}", owner="team-platform"
        )
        made.installation.wait_gated(newcomer, namespace=made.namespace)
    began = time.monotonic()
    wait_until("a lease would have run out", lambda: time.monotonic() - began > LeaseTiming().duration)
    assert watches.holder() == lead
    assert watches.world.desk.get(SECRET) == secret
    served = [entry["clientConfig"] for entry in watches.world.desk.get(CONFIGURATION)["webhooks"]]
    assert served == [entry["clientConfig"] for entry in configuration["webhooks"]]


def test_replicas_that_disagree_count_an_approval_by_the_same_clock(watches):
    """One is right, one ahead, one behind, by more than an approval lives."""
    minutes = timedelta(minutes=1)
    valid = watches.approved()
    over = watches.approved(issued=-12 * minutes, ttl=10 * minutes)
    early = watches.approved(issued=10 * minutes)
    watches.set(RIGHT, FAR, -FAR)
    undecided = [replica.metric(**UNDECIDED) for replica in watches.replicas]
    assert watches.answers(valid) == ["allowed", "ClocksDisagree", "allowed"]
    assert watches.answers(over) == ["Expired"] * 3
    assert watches.answers(early) == ["NotYetValid"] * 3
    undecided[1] += 1
    assert [replica.metric(**UNDECIDED) for replica in watches.replicas] == undecided
    # And by all of them it can be spent, whichever of them that can tell is asked.
    watches.set(RIGHT, NEAR, -FAR)
    assert watches.answers(valid) == ["allowed"] * 3
    assert watches.answers(over) == ["Expired"] * 3


def test_a_use_by_a_clock_that_is_behind_is_a_use(watches):
    """The window for repeating a request is measured against the record's time, which the API server set."""
    desk, agent, admin = watches.world.desk, watches.world.agent, watches.world.admin
    watches.set(-FAR, -FAR, -FAR)
    path = path_of("configmaps", f"s-{secrets.token_hex(3)}", namespace=watches.world.namespace)
    approval = _turned_red(watches, path)
    used = time.monotonic()
    window = watches.world.installation.settings.approvals.retry_window.total_seconds()
    wait_until("the retry window is over", lambda: time.monotonic() > used + window + 1)
    assert _turn(admin, path, BLUE).code == 200
    replays = [_turn(agent, path, RED) for _ in range(6)]
    assert {(one.code, reported(one)) for one in replays} == {(403, "AlreadyUsed")}
    assert desk.get(path)["data"] == BLUE["data"]
    assert desk.there(use_path(approval))


def test_a_leader_far_ahead_sweeps_nothing_that_others_need(watches):
    """Attack: an agent waits for the leader's clock to run ahead, and uses its approval once more."""
    desk, agent, admin = watches.world.desk, watches.world.agent, watches.world.admin
    path = path_of("configmaps", f"s-{secrets.token_hex(3)}", namespace=watches.world.namespace)
    approval = _turned_red(watches, path)
    assert _turn(admin, path, BLUE).code == 200
    no = watches.world.victim()
    rejected = desk.deletion(no)
    assert watches.world.delete(agent, no).code == 403
    wait_filed(desk, rejected)
    body = rejection(watches.alice.identity)
    status = f"{request_path(rejected)}/status"
    assert watches.person.request("PATCH", status, body=body, content_type=MERGE).code == 200
    desk.attach(no, slots(sign(rejected, by=watches.alice)))
    secret = desk.get(SECRET)
    over = _record_of_long_ago(desk, name="use-" + "f" * 64)
    for replica in watches.replicas[1:]:
        replica.stop()
    watches.clocks[0].set(timedelta(days=300))
    watches.replicas[0].restart()
    # By name it is the last one of the list: every record was looked at.
    wait_until("the leader has swept", lambda: not desk.there(over))
    assert watches.holder()[0]
    assert desk.there(use_path(approval))
    assert desk.there(request_path(rejected))
    assert desk.get(SECRET) == secret
    watches.each_serves()
    replays = [_turn(agent, path, RED) for _ in range(6)]
    assert {(one.code, reported(one)) for one in replays} == {(403, "AlreadyUsed")}
    assert desk.get(path)["data"] == BLUE["data"]
    assert watches.answers(no) == ["ChangeRejected"] * 3
    assert desk.there(no)


def test_a_no_from_a_machine_that_is_behind_is_in_force(watches, tmp_path):
    """By that machine's clock it would be over before it is written, and the approval would count."""
    desk = watches.world.desk
    path = watches.world.victim()
    change = desk.deletion(path)
    assert watches.world.delete(watches.world.agent, path).code == 403
    name = wait_filed(desk, change)["metadata"]["name"]
    clock = WallClock(tmp_path, name="laptop")
    clock.set(timedelta(minutes=-50))
    words = ("-n", watches.world.namespace, "reject", name, "--reason", "not now", "--for", "10m")
    done = run(*words, kubeconfig=watches.person.kubeconfig, extra=clock.environment)
    assert done.status == 0, done.err
    until = parse_instant(desk.get(request_path(change))["status"]["rejection"]["until"])
    assert timedelta(minutes=9) < until - datetime.now(UTC) <= timedelta(minutes=10)
    desk.attach(path, slots(sign(change, by=watches.alice)))
    wait_until("no replica admits it", lambda: watches.answers(path) == ["ChangeRejected"] * 3)


def test_who_signs_at_a_machine_whose_clock_is_off_is_told(watches, tmp_path):
    desk = watches.world.desk
    change = desk.deletion(watches.world.victim())
    clock = WallClock(tmp_path, name="laptop")
    target = f"configmap/{change.object.name}"
    words = (
        *("-n", watches.world.namespace, "approve", "delete", target, "--yes", "--print-payload"),
        *("--requester", change.requester.username, "--approver", watches.alice.identity),
        *("--reason", "looked at", "--expect", id_of(change), "--cascade", "background"),
    )
    for ahead, said in ((timedelta(minutes=-20, seconds=-30), "20 min behind"), (RIGHT, "")):
        clock.set(ahead)
        out = ("--payload-out", str(tmp_path / f"payload{len(said)}"))
        done = run(*words, *out, kubeconfig=watches.person.kubeconfig, extra=clock.environment)
        assert done.status == 0, done.err
        assert (f"clock is {said} the cluster's" in done.err) is bool(said), done.err
        assert ("Warning" in done.err) is bool(said)


def _turn(client: Client, path: str, colour: dict[str, Any]) -> Any:
    return client.request("PATCH", path, body=colour, content_type=MERGE)


def _turned_red(watches: Watches, path: str) -> str:
    """Let the agent turn a new object red with alice's approval; return that."""
    desk = watches.world.desk
    desk.create(path, config_map(watches.world.namespace, path.rpartition("/")[2]))
    change = desk.update(path, desk.dry_run("PATCH", path, RED, content_type=MERGE))
    approval = sign(change, by=watches.alice, ttl=timedelta(minutes=14))
    desk.attach(path, slots(approval))
    assert _turn(watches.world.agent, path, RED).code == 200
    return approval


def _record_of_long_ago(desk: Any, *, name: str) -> str:
    path = path_of("approvaluses", name, namespace="peergate-system", api="peergate.dev/v1alpha1")
    ended = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)
    desk.create(
        path,
        {
            "apiVersion": "peergate.dev/v1alpha1",
            "kind": "ApprovalUse",
            "metadata": {"name": name, "namespace": "peergate-system"},
            "spec": {
                "change": "0" * 64,
                "requester": {"username": "system:serviceaccount:agents:bot", "uid": "1"},
                "approvers": ["alice"],
                "requestUID": "1",
                "expires": format_instant(ended),
            },
        },
    )
    return path
