"""One review, from bytes to bytes, with everything that can go wrong on the way."""

from __future__ import annotations

import asyncio
import io
import json
from datetime import timedelta
from typing import Any

import pytest
from tests.support.edge import (
    NEWCOMER,
    NOW,
    UID,
    Source,
    always,
    approved,
    claim,
    denial,
    make_handler,
    request_of,
    review_body,
)

from peergate.errors import Unavailable
from peergate.model.decision import Allow, Code, Deny, State
from peergate.model.review import Gate
from peergate.observe.metrics import Metrics

PERSON = {"username": "jane@example.com", "groups": ["system:authenticated"]}
OLD = request_of()["oldObject"]
UPDATE = {"operation": "UPDATE", "object": OLD | {"data": {}}}


def response_of(body: bytes) -> dict[str, Any]:
    review = json.loads(body)
    assert (review["kind"], review["apiVersion"]) == ("AdmissionReview", "admission.k8s.io/v1")
    assert review["response"]["uid"] == UID
    return review["response"]


async def ask(handler, **changes: Any) -> dict[str, Any]:
    answer = await handler.answer(review_body(**changes), gate=Gate.NAMESPACED)
    assert answer.status == 200
    return response_of(answer.body)


def errors(metrics: Metrics) -> dict[str, float]:
    names = ("deadline", "body", "snapshot", "ledger", "clock", "bug")
    found = {
        name: metrics.registry.get_sample_value("peergate_review_errors_total", {"cause": name})
        for name in names
    }
    return {name: count for name, count in found.items() if count}


def broken(*_: Any, **__: Any) -> Any:
    raise KeyError("a defect")


def unavailable(*_: Any) -> Any:
    raise Unavailable("no API server")


async def refuse_connection() -> None:
    raise Unavailable("no API server")


async def wait_for_ever() -> None:
    await asyncio.get_running_loop().create_future()


class Ledger:
    """Remembers uses; others had what is spent or raced, the latter seen only on claiming."""

    def __init__(self, *, spent: tuple[int, ...] = (), raced: tuple[int, ...] = ()) -> None:
        self._spent = {claim(number).payload for number in spent}
        self._raced = {claim(number).payload for number in raced}
        self.uses: list[str] = []

    async def spent(self, claims, **_):
        return {found.payload: NOW for found in claims if found.payload in self._spent}

    async def claim(self, claims, *, request_uid, **_):
        assert request_uid == UID
        lost = {found.payload: NOW for found in claims if found.payload in self._raced | self._spent}
        # As in the real one: what was recorded before another one was lost stays spent.
        self.uses += [found.slot for found in claims if found.payload not in lost]
        return lost


class NoLedger:
    async def spent(self, *_, **__):
        raise Unavailable("no API server")

    claim = spent


def counts_what_is_left(*numbers: int, required: int):
    """Decide as a rule with a quorum does: what is spent does not count."""

    def decide(*, snapshot, **_):
        left = tuple(claim(number) for number in numbers if claim(number).payload not in snapshot.spent)
        return approved(*left) if len(left) >= required else denial(Code.ALREADY_USED, State.USED)

    return decide


FAILURES = {
    "a defect in the decision": ({"decide": broken}, "InternalError", {"bug": 1}),
    "a defect in the snapshot": (
        {"decide": broken, "source": type("Broken", (Source,), {"snapshot": broken})()},
        "InternalError",
        {"bug": 1},
    ),
    "a snapshot that is not there yet": (
        {"decide": broken, "source": type("Absent", (Source,), {"snapshot": unavailable})()},
        "KeyringUnavailable",
        {"snapshot": 1},
    ),
    "a defect in the look-up": (
        {"decide": always(Allow("exempt")), "source": Source(broken)},
        "InternalError",
        {"bug": 1},
    ),
    "a look-up that finds nobody": (
        {"decide": always(Allow("exempt")), "source": Source(refuse_connection)},
        "LookupFailed",
        {"snapshot": 1},
    ),
    "a look-up that never ends": (
        {"decide": always(Allow("exempt")), "source": Source(wait_for_ever)},
        "DeadlineExceeded",
        {"deadline": 1},
    ),
    "an answer that can't be written": (
        {"decide": always(Deny(Code.EXPIRED, State.EXPIRED, "\ud800"))},
        "InternalError",
        {"bug": 1},
    ),
    "a defect in the refusal too": ({"decide": broken, "refuse": broken}, "InternalError", {"bug": 2}),
}


