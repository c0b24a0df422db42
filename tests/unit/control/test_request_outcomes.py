"""What becomes of ChangeRequests: the status that each of them gets, and what is cleared away."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.gate import NOW, policy, snapshot, thing
from tests.support.peers import approver, sign
from tests.support.records import DELETION, recorded

from peergate.approval.projection import digest, project_delete, project_update
from peergate.cluster.caches import read_request_record
from peergate.cluster.client import Miss, NotAllowed
from peergate.cluster.endpoints import CHANGE_REQUESTS
from peergate.cluster.reflector import Reflector, Source
from peergate.control.clearing import sweep_requests
from peergate.control.requests import RequestStatuses, request_conditions
from peergate.errors import Unavailable
from peergate.model.change import ObjectRef
from peergate.model.review import Kind
from peergate.model.wire import format_instant
from peergate.observe.metrics import Metrics
from peergate.settings import Settings

KIND = Kind("apps", "v1", "Deployment")
LIVE = thing("Deployment", uid="u1", spec={"replicas": 3})
WANTED = thing("Deployment", uid="u1", spec={"replicas": 4})
DELETE = dataclasses.replace(
    DELETION, from_=digest(project_delete(LIVE, kind=KIND, projection="k8s-projection/v1"))
)
FROM, TO = (digest(one) for one in project_update(LIVE, WANTED, kind=KIND))
UPDATE = dataclasses.replace(DELETION, operation="UPDATE", from_=FROM, to=TO, options={})
SLOT = "approval.peergate.dev/v1.alice"
TWO = policy(rules=[{"approvals": {"required": 2, "minHumans": 2}}])


class Town:
    """One replica's step and what it meets: cached requests, their targets, an API server."""

    def __init__(self, *, leads: bool = True, live: Any = LIVE, policies: Any = ()) -> None:
        self.now = NOW
        self.leads = leads
        self.live = live
        self.synced = True
        self.known = snapshot(approvers={"alice": approver("alice")}, policies=policies)
        self.cache: Any = Reflector(None, Source(CHANGE_REQUESTS, read_request_record))  # type: ignore[arg-type]
        self.caches = SimpleNamespace(requests=self.cache)
        self.looks: list[str] = []
        self.written: list[dict[str, Any]] = []
        self.answer: Any = {}
        self.told: list[tuple[str, str]] = []
        self.metrics = Metrics()
        self.statuses = RequestStatuses(
            SimpleNamespace(clock=SimpleNamespace(now=lambda: self.now), get=self.get, patch=self.patch),  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
            leads=lambda: self.leads,
            metrics=self.metrics,
            poster=SimpleNamespace(  # type: ignore[arg-type]
                post=lambda happening: self.told.append((happening.reason, happening.note))
            ),
        )

    def snapshot(self) -> Any:
        return self.known

    async def get(self, _: Any, *, name: str, **__: Any) -> Any:
        self.looks.append(name)
        if isinstance(self.live, Exception):
            raise self.live
        return copy.deepcopy(self.live)

    async def patch(self, _: Any, *, name: str, subresource: str, body: Any, **__: Any) -> Any:
        assert subresource == "status"
        self.written.append({"name": name, **body})
        return self.answer

    def file(self, change: Any = DELETE, *, signed: bool = False, **members: Any) -> dict[str, Any]:
        """Have a request in the cache; return its document."""
        annotations = {SLOT: sign(change)} if signed else {}
        document = recorded(change, annotations=annotations, **members)
        self.hold(document)
        return document

    def hold(self, document: dict[str, Any]) -> None:
        self.cache._apply({"type": "MODIFIED", "object": copy.deepcopy(document)})

    async def states(self) -> list[tuple[str, str, str]]:
        """Take a step; return what it wrote: state, progress, what is missing."""
        before = len(self.written)
        await self.statuses.step()
        new = [one["status"] for one in self.written[before:]]
        return [(one["state"], one["progress"], one["missing"]) for one in new]

    def passes(self, **time: float) -> None:
        self.now += timedelta(**time)

    def decided(self, outcome: str) -> float:
        name = "peergate_change_request_decision_seconds_count"
        return self.metrics.registry.get_sample_value(name, {"outcome": outcome}) or 0.0


REJECTION = {
    "by": "alice@example.com",
    "reason": "no",
    "at": format_instant(NOW),
    "until": format_instant(NOW + timedelta(hours=1)),
}


