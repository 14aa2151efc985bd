"""The arena's head: hand-made plans, and TFLM's planner in plain NumPy."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from keras_diffmask.costs.planner import Buffer, peak


def test_plans_by_hand() -> None:
    assert peak([]) == 0
    # A chain: each pair of neighbours is live together.
    chain = [Buffer(16, 0, 0), Buffer(64, 0, 1), Buffer(32, 1, 2), Buffer(16, 2, 3)]
    assert peak(chain) == 96
    # 48 goes to 0, the second 48 above it; 32 at 0 meets both, and stands on top.
    gap = [Buffer(48, 0, 1), Buffer(48, 1, 2), Buffer(32, 2, 3), Buffer(32, 0, 0)]
    assert peak(gap) == 96


def _reference(buffers: list[tuple[int, int, int]]) -> int:
    """Bytes on a grid of time x address: the first free place, by trying all."""
    total = sum(size for size, _, _ in buffers) or 1
    end = max((last for _, _, last in buffers), default=0) + 1
    taken = np.zeros((end, total), bool)
    top = 0
    numbered = sorted(enumerate(buffers), key=lambda pair: (-pair[1][0], -pair[0]))
    for _, (size, first, last) in numbered:
        busy = taken[first : last + 1].any(axis=0)
        offset = next(
            start for start in range(total) if not busy[start : start + size].any()
        )
        taken[first : last + 1, offset : offset + size] = True
        top = max(top, offset + size)
    return top


spans = st.tuples(st.integers(1, 9), st.integers(0, 7), st.integers(0, 4))


@hypothesis.settings(max_examples=150, deadline=None)
@hypothesis.given(st.lists(spans, max_size=9))
def test_plan_is_the_first_place_that_fits(drawn: list[tuple[int, int, int]]) -> None:
    buffers = [(size, first, first + length) for size, first, length in drawn]
    assert peak([Buffer(*buffer) for buffer in buffers]) == _reference(buffers)


@pytest.mark.parametrize("count", [1, 5])
def test_equal_buffers_that_all_meet(count: int) -> None:
    assert peak([Buffer(48, 0, 3)] * count) == 48 * count
