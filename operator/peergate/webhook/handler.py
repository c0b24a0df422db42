"""Answer one review: bytes in, bytes out. Knows no HTTP and no TLS.

Three steps, always in this order, each a function: ``_gather`` may wait for live GETs and writes nothing,
``decide`` is pure, ``_commit`` may write to the ledger. Whatever goes wrong becomes a refusal with a code of
its own, for who may be an agent; who certainly is none is admitted all the same.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol, TypeGuard

from peergate.errors import InputError, Unavailable
from peergate.gate.connections import wanted_pod
from peergate.gate.ports import Ledger, SnapshotSource
from peergate.gate.principal import unknown_account
from peergate.gate.snapshot import Snapshot
from peergate.model.decision import Allow, Code, Decision
from peergate.model.names import Digest
from peergate.model.review import Gate, Review, parse_review
from peergate.observe.logs import DecisionLog
from peergate.observe.metrics import ErrorCause, Metrics
from peergate.observe.verdict import verdict_of
from peergate.webhook.decode import decode, readable_uid
from peergate.webhook.reply import cannot_tell, reply, reply_malformed

__all__ = ["After", "Answer", "Decide", "Judge", "RefuseUnavailable", "ReviewHandler", "internal_deadline"]

_LOG: Final = logging.getLogger(__name__)
_MARGIN: Final = timedelta(milliseconds=500)
"""Our text needs this long to arrive before the API server gives up and shows its own."""
_LEDGER_ROUNDS: Final = 24
"""More than approvals a change can carry on both carriers; every round takes at least one of them away."""


class Decide(Protocol):
    """``gate.decide.decide``."""

    def __call__(self, *, review: Review, snapshot: Snapshot, now: datetime) -> Decision:
        """Return the decision; never raises."""


class RefuseUnavailable(Protocol):
    """``gate.decide.refuse_unavailable``."""

    def __call__(self, *, review: Review, snapshot: Snapshot | None, code: Code) -> Decision:
        """Return the refusal with this code, or ``Allow`` for who is certainly no agent."""


After = Callable[[Review, Decision], None]
"""Told of every decision once its answer is on its way; must not wait."""


@dataclass(frozen=True, slots=True)
class Judge:
    """The pure decision and what feeds it."""

    source: SnapshotSource
    ledger: Ledger
    decide: Decide
    refuse_unavailable: RefuseUnavailable
    clock: Callable[[], tuple[datetime, ...]]
    """Returns the time in UTC; where clocks disagree, behind what counts, the others that have a say."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: a review with HTTP 200, or a short text that the API server takes for a failed call."""

    status: int
    body: bytes


def internal_deadline(timeout_seconds: int) -> timedelta:
    """Return how long a review may take when the API server waits this long."""
    return timedelta(seconds=timeout_seconds) - _MARGIN