@dataclass(frozen=True)
class Case:
    want: tuple[str, str, str]
    signed: bool = False
    update: bool = False
    state: str | None = None
    later: timedelta = timedelta(seconds=15)
    live: Any = field(default_factory=lambda: LIVE)
    rejected: bool = False
    rules: tuple[str, ...] = ("built-in",)


DAY = timedelta(hours=24)
CASES = {
    "nobody has signed": Case(("Pending", "0/1", "1 more signature (human)")),
    "a peer has": Case(("Approved", "1/1", ""), signed=True),
    "one of two has": Case(("Pending", "1/2", "1 more signature (human)"), signed=True, rules=("prod/0",)),
    "its signature is over": Case(
        ("Pending", "0/1", "1 more signature (human)"), signed=True, later=timedelta(minutes=10)
    ),
    "what was approved is pending again when its signature is over": Case(
        ("Pending", "0/1", "1 more signature (human)"),
        signed=True,
        state="Approved",
        later=timedelta(minutes=10),
    ),
    "a second before its time is over it is open": Case(
        ("Pending", "0/1", "1 more signature (human)"), later=DAY - timedelta(seconds=1)
    ),
    "its time is over": Case(("Expired", "0/1", "1 more signature (human)"), later=DAY),
    "a peer said no": Case(("Rejected", "0/1", ""), rejected=True),
    "a no outweighs signatures": Case(("Rejected", "1/1", ""), signed=True, rejected=True),
    "a no outweighs time": Case(("Rejected", "0/1", ""), rejected=True, later=DAY),
    "its target is gone": Case(("Stale", "0/1", "the target is gone"), live=None),
    "its target was changed": Case(("Stale", "0/1", "the target has changed since"), live=WANTED),
    "its target is another of that name": Case(
        ("Stale", "0/1", "the target was recreated since"),
        live=thing("Deployment", uid="u2", spec={"replicas": 3}),
    ),
    "time outweighs what became of the target": Case(
        ("Expired", "0/1", "1 more signature (human)"), live=None, later=DAY
    ),
    "its target may not be looked at": Case(
        ("Pending", "0/1", "1 more signature (human)"), live=NotAllowed("no")
    ),
    "an update has arrived with approvals": Case(("Used", "1/1", ""), update=True, signed=True, live=WANTED),
    "an update has arrived without": Case(
        ("Stale", "0/1", "the target is already as it was to become"), update=True, live=WANTED
    ),
    "a rule of it is gone": Case(
        ("Pending", "", "a rule that asked for approvals has changed: repeat the request"),
        signed=True,
        rules=("other/0",),
    ),
}


@pytest.mark.parametrize("sentence", CASES)
async def test_a_request_of_which(sentence):
    case = CASES[sentence]
    town = Town(live=case.live, policies=(TWO,))
    status: dict[str, Any] = {"state": case.state} if case.state else {}
    if case.rejected:
        status["rejection"] = REJECTION
    town.file(
        UPDATE if case.update else DELETE, signed=case.signed, status=status or None, rules=list(case.rules)
    )
    town.passes(seconds=case.later.total_seconds())
    assert await town.states() == [case.want]
    [written] = town.written
    assert written["metadata"] == {"resourceVersion": "1"}
    conditions = {one["type"]: (one["status"], one["reason"]) for one in written["status"]["conditions"]}
    state = case.want[0]
    assert conditions == {
        "Approved": ("True" if state in {"Approved", "Used"} else "False", state),
        "Decided": ("False" if state == "Pending" else "True", state),
    }
    signed = ["alice@example.com"] if case.want[1].startswith("1/") else []
    if state != "Pending" or case.want[1]:
        assert written["status"]["approvals"] == signed


TOLD = {
    "Pending": None,
    "Approved": "ChangeApproved",
    "Expired": "ChangeExpired",
    "Rejected": None,
    "Stale": None,
    "Used": None,
}


