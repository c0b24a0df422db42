"""Filing, with things broken and things forged: what is not there is not filed, and a flood harms nobody."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.harness.principals import create_account
from tests.harness.process import resident_mib
from tests.harness.waiting import wait_until
from tests.support.changes import BACKGROUND, Desk, path_of, reported
from tests.support.requests_of import named, request_path, state_of, wait_filed, wait_state
from tests.support.reviews import Caller
from tests.support.world import World, victim, world

pytestmark = pytest.mark.cluster

LIMIT = 20
FLOOD = 10_000
CALLERS = 4
GROWTH_MIB = 40.0
"""What a flood may leave behind: the queue's bounds, the cached requests, the allocator's slack."""
DROPPED = "peergate_filing_dropped_total"


@pytest.fixture(scope="module")
def _pair() -> Iterator[World]:
    settings = {
        "limits": {"openRequestsPerRequester": LIMIT},
        "changeRequests": {"expireAfter": "30s", "deleteAfter": "0s"},
    }
    with world(settings=settings, replicas=2) as made:
        yield made


@pytest.fixture
def pair(_pair: World) -> World:
    """Two replicas that file what they refuse; they don't as long as a flood fills the agent's limit."""
    path = _pair.victim()
    request = request_path(_pair.desk.deletion(path))

    def is_filed() -> bool:
        return _pair.delete(_pair.agent, path).code == 403 and _pair.desk.there(request)

    wait_until("what is refused is filed", is_filed)
    return _pair


def requests_in(world: World, namespace: str) -> list[dict]:
    path = f"/apis/peergate.dev/v1alpha1/namespaces/{namespace}/changerequests"
    return world.desk.get(path)["items"]


def dropped(world: World, cause: str) -> float:
    return sum(replica.metric(DROPPED, cause=cause) for replica in world.installation.replicas)


def message(response: dict) -> str:
    return response["status"]["message"]


def test_two_replicas_that_refuse_the_same_leave_one_request(pair):
    path = pair.victim()
    old, change = pair.desk.get(path), pair.desk.deletion(path)
    with Caller(pair.desk, connections=4) as caller, ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(caller.post, replica, old) for replica in pair.installation.replicas * 2]
        texts = {message(call.result()) for call in calls}
    assert len({text.split("\n")[2].split()[0] for text in texts}) == 1
    first = wait_filed(pair.desk, change)
    for replica in pair.installation.replicas:
        with Caller(pair.desk) as caller:
            caller.post(replica, old)
    wait_state(pair.desk, request_path(change), "Pending")
    assert pair.desk.get(request_path(change))["metadata"]["uid"] == first["metadata"]["uid"]


FORGERIES = (
    "an object that says something else",
    "an account that is no more",
    "an object that is not there",
)


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_review_files_nothing(forgery, pair):
    path = pair.victim()
    old = copy.deepcopy(pair.desk.get(path))
    members = {}
    if forgery == "an object that says something else":
        old["data"] = {"colour": "never was"}
    elif forgery == "an account that is no more":
        members = {"username": "system:serviceaccount:agents:ghost", "uid": "11111111-2222"}
    else:
        old["metadata"]["uid"] = "11111111-2222"
    before = dropped(pair, "unverified")
    names = {document["metadata"]["name"] for document in requests_in(pair, pair.namespace)}
    with Caller(pair.desk) as caller:
        response = caller.post(pair.process, old, **members)
    assert not response["allowed"]
    claimed = message(response).split("\n")[2].split()[0].rpartition("/")[2]
    wait_until("it was looked at", lambda: dropped(pair, "unverified") == before + 1)
    after = {document["metadata"]["name"] for document in requests_in(pair, pair.namespace)}
    assert claimed not in after | names
    assert after <= names


@pytest.mark.slow
def test_an_undecided_request_expires_is_told_and_is_cleared_away(pair):
    path = pair.victim()
    change = pair.desk.deletion(path)
    pair.delete(pair.agent, path)
    wait_filed(pair.desk, change)
    status = wait_state(pair.desk, request_path(change), "Expired")
    decided = {one["type"]: one["status"] for one in status["conditions"]}
    assert decided == {"Approved": "False", "Decided": "True"}
    found = pair.desk.get(f"/apis/events.k8s.io/v1/namespaces/{pair.namespace}/events")["items"]
    wait_until(
        "its end is told",
        lambda: any(
            event["reason"] == "ChangeExpired"
            for event in pair.desk.get(f"/apis/events.k8s.io/v1/namespaces/{pair.namespace}/events")["items"]
        ),
    )
    assert all(event["reportingController"] == "peergate.dev" for event in found)
    # The leader clears away when it begins to lead, and every five minutes.
    for replica in pair.installation.replicas:
        replica.restart()
    wait_until("it is cleared away", lambda: not pair.desk.there(request_path(change)))
    assert pair.desk.there(path)


@pytest.mark.slow
def test_a_flood_of_ten_thousand_refusals_harms_nobody_else(pair):
    """One agent's distinct changes, straight at one replica: faster than an API server would bring them."""
    cluster, process = pair.cluster, pair.process
    other = create_account(cluster, "agents", "quiet-agent", owner="team-quiet")
    pair.installation.wait_gated(other, namespace=pair.namespace)
    quiet = Desk(cluster, other, account="agents/quiet-agent", owner="team-quiet")
    old = pair.desk.get(pair.victim())
    wait_until(
        "the others' requests are over",
        lambda: not [one for one in requests_in(pair, pair.namespace) if state_of_document(one) != "Expired"],
    )

    def bystanders_delete() -> float:
        path = victim(pair.bystander, pair.namespace)
        began = time.monotonic()
        assert pair.delete(pair.bystander, path).code == 200
        return time.monotonic() - began

    def flood(first: int) -> list[str]:
        said = []
        with Caller(pair.desk) as caller:
            for number in range(first, FLOOD, CALLERS):
                new = {**old, "data": {"colour": f"red {number}", "ballast": "x" * 2000}}
                said.append(message(caller.post(process, old, new=new)).split("\n")[2].split()[0])
        return said

    calm = [bystanders_delete() for _ in range(20)]
    before = resident_mib(process.pid)
    peak = before
    began = time.monotonic()
    with ThreadPoolExecutor(CALLERS) as pool:
        floods = [pool.submit(flood, first) for first in range(CALLERS)]
        path = victim(pair.admin, pair.namespace)
        change = quiet.deletion(path)
        asked = time.monotonic()
        assert reported(other.request("DELETE", path, body=BACKGROUND)) == "ApprovalMissing"
        wait_filed(quiet, change)
        filed_after = time.monotonic() - asked
        stormy = []
        while not all(one.done() for one in floods):
            stormy.append(bystanders_delete())
            peak = max(peak, resident_mib(process.pid))
        said = [line for one in floods for line in one.result()]
    seconds = time.monotonic() - began
    after = resident_mib(process.pid)
    named_ones = sum(line != "request=none" for line in said)
    print(
        f"{len(said)} refusals in {seconds:.0f} s; {named_ones} named a request; "
        f"RSS {before:.0f} MiB before, "
        f"{peak:.0f} at most, {after:.0f} after; another agent's change was filed after {filed_after:.1f} s; "
        f"a bystander's delete took {statistics.median(calm) * 1000:.0f} ms before and "
        f"{statistics.median(stormy) * 1000:.0f} ms meanwhile (medians)"
    )
    assert len(said) == FLOOD
    flooders = [
        one
        for one in requests_in(pair, pair.namespace)
        if one["spec"]["object"]["uid"] == old["metadata"]["uid"]
    ]
    assert len(flooders) > 0
    # Some end in time and make room for others.
    lives = max(1.0, seconds / 30 + 1)
    assert len(flooders) <= LIMIT * (lives + 1)
    assert process.metric(DROPPED, cause="limit") >= FLOOD - named_ones
    assert peak - before < GROWTH_MIB
    assert filed_after < 10
    lease = pair.desk.get("/apis/events.k8s.io/v1/namespaces/peergate-system/events")["items"]
    assert "FilingDropped" in {event["reason"] for event in lease}


