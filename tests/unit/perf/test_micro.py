"""A call during which the processor clock stood still was not measured, and no figure says that it was."""

from __future__ import annotations

import pytest
from tests.perf.micro import _Cell


def test_a_pair_is_counted_or_left_out_as_a_whole_and_that_is_told():
    cell = _Cell("row", review=None, allowed=True)
    for small, large in ((1_000, 2_000), (0, 9_000), (9_000, 0), (0, 0), (3_000, 4_000)):
        cell.add(small=small, large=large)
    assert (cell.small, cell.large, cell.left_out) == ([1.0, 3.0], [2.0, 4.0], 3)


def test_a_clock_that_does_not_move_at_all_ends_the_measurement():
    cell = _Cell("row", review=None, allowed=True, left_out=9_999)
    cell.add(small=0, large=1)
    with pytest.raises(RuntimeError, match="stands still"):
        cell.add(small=0, large=1)