@pytest.mark.parametrize("state", TOLD)
async def test_what_ends_is_counted_once_and_told(state):
    town = Town(live=None if state == "Stale" else WANTED if state == "Used" else LIVE)
    document = town.file(
        UPDATE if state == "Used" else DELETE,
        signed=state in {"Approved", "Used"},
        status={"rejection": REJECTION} if state == "Rejected" else None,
    )
    town.passes(seconds=DAY.total_seconds() if state == "Expired" else 15)
    [(seen, *_)] = await town.states()
    assert seen == state
    assert [reason for reason, _ in town.told] == ([TOLD[state]] if TOLD[state] else [])
    assert town.decided(state) == (0 if state == "Pending" else 1)
    # As the API server has it by now.
    document["status"] = {**document.get("status", {}), **town.written[0]["status"]}
    document["metadata"]["resourceVersion"] = "2"
    town.hold(document)
    town.passes(seconds=6)
    assert await town.states() == []
    assert town.decided(state) == (0 if state == "Pending" else 1)


async def test_what_was_approved_and_is_used_was_decided_before():
    town = Town(live=WANTED)
    town.file(UPDATE, signed=True, status={"state": "Approved"})
    town.passes(seconds=15)
    assert [state for state, *_ in await town.states()] == ["Used"]
    assert (town.decided("Used"), town.told) == (0, [])


@pytest.mark.parametrize("state", ["Used", "Expired", "Stale", "Rejected"])
async def test_what_has_ended_stays_as_it_ended(state):
    town = Town(live=None)
    town.file(signed=True, status={"state": state})
    town.passes(hours=30)
    assert await town.states() == []
    assert town.looks == []


@pytest.mark.parametrize("state", ["Used", "Expired", "Stale"])
async def test_a_no_is_honoured_whenever_it_comes(state):
    town = Town()
    town.file(status={"state": state, "rejection": REJECTION})
    assert [one for one, *_ in await town.states()] == ["Rejected"]
    assert town.decided("Rejected") == 0


async def test_who_does_not_lead_counts_and_writes_nothing():
    town = Town(leads=False)
    town.file()
    town.passes(minutes=2)
    assert await town.statuses.step() is False
    assert (town.written, town.looks) == ([], [])
    value = town.metrics.registry.get_sample_value
    assert value("peergate_change_requests", {"state": "Pending"}) == 1
    assert value("peergate_change_request_oldest_seconds") == 120


async def test_without_caches_nothing_is_done():
    town = Town()
    town.file()
    town.synced = False
    assert await town.statuses.step() is False
    assert town.written == []


async def test_counts_by_state_and_the_oldest_that_is_pending():
    town = Town(leads=False)
    for number, (state, ago) in enumerate(((None, 3), ("Pending", 5), ("Approved", 9), ("Used", 20))):
        change = dataclasses.replace(DELETE, from_=digest({"n": number}))
        status = {"state": state} if state else None
        town.file(change, status=status, filedAt=format_instant(NOW - timedelta(minutes=ago)))
    await town.statuses.step()
    value = town.metrics.registry.get_sample_value
    states = {state: value("peergate_change_requests", {"state": state}) for state in TOLD}
    assert states == {"Pending": 2, "Approved": 1, "Used": 1, "Expired": 0, "Rejected": 0, "Stale": 0}
    assert value("peergate_change_request_oldest_seconds") == 300


@pytest.mark.parametrize("answer", [Miss.CONFLICT, Miss.ABSENT])
async def test_what_was_not_written_is_neither_counted_nor_told(answer):
    town = Town()
    town.answer = answer
    town.file(signed=True)
    assert await town.statuses.step() is False
    assert (len(town.written), town.told, town.decided("Approved")) == (1, [], 0)


async def test_a_step_tells_whether_it_wrote():
    town = Town()
    town.file()
    assert await town.statuses.step() is True
    assert await town.statuses.step() is False


# --- how often ---


async def test_what_was_just_filed_is_looked_at_after_fifteen_seconds_and_then_every_fifteen():
    town = Town()
    town.file()
    looks = []
    for _ in range(32):
        await town.statuses.step()
        looks.append(len(town.looks))
        town.passes(seconds=1)
    assert (looks[14], looks[15], looks[29], looks[30]) == (0, 1, 1, 2)


async def test_a_clock_that_was_set_back_keeps_nobody_from_looking():
    town = Town()
    town.file()
    town.passes(seconds=15)
    await town.statuses.step()
    town.passes(hours=-1)
    await town.statuses.step()
    assert len(town.looks) == 2


