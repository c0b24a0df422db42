"""Arms take turns, and what differs is told from what chance makes differ."""

from __future__ import annotations

import random

import pytest
from tests.perf.turns import added, apart, noise, shares, take_turns


def test_every_arm_has_one_turn_in_every_round_in_an_order_that_changes():
    seen = []

    def turn(arm):
        def take(number):
            seen.append((number, arm))
            return number / 1000

        return take

    found = take_turns({arm: turn(arm) for arm in "abc"}, rounds=20, seed="x")
    assert found == {arm: pytest.approx(range(20)) for arm in "abc"}
    rounds = [[arm for number, arm in seen if number == one] for one in range(20)]
    assert all(sorted(those) == ["a", "b", "c"] for those in rounds)
    assert len({tuple(those) for those in rounds}) > 1
    assert [number for number, _ in seen] == sorted(number for number, _ in seen)


def test_differences_are_taken_round_by_round_and_percentile_by_percentile():
    base, mine = [1.0, 5.0, 2.0], [2.0, 4.0, 2.5]
    assert added(mine, base) == [1.0, -1.0, 0.5]
    assert shares(mine) == {"p50": 2.5, "p95": 4.0, "p99": 4.0}
    assert apart(mine, base) == {"p50": 0.5, "p95": -1.0, "p99": -1.0}


def samples(seed, *, slower=0.0):
    drawn = random.Random(seed)  # noqa: S311 - the same in every run
    return [drawn.gauss(5, 1) + slower for _ in range(250)]


def test_what_is_drawn_from_one_source_stays_within_its_noise_and_what_is_slower_does_not():
    first, again = samples(1), samples(2)
    allowed = noise(first, again)
    assert all(0 < value < 2 for value in allowed.values())
    assert abs(apart(samples(3), first)["p50"]) <= allowed["p50"]
    assert apart(samples(3, slower=1.0), first)["p50"] > allowed["p50"]


def test_without_noise_nothing_is_allowed():
    assert noise([1.0] * 50, [1.0] * 50) == {"p50": 0.0, "p95": 0.0, "p99": 0.0}