@pytest.mark.parametrize("case", FAILURES)
async def test_an_agent_is_refused_by(case):
    parts, code, want = FAILURES[case]
    metrics = Metrics()
    handler = make_handler(metrics=metrics, deadline=timedelta(milliseconds=50), **parts)
    response = await ask(handler, userInfo=NEWCOMER)
    assert response["allowed"] is False
    assert (response["status"]["code"], response["status"]["reason"]) == (503, "GuardUnavailable")
    assert response["status"]["details"]["retryAfterSeconds"] == 2
    assert f"code={code}" in response["status"]["message"] or "snapshot" in case
    assert response["auditAnnotations"]["code"] == code
    assert errors(metrics) == want


async def test_a_defect_stops_nobody_who_is_no_agent():
    metrics = Metrics()
    response = await ask(make_handler(broken, metrics=metrics), userInfo=PERSON)
    assert response["allowed"] is True
    assert errors(metrics) == {"bug": 1}


PODS = {"group": "", "version": "v1", "resource": "pods"}
EVICTION = {"operation": "CREATE", "resource": PODS, "subResource": "eviction", "oldObject": None}
EXEC = {"operation": "CONNECT", "resource": PODS, "subResource": "exec", "oldObject": None}
LOOK_UPS = {
    "for an agent's eviction": (EVICTION, 1),
    "for an agent's connection": (EXEC, 1),
    "not for a person's eviction": ({**EVICTION, "userInfo": PERSON}, 0),
    "not for a person's connection": ({**EXEC, "userInfo": PERSON}, 0),
    "not for an agent's deletion of a Pod": ({"resource": PODS}, 0),
}


@pytest.mark.parametrize(("changes", "want"), LOOK_UPS.values(), ids=LOOK_UPS.keys())
async def test_a_pod_is_looked_up(changes, want):
    source = Source()
    await ask(make_handler(always(Allow("exempt")), source=source), **changes)
    assert source.arrivals.qsize() == want


async def test_a_review_that_came_too_late_is_not_admitted():
    handler = make_handler(always(Allow("exempt")))
    long_ago = asyncio.get_running_loop().time() - 60
    answer = await handler.answer(review_body(), gate=Gate.NAMESPACED, arrived=long_ago)
    response = response_of(answer.body)
    assert (response["allowed"], response["auditAnnotations"]["code"]) == (False, "DeadlineExceeded")


async def test_a_wide_integer_reaches_the_decision_exactly():
    seen = []

    def decide(*, review, **_):
        seen.append(review.old_object["data"])
        return Allow("exempt")

    old = OLD | {"data": {"wide": 12345678901234567890123, "small": 1}}
    await ask(make_handler(decide), oldObject=old)
    assert seen == [{"wide": 12345678901234567890123, "small": 1}]


LEDGERS = {
    "an approval nobody used is spent": (Ledger(), (1,), 1, UPDATE, True, ["v1.peer1"]),
    "an approval that is spent does not count": (Ledger(spent=(1,)), (1,), 1, UPDATE, False, []),
    "an approval that another use gets to first does not count": (
        Ledger(raced=(1,)),
        (1,),
        1,
        UPDATE,
        False,
        [],
    ),
    "the approvals that are left are enough": (Ledger(spent=(1,)), (1, 2), 1, UPDATE, True, ["v1.peer2"]),
    "no approval is spent where the others are not enough": (
        Ledger(spent=(1,)),
        (1, 2),
        2,
        UPDATE,
        False,
        [],
    ),
    "a dry run spends nothing": (Ledger(), (1,), 1, UPDATE | {"dryRun": True}, True, []),
    "a dry run tells that an approval is spent": (
        Ledger(spent=(1,)),
        (1,),
        1,
        UPDATE | {"dryRun": True},
        False,
        [],
    ),
    "a deletion spends nothing": (Ledger(spent=(1,)), (1,), 1, {}, True, []),
}


