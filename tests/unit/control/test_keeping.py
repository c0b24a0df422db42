"""Housekeeping is woken by events, patient after failures, and never a hot loop."""

from __future__ import annotations

import asyncio
import time

import pytest

from peergate.control.keeping import Keeper, Pace
from peergate.errors import Unavailable

PACE = Pace(every=0.2, settle=0.005, backoff_first=0.02, backoff_most=0.05, rewrite_most=0.05)


async def run_for(keeper, seconds):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            await keeper.run()


def scripted(*outcomes):
    """Return a step that does one after the other, then nothing, and the times it was taken."""
    taken = []
    left = list(outcomes)

    async def step():
        taken.append(time.monotonic())
        outcome = left.pop(0) if left else False
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return step, taken


async def test_it_steps_at_once_and_then_by_the_clock():
    step, taken = scripted()
    await run_for(Keeper("x", step, pace=PACE), 0.5)
    assert 2 <= len(taken) <= 3


async def test_many_wakes_are_one_step():
    step, taken = scripted()
    keeper = Keeper("x", step, pace=Pace(every=60, settle=0.02))

    async def wake_often():
        await asyncio.sleep(0.05)
        for _ in range(100):
            keeper.wake()

    async with asyncio.TaskGroup() as group:
        group.create_task(wake_often())
        await run_for(keeper, 0.2)
    assert len(taken) == 2


@pytest.mark.parametrize("failure", [Unavailable("x"), ValueError("bug")])
async def test_a_failure_is_met_again_soon_and_not_at_once(failure):
    step, taken = scripted(failure, failure)
    keeper = Keeper("x", step, pace=Pace(every=60, settle=0, backoff_first=0.04, backoff_most=1))
    await run_for(keeper, 0.4)
    assert len(taken) == 3
    assert taken[1] - taken[0] >= 0.02
    assert taken[2] - taken[1] >= 0.04
    assert keeper.bugs == (2 if isinstance(failure, ValueError) else 0)


async def test_a_failure_after_many_writes_is_met_again_as_soon_as_any():
    taken = []

    async def step():
        taken.append(time.monotonic())
        keeper.wake()  # there is always more to write
        if len(taken) == 12:
            raise Unavailable("x")
        return True

    pace = Pace(every=60, settle=0, backoff_first=0.01, backoff_most=60, rewrite_most=0.01)
    keeper = Keeper("x", step, pace=pace)
    await run_for(keeper, 1.0)
    assert len(taken) > 12, "2**11 times the first pause would be 20 s"


async def test_two_writers_who_fight_are_no_hot_loop():
    taken = []

    async def step():
        taken.append(time.monotonic())
        keeper.wake()  # the other one undid it
        return True

    keeper = Keeper("x", step, pace=Pace(every=60, settle=0, backoff_first=0.02, rewrite_most=0.1))
    await run_for(keeper, 1.0)
    assert len(taken) < 30


async def test_cancelling_ends_it():
    step, taken = scripted()
    task = asyncio.ensure_future(Keeper("x", step, pace=PACE).run())
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(taken) == 1