def state_of_document(document: dict) -> str:
    return document.get("status", {}).get("state", "")


def test_what_was_refused_and_not_filed_is_filed_by_the_next_refusal(site):
    """The operator can't reach the API server, refuses all the same, and dies before it can file."""
    world, link = site.world, site.link
    path = world.victim()
    change = world.desk.deletion(path)
    link.freeze()
    reply = world.delete(world.agent, path)
    assert (reply.code, reported(reply)) == (403, "ApprovalMissing")
    assert named(reply) == f"{world.namespace}/{request_path(change).rpartition('/')[2]}"
    world.process.kill()
    link.mend()
    assert not world.desk.there(request_path(change))
    world.process.start()
    world.process.wait_ready()
    world.wait_judged()
    assert not world.desk.there(request_path(change))
    again = world.delete(world.agent, path)
    assert again.code == 403
    wait_filed(world.desk, change)
    assert state_of(world.desk, request_path(change)) in {"", "Pending"}
    assert world.desk.there(path_of("configmaps", change.object.name, namespace=world.namespace))


def test_an_api_server_that_is_away_for_a_moment_is_asked_again(site):
    world, link = site.world, site.link
    path = world.victim()
    change = world.desk.deletion(path)
    link.cut()
    assert world.delete(world.agent, path).code == 403
    link.mend()
    wait_filed(world.desk, change)
