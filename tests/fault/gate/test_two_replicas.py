"""Two replicas behind one address: restarts under load, and a registration that both forget."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from tests.harness.waiting import wait_until
from tests.support.asker import Asker
from tests.support.changes import DRY_DELETE, path_of, reported
from tests.support.load import Load, callers
from tests.support.world import World, world

pytestmark = pytest.mark.cluster

FORGET_SECONDS = 2.0


@pytest.fixture(scope="module")
def pair() -> Iterator[World]:
    with world(settings={"webhook": {"drainSeconds": 3}}, replicas=2) as made:
        yield made


@pytest.mark.slow
def test_a_rolling_restart_under_load_fails_no_call_and_answers_none_wrongly(pair):
    alice = pair.crew.register("alice")
    approved = pair.approved(pair.victim(), alice)
    wait_until(
        "both replicas know alice",
        lambda: all(pair.agent.request("DELETE", approved, body=DRY_DELETE).code == 200 for _ in range(8)),
    )
    with Load(callers(pair, approved)) as load:
        load.reaches(20)
        for replica in pair.installation.replicas:
            assert replica.stop() == 0
            load.reaches(20)  # served by the other one alone
            replica.start()
            replica.wait_ready()
            load.reaches(20)
    print({name: dict(seen) for name, seen in load.seen.items()})
    assert set(load.seen["refused"]) == {"ApprovalMissing"}, load.seen
    assert set(load.seen["admitted"]) == {"200"}, load.seen
    assert set(load.seen["bystander"]) == {"200"}, load.seen
    assert pair.delete(pair.agent, approved).code == 200


@pytest.mark.slow
def test_a_crash_under_load_answers_no_call_wrongly(pair):
    """What was in work with the replica that is killed fails, and so is refused; nothing is admitted."""
    first, second = pair.installation.replicas
    probe = path_of("configmaps", "probe", namespace=pair.namespace)
    calls = {name: call for name, call in callers(pair, probe).items() if name != "admitted"}
    with Load(calls) as load:
        for replica in (first, second):
            load.reaches(20)
            replica.kill()
            load.reaches(20)
            replica.start()
            replica.wait_ready()
    print({name: dict(seen) for name, seen in load.seen.items()})
    assert set(load.seen["refused"]) <= {"ApprovalMissing", "failed"}
    assert set(load.seen["bystander"]) == {"200"}


def test_both_replicas_forget_an_approver_within_two_seconds(pair):
    eve = pair.crew.register("eve")
    approved = pair.approved(pair.victim(), eve)
    replicas = pair.installation.replicas
    asker = Asker(pair, approved)
    try:
        wait_until("both replicas know eve", lambda: {asker.ask(one) for one in replicas} == {"allowed"})
        pair.crew.remove(eve)
        removed = time.monotonic()
        took: dict[str, float] = {}

        def forgotten() -> bool:
            for replica in replicas:
                if replica.name not in took and asker.ask(replica) == "UnknownApprover":
                    took[replica.name] = time.monotonic() - removed
            return len(took) == len(replicas)

        wait_until("both have forgotten her", forgotten)
        print(f"forgotten after {took}")
        assert max(took.values()) < FORGET_SECONDS
        # And neither remembers her again.
        assert {asker.ask(one) for one in replicas for _ in range(5)} == {"UnknownApprover"}
    finally:
        asker.close()
    reply = pair.delete(pair.agent, approved)
    assert (reply.code, reported(reply)) == (403, "UnknownApprover")
    assert pair.desk.there(approved)