@pytest.mark.parametrize("case", LEDGERS)
async def test_of_the_ledger(case):
    ledger, numbers, required, changes, allowed, uses = LEDGERS[case]
    ledger.uses.clear()
    handler = make_handler(counts_what_is_left(*numbers, required=required), ledger=ledger)
    response = await ask(handler, **changes)
    assert (response["allowed"], ledger.uses) == (allowed, uses)


LATER = NOW + timedelta(minutes=20)
BY_BOTH_CLOCKS = {
    "an approval that both count": ({NOW, LATER}, (NOW, LATER), "", ["v1.peer1"], {}),
    "an approval that the replica's own takes for over": (
        {NOW},
        (NOW, LATER),
        "ClocksDisagree",
        [],
        {"clock": 1},
    ),
    "an approval that only the replica's own would count": ({LATER}, (NOW, LATER), "Expired", [], {}),
    "an approval that none counts": (set(), (NOW, LATER), "Expired", [], {}),
    "an approval where there is one clock": ({NOW}, (NOW,), "", ["v1.peer1"], {}),
}


@pytest.mark.parametrize("case", BY_BOTH_CLOCKS)
async def test_what_only_one_clock_would_admit_is_not_decided(case):
    good, times, code, uses, failures = BY_BOTH_CLOCKS[case]
    metrics, ledger = Metrics(), Ledger()

    def decide(*, now, **_):
        return approved(claim(1)) if now in good else denial(Code.EXPIRED, State.EXPIRED)

    handler = make_handler(decide, times=times, ledger=ledger, metrics=metrics)
    response = await ask(handler, **UPDATE)
    assert (response["allowed"], response["auditAnnotations"].get("code", "")) == (not code, code)
    assert (ledger.uses, errors(metrics)) == (uses, failures)


async def test_what_the_ledger_leaves_is_held_against_both_clocks_too():
    """Two count at once; the one that is left when the other is found spent is over by the own clock."""
    ledger = Ledger(spent=(1,))

    def decide(*, snapshot, now, **_):
        left = [claim(number) for number in (1, 2) if claim(number).payload not in snapshot.spent]
        return approved(*left) if now == NOW or len(left) > 1 else denial(Code.EXPIRED, State.EXPIRED)

    response = await ask(make_handler(decide, times=(NOW, LATER), ledger=ledger), **UPDATE)
    assert (response["allowed"], response["auditAnnotations"]["code"]) == (False, "ClocksDisagree")
    assert ledger.uses == []


async def test_clocks_that_disagree_stop_nobody_who_is_no_agent():
    def decide(*, now, **_):
        return Allow("exempt") if now == NOW else denial(Code.EXPIRED, State.EXPIRED)

    response = await ask(make_handler(decide, times=(NOW, LATER)), userInfo=PERSON)
    assert response["allowed"] is True


async def test_without_the_ledger_no_update_is_admitted():
    metrics = Metrics()
    handler = make_handler(always(approved(claim(1))), ledger=NoLedger(), metrics=metrics)
    response = await ask(handler, **UPDATE)
    assert (response["allowed"], response["auditAnnotations"]["code"]) == (False, "LedgerUnavailable")
    assert errors(metrics) == {"ledger": 1}


async def test_a_decision_that_counts_what_is_spent_is_a_defect():
    handler = make_handler(always(approved(claim(1))), ledger=Ledger(spent=(1,)))
    response = await ask(handler, **UPDATE)
    assert (response["allowed"], response["auditAnnotations"]["code"]) == (False, "InternalError")