async def test_twenty_are_looked_at_in_one_step_those_that_waited_longest_first():
    town = Town()
    for number in reversed(range(25)):
        target = ObjectRef("apps", "v1", "deployments", "", "shop", f"web-{number}", "u1")
        town.file(
            dataclasses.replace(DELETE, object=target),
            filedAt=format_instant(NOW - timedelta(minutes=number)),
        )
    town.passes(seconds=15)
    await town.statuses.step()
    assert town.looks == [f"web-{number}" for number in range(24, 4, -1)]
    await town.statuses.step()
    assert set(town.looks[20:]) == {f"web-{number}" for number in range(5)}


async def test_an_approval_that_runs_out_shows_within_five_seconds():
    town = Town()
    document = town.file(signed=True)
    [(state, *_)] = await town.states()
    assert state == "Approved"
    document["status"] = town.written[0]["status"]
    town.hold(document)
    await town.states()
    town.passes(minutes=10)
    assert [one for one, *_ in await town.states()] == ["Pending"]


async def test_what_nothing_changed_of_is_judged_once():
    """Ten thousand that wait cost a look at each, not a judgement."""
    town = Town()
    town.file()
    town.answer = Miss.CONFLICT
    await town.statuses.step()
    for _ in range(3):
        town.passes(seconds=1)
        await town.statuses.step()
    assert len(town.written) == 1


async def test_another_keyring_judges_anew():
    town = Town()
    town.file(signed=True)
    town.known = dataclasses.replace(town.known, keyring=snapshot().keyring)
    assert [one for one, *_ in await town.states()] == ["Pending"]
    town.known = snapshot(approvers={"alice": approver("alice")})
    assert [one for one, *_ in await town.states()] == ["Approved"]


async def test_other_policies_judge_anew():
    town = Town(policies=(TWO,))
    town.file(rules=["prod/0"])
    assert [progress for _, progress, _ in await town.states()] == ["0/2"]
    three = policy(rules=[{"approvals": {"required": 3, "minHumans": 3}}])
    town.known = dataclasses.replace(town.known, policies=snapshot(policies=(three,)).policies)
    assert [progress for _, progress, _ in await town.states()] == ["0/3"]


async def test_another_request_of_that_name_is_looked_at_anew():
    town = Town(live=None)
    document = town.file()
    town.passes(seconds=15)
    assert [one for one, *_ in await town.states()] == ["Stale"]
    again = copy.deepcopy(document)
    again["metadata"]["uid"] = "another"
    again["spec"]["filedAt"] = format_instant(town.now)
    town.hold(again)
    assert [one for one, *_ in await town.states()] == ["Pending"]


async def test_an_api_server_that_does_not_answer_ends_the_step():
    town = Town(live=Unavailable("no answer"))
    town.file()
    town.passes(seconds=15)
    with pytest.raises(Unavailable):
        await town.statuses.step()


# --- conditions ---


def test_a_condition_keeps_its_time_while_its_status_is_the_same():
    before = request_conditions("Pending", seen=_seen({}), now=NOW, detail="1 more signature")
    assert [(one["status"], one["lastTransitionTime"]) for one in before] == [
        ("False", format_instant(NOW)),
        ("False", format_instant(NOW)),
    ]
    assert before[0]["message"] == "Signatures are missing. (1 more signature)"
    later = NOW + timedelta(minutes=5)
    after = request_conditions("Expired", seen=_seen({"conditions": before}), now=later)
    assert [(one["status"], one["lastTransitionTime"]) for one in after] == [
        ("False", format_instant(NOW)),
        ("True", format_instant(later)),
    ]
    assert after[0]["message"] == "Nobody decided in time."


def _seen(status: dict[str, Any]) -> Any:
    record: Any = read_request_record(recorded(DELETE, status=status))
    return record.status


# --- clearing away ---

KEPT = timedelta(hours=24 + 168)