class ReviewHandler:
    """Answers reviews, at most so many at once, each within its deadline."""

    def __init__(
        self,
        judge: Judge,
        *,
        metrics: Metrics,
        log: DecisionLog,
        deadline: timedelta,
        max_concurrent: int,
        accept: After | None = None,
        after: Sequence[After] = (),
        own: Container[str] = frozenset(),
    ) -> None:
        """Keep what answering needs.

        ``deadline`` is for a whole review, the wait for its turn included; only what waits for the cluster
        takes a turn, as everything else is done in one go. ``accept`` is told of every decision at once, so
        that the next one can know of it; it only takes note. ``own`` holds the uids of this
        process's self-tests: they are answered like any other, and neither counted nor logged.
        """
        self._judge = judge
        self._metrics = metrics
        self._log = log
        self._deadline = deadline.total_seconds()
        self._turn = asyncio.Semaphore(max_concurrent)
        self._accept = accept
        self._after = tuple(after)
        self._own = own
        self._report: list[tuple[Review, Decision, float]] = []
        self._in_flight = 0
        metrics.watch_in_flight(lambda: self._in_flight)

    async def answer(self, body: bytes, *, gate: Gate, arrived: float | None = None) -> Answer:
        """Return the answer to the bytes of one AdmissionReview.

        Units: ``arrived`` is the event loop's time at which the request came in; the deadline counts from it.
        Errors: raises nothing but ``CancelledError``. Bytes without a readable uid are answered with HTTP
        400, which fails the call and never admits; a malformed review with one is refused by its uid.
        """
        loop = asyncio.get_running_loop()
        started = loop.time() if arrived is None else arrived
        try:
            document = decode(body)
        except InputError as error:
            return self._unreadable(error.user_message)
        uid = readable_uid(document)
        if uid is None:
            return self._unreadable("the review has no readable request.uid")
        try:
            review = parse_review(document, gate=gate)
        except InputError as error:
            self._metrics.failed("body")
            _LOG.warning("refused the malformed review %s: %s", uid, error.user_message)
            return Answer(200, reply_malformed(uid))
        self._in_flight += 1
        try:
            decision = await self._decision(review, deadline=started + self._deadline)
        finally:
            self._in_flight -= 1
        answer, decision = self._written(review, decision)
        if uid not in self._own:
            self._take_note(review, decision)
            self._report.append((review, decision, loop.time() - started))
            if len(self._report) == 1:
                # Once the answer is on its way, together with what else is answered by then: whoever asked
                # has something to do meanwhile, and what is reported is still in the processor's caches.
                loop.call_soon(self.report)
        return answer

    def report(self) -> None:
        """Count, log and pass on what was answered since the last time; to be called once more at the end."""
        answered, self._report = self._report, []
        for review, decision, seconds in answered:
            try:
                verdict = verdict_of(decision)
                self._metrics.reviewed(verdict, gate=review.gate, operation=review.operation, seconds=seconds)
                self._log.write(review, verdict, seconds=seconds)
                for tell in self._after:
                    tell(review, decision)
            except Exception:  # noqa: BLE001 - a defect of reporting is counted and keeps no other report
                self._metrics.failed("bug")
                _LOG.exception("could not report review %s", review.uid)
        try:
            self._log.flush()
        except OSError:
            self._metrics.failed("bug")

    def _take_note(self, review: Review, decision: Decision) -> None:
        if self._accept is None:
            return
        try:
            self._accept(review, decision)
        except Exception:  # noqa: BLE001 - a defect of filing is counted and changes no answer
            self._metrics.failed("bug")
            _LOG.exception("could not take note of review %s", review.uid)

    def _unreadable(self, problem: str) -> Answer:
        self._metrics.failed("body")
        _LOG.warning("refused a body: %s", problem)
        return Answer(400, f"{problem}\n".encode())

    async def _decision(self, review: Review, *, deadline: float) -> Decision:
        snapshot = None
        missing = Code.KEYRING_UNAVAILABLE
        try:
            snapshot = self._judge.source.snapshot()
            missing = Code.LOOKUP_FAILED
            if _must_look_up(review, snapshot=snapshot):
                async with asyncio.timeout_at(deadline), self._turn:
                    snapshot = await self._judge.source.look_up(review, snapshot)
            times = self._judge.clock()
            decision = self._judged(review, snapshot, times=times)
            missing = Code.LEDGER_UNAVAILABLE
            if _must_commit(decision, review=review):
                async with asyncio.timeout_at(deadline), self._turn:
                    decision = await self._commit(review, decision, snapshot=snapshot, times=times)
            if asyncio.get_running_loop().time() > deadline:
                raise TimeoutError  # noqa: TRY301 - a step that never waited can't be interrupted
        except TimeoutError:
            return self._refusal(review, snapshot, code=Code.DEADLINE_EXCEEDED, cause="deadline")
        except Unavailable as error:
            _LOG.warning("could not decide review %s: %s", review.uid, error)
            cause: ErrorCause = "ledger" if missing is Code.LEDGER_UNAVAILABLE else "snapshot"
            return self._refusal(review, snapshot, code=missing, cause=cause)
        except Exception:  # noqa: BLE001 - a defect refuses, is counted and is logged
            _LOG.exception("a defect met review %s", review.uid)
            return self._refusal(review, snapshot, code=Code.INTERNAL_ERROR, cause="bug")
        return decision

    def _judged(self, review: Review, snapshot: Snapshot, *, times: tuple[datetime, ...]) -> Decision:
        """Return the decision at the time that counts; what another clock would not admit is not decided."""
        decision = self._judge.decide(review=review, snapshot=snapshot, now=times[0])
        if isinstance(decision, Allow):
            for other in times[1:]:
                if not isinstance(self._judge.decide(review=review, snapshot=snapshot, now=other), Allow):
                    return self._refusal(review, snapshot, code=Code.CLOCKS_DISAGREE, cause="clock")
        return decision

    async def _commit(
        self,
        review: Review,
        decision: Decision,
        *,
        snapshot: Snapshot,
        times: tuple[datetime, ...],
    ) -> Decision:
        """Return the decision that stands after the ledger was asked (V26).

        An approval that another use got to first is taken away and the rest decided again. Where several
        count it is asked before it is written to, so that none is spent on a change that the others can't
        admit; one alone is claimed at once. A dry run only asks. Deletions spend nothing: a uid dies once.
        """
        for _ in range(_LEDGER_ROUNDS):
            if not _must_commit(decision, review=review):
                return decision
            facts = decision.facts
            if facts.change is None or facts.change_digest is None:
                raise RuntimeError("approvals were counted without a change")
            spent: Mapping[Digest, datetime] = {}
            if review.dry_run or len(facts.counted) > 1:
                spent = await self._judge.ledger.spent(
                    facts.counted,
                    change=facts.change_digest,
                    requester=facts.change.requester,
                    now=times[0],
                )
            if not spent and not review.dry_run:
                spent = await self._judge.ledger.claim(
                    facts.counted,
                    change=facts.change_digest,
                    requester=facts.change.requester,
                    request_uid=review.uid,
                    now=times[0],
                )
            if not spent:
                return decision
            snapshot = replace(snapshot, spent={**snapshot.spent, **spent})
            decision = self._judged(review, snapshot, times=times)
        raise RuntimeError("spent approvals were counted again")

    def _refusal(
        self,
        review: Review,
        snapshot: Snapshot | None,
        *,
        code: Code,
        cause: ErrorCause,
    ) -> Decision:
        self._metrics.failed(cause)
        try:
            return self._judge.refuse_unavailable(review=review, snapshot=snapshot, code=code)
        except Exception:  # noqa: BLE001 - a defect refuses, is counted and is logged
            self._metrics.failed("bug")
            _LOG.exception("could not tell who asks in review %s", review.uid)
            return cannot_tell(code)

    def _written(self, review: Review, decision: Decision) -> tuple[Answer, Decision]:
        try:
            return Answer(200, reply(review, decision)), decision
        except Exception:  # noqa: BLE001 - a defect refuses, is counted and is logged
            self._metrics.failed("bug")
            _LOG.exception("could not write the answer to review %s", review.uid)
            refusal = cannot_tell(Code.INTERNAL_ERROR)
            return Answer(200, reply(review, refusal)), refusal


def _must_look_up(review: Review, *, snapshot: Snapshot) -> bool:
    """Tell whether an account or a Pod has to be fetched before this can be decided."""
    return unknown_account(review.user, snapshot=snapshot) is not None or (
        wanted_pod(review, snapshot=snapshot) is not None
    )


def _must_commit(decision: Decision, *, review: Review) -> TypeGuard[Allow]:
    return isinstance(decision, Allow) and review.operation == "UPDATE" and bool(decision.facts.counted)