async def test_an_update_without_approvals_asks_no_ledger():
    assert (await ask(make_handler(always(Allow("exempt"))), **UPDATE))["allowed"] is True


async def test_only_so_many_wait_for_the_cluster_at_once():
    go = asyncio.Event()
    source = Source(go.wait)
    handler = make_handler(always(Allow("exempt")), source=source, max_concurrent=3)
    tasks = [asyncio.create_task(ask(handler, userInfo=NEWCOMER)) for _ in range(10)]
    for _ in range(3):
        await source.arrivals.get()
    go.set()
    answers = await asyncio.gather(*tasks)
    assert all(answer["allowed"] for answer in answers)
    assert source.most_waiting == 3


async def test_who_does_not_wait_needs_no_turn():
    source = Source(wait_for_ever)
    handler = make_handler(always(Allow("exempt")), source=source, max_concurrent=1)
    waiting = asyncio.create_task(ask(handler, userInfo=NEWCOMER))
    await source.arrivals.get()
    assert (await ask(handler))["allowed"] is True
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert source.waiting == 0


async def test_a_cancelled_review_gives_its_turn_back():
    source = Source(wait_for_ever)
    metrics = Metrics()
    handler = make_handler(always(Allow("exempt")), source=source, max_concurrent=1, metrics=metrics)
    for _ in range(3):
        task = asyncio.create_task(ask(handler, userInfo=NEWCOMER))
        await source.arrivals.get()
        assert metrics.registry.get_sample_value("peergate_reviews_in_flight") == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert metrics.registry.get_sample_value("peergate_reviews_in_flight") == 0


async def test_a_decision_is_counted_logged_and_told_after_the_answer():
    log, metrics, told = io.StringIO(), Metrics(), []
    handler = make_handler(
        always(denial()),
        log=log,
        metrics=metrics,
        after=[lambda review, decision: told.append((review.uid, decision))],
    )
    await ask(handler)
    assert (log.getvalue(), told) == ("", [])
    handler.report()
    assert told == [(UID, denial())]
    assert json.loads(log.getvalue())["request_uid"] == UID
    labels = {"gate": "namespaced", "operation": "DELETE", "decision": "deny", "reason": "pending"}
    assert metrics.registry.get_sample_value("peergate_reviews_total", labels) == 1


REPORTED = {
    "a refused one, for what is filed": denial(),
    "a harmless one, which may carry new approvals": Allow("harmless"),
    "one of somebody who is no agent": Allow("not-agent"),
    "an approved one": approved(claim(1)),
}


@pytest.mark.parametrize("decision", REPORTED.values(), ids=REPORTED)
async def test_a_review_is_told_by_itself_and_whole(decision):
    told, log = [], io.StringIO()
    handler = make_handler(
        always(decision), ledger=Ledger(), log=log, after=[lambda review, _: told.append(review)]
    )
    await ask(handler, **UPDATE, name="")
    await asyncio.sleep(0)
    assert [bool(review.object and review.old_object) for review in told] == [True]
    line = json.loads(log.getvalue())
    assert (line["name"], line["object_uid"]) == (OLD["metadata"]["name"], OLD["metadata"]["uid"])


async def test_reporting_goes_on_after_a_defect_in_it():
    log, metrics = io.StringIO(), Metrics()
    handler = make_handler(always(denial()), log=log, metrics=metrics, after=[broken])
    await ask(handler)
    await ask(handler)
    handler.report()
    assert len(log.getvalue().splitlines()) == 2
    assert errors(metrics) == {"bug": 2}


async def test_the_self_test_is_answered_and_leaves_no_trace():
    log, metrics = io.StringIO(), Metrics()
    handler = make_handler(always(denial()), log=log, metrics=metrics, own={UID}, after=[broken])
    assert (await ask(handler))["allowed"] is False
    handler.report()
    assert (log.getvalue(), errors(metrics)) == ("", {})