class Store:
    """The API server's part: ChangeRequests, listed by metadata, read, and deleted as they were read."""

    def __init__(self, town: Town, *ages: timedelta) -> None:
        self.town = town
        self.deleted: list[tuple[str, str, str, str]] = []
        self.reads = 0
        self.documents = [recorded(DELETE, status={"state": "Expired"}) for _ in ages]
        for number, (document, age) in enumerate(zip(self.documents, ages, strict=True)):
            document["metadata"] |= {
                "name": f"cr-{number}",
                "uid": f"uid-{number}",
                "resourceVersion": f"{number + 10}",
                "creationTimestamp": format_instant(NOW - age),
            }
        self.live = {one["metadata"]["name"]: one for one in self.documents}

    async def list_pages(self, _: Any, *, metadata_only: bool, page: int) -> Any:
        assert metadata_only
        listed = [{"metadata": dict(one["metadata"])} for one in self.documents]
        for start in range(0, len(listed), page):
            yield listed[start : start + page], "1"

    async def get(self, _: Any, *, namespace: str, name: str) -> Any:
        assert namespace == "shop"
        self.reads += 1
        return copy.deepcopy(self.live.get(name))

    async def delete(self, _: Any, *, namespace: str, name: str, uid: str, resource_version: str) -> Any:
        live = self.live.get(name)
        if live is None or live["metadata"]["resourceVersion"] != resource_version:
            return Miss.CONFLICT
        self.deleted.append((namespace, name, uid, resource_version))
        return None

    async def swept(self, *, now: datetime = NOW) -> int:
        return await sweep_requests(
            self,  # type: ignore[arg-type]
            self.town,  # type: ignore[arg-type]
            settings=Settings(),
            now=now,
        )


def _no(*, lasts: timedelta) -> dict[str, Any]:
    """Return the status of what was rejected long ago, for so long from now."""
    times = {"at": format_instant(NOW - timedelta(days=20)), "until": format_instant(NOW + lasts)}
    return {"state": "Rejected", "rejection": {**REJECTION, **times}}


async def test_what_ended_long_ago_is_cleared_away_just_as_it_was_read():
    second = timedelta(seconds=1)
    store = Store(Town(), KEPT, KEPT + second, timedelta(0), KEPT + 2 * second)
    assert await store.swept() == 2
    assert store.deleted == [("shop", "cr-1", "uid-1", "11"), ("shop", "cr-3", "uid-3", "13")]
    assert store.reads == 2


@pytest.mark.parametrize(("lasts", "gone"), [(timedelta(seconds=1), 0), (timedelta(0), 1)])
@pytest.mark.parametrize("is_cached", [True, False])
async def test_a_no_stays_until_it_has_lapsed(lasts, gone, is_cached):
    """Attack: an agent keeps its approval and waits until the no to its change is cleared away.

    A leader sweeps as soon as it leads, when its cache may hold nothing yet.
    """
    store = Store(Town(), KEPT * 2)
    store.documents[0]["status"] = _no(lasts=lasts)
    if is_cached:
        store.town.hold(store.documents[0])
    assert await store.swept() == gone
    # What the cache knows of is not read again: there may be many.
    assert store.reads == (0 if is_cached and not gone else 1)


async def test_a_no_that_the_cache_has_not_heard_of_counts():
    store = Store(Town(), KEPT * 2)
    store.town.hold(store.documents[0])
    store.documents[0]["status"] = _no(lasts=timedelta(hours=1))
    assert await store.swept() == 0


async def test_a_no_that_comes_while_it_is_cleared_away_keeps_it():
    store = Store(Town(), KEPT * 2)
    [document] = store.documents

    async def read_and_rejected(_: Any, **__: Any) -> Any:
        before = copy.deepcopy(document)
        document["metadata"]["resourceVersion"] = "99"
        document["status"] = _no(lasts=timedelta(hours=1))
        return before

    store.get = read_and_rejected  # type: ignore[method-assign]
    assert await store.swept() == 0
    assert store.deleted == []


MEANWHILE = {
    "that is gone by now": None,
    "that is another of its name by now": "another",
}


@pytest.mark.parametrize("uid", MEANWHILE.values(), ids=MEANWHILE)
async def test_nothing_is_deleted_of_one(uid):
    store = Store(Town(), KEPT * 2)
    store.live = {}
    if uid:
        again = copy.deepcopy(store.documents[0])
        again["metadata"]["uid"] = uid
        store.live = {"cr-0": again}
    assert await store.swept() == 0
    assert store.deleted == []


async def test_one_that_cannot_be_read_says_no_to_nothing_and_goes():
    store = Store(Town(), KEPT * 2)
    store.documents[0]["status"] = _no(lasts=timedelta(hours=1))
    store.documents[0]["spec"]["operation"] = "CONNECT"
    assert await store.swept() == 1


async def test_five_hundred_are_looked_at_in_one_sweep():
    store = Store(Town(), *[KEPT * 2] * 700)
    assert await store.swept() == 500
    assert len(store.deleted) == store.reads == 500
