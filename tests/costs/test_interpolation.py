"""Interpolation in latency tables, against NumPy; and the gradient over the steps."""

from typing import Any

import keras
import numpy as np
import pytest

from keras_diffmask.costs.interpolation import Grid, Interpolation
from keras_diffmask.costs.latency_sum import LatencySum, Rates, Timed
from keras_diffmask.lowering import Op, Program, Size, Tensor
from tests.reference.gradients import autodiff


def _grid(x: tuple[float, ...], y: tuple[float, ...], seed: int) -> Grid:
    values = np.random.default_rng(seed).uniform(1, 100, (len(x), len(y)))
    return Grid(x, y, tuple(map(tuple, values.tolist())))


GRIDS = [
    _grid((1.0, 8.0, 9.0, 16.0), (1.0, 4.0), 0),
    _grid((3.0,), (1.0, 8.0, 9.0, 20.0), 1),
    _grid((5.0,), (7.0,), 2),
    _grid((1.0, 2.0), (2.0,), 3),
]


def _looked_up(grid: Grid, x: float, y: float) -> float:
    rows = [np.interp(y, grid.y, row) for row in grid.values]
    return float(np.interp(x, grid.x, rows))


@pytest.mark.parametrize("seed", range(4))
def test_as_numpy_interpolates(seed: int) -> None:
    """On the places, between them and beyond them, all grids at once."""
    rng = np.random.default_rng(seed)
    read = Interpolation(GRIDS)
    for _ in range(20):
        x, y = rng.uniform(0, 22, (2, len(GRIDS), 1)).round(int(rng.integers(2)))
        expected = [
            _looked_up(grid, float(x[k, 0]), float(y[k, 0]))
            for k, grid in enumerate(GRIDS)
        ]
        np.testing.assert_allclose(read(np, x, y), expected, rtol=1e-12)
        tensors = [keras.ops.convert_to_tensor(v.astype("float32")) for v in (x, y)]
        got = keras.ops.convert_to_numpy(read(keras.ops, *tensors))
        np.testing.assert_allclose(got, expected, rtol=2e-5)


def _staircase(steps_of: int, channels: int) -> Grid:
    sides = sorted({1, channels, *range(steps_of, channels, steps_of)})
    sides = sorted({*sides, *(n + 1 for n in sides[1:-1])})
    ns = tuple(100.0 + 10.0 * -(-n // steps_of) for n in sides)
    return Grid((1.0,), tuple(map(float, sides)), (ns,))


def _one_operator() -> LatencySum:
    """A kernel with steps of 16 between an input of 3 and 48 gated channels."""
    size = Size(100.0, (((0, 1.0),),))
    op = Op("CONV_2D", "conv", (0,), (1,))
    program = Program((Tensor(Size(300.0)), Tensor(size)), (op,), (0,), (1,))
    row = Timed(("conv", "CONV_2D", 1, 0), (300.0, 4800.0), _staircase(16, 48))
    return LatencySum(program, {row.key: row}, Rates([row]), [48])


def test_steps_are_in_the_value_and_spread_in_the_slope() -> None:
    times = _one_operator()

    def at(channels: float, **more: Any) -> float:
        return float(times(np, np.array([[channels], [1.0]]), **more)[0])

    assert [at(n) for n in (1, 16, 17, 32, 33, 48)] == [110, 110, 120, 120, 130, 130]
    assert at(24, at_multiples=True) == 115 and at(32, at_multiples=True) == 120

    def smooth(sums: Any) -> Any:
        one = keras.ops.ones((1, 1))
        places = keras.ops.concatenate([keras.ops.reshape(sums, (1, 1)), one])
        return times(keras.ops, places, at_multiples=True)

    for channels, slope in (
        (10.0, 0.0),
        (20.0, 10 / 16),
        (30.0, 10 / 16),
        (40.0, 0.625),
    ):
        assert autodiff(smooth, np.array([channels])) == pytest.approx([slope])


def test_an_operator_without_a_row_takes_the_rate_of_its_kind() -> None:
    tensors = (Tensor(Size(10.0)), Tensor(Size(20.0)))
    rows = [
        Timed((f"a{k}", kind, 1, 0), (10.0, 10.0), Grid((1.0,), (1.0,), ((ns,),)))
        for k, (kind, ns) in enumerate(
            [("ADD", 30.0), ("MUL", 50.0), ("CONV_2D", 900.0)]
        )
    ]
    ops = [Op(kind, "new", (0,), (1,)) for kind in ("ADD", "SUB", "CONV_2D", "OTHER")]
    program = Program(tensors, tuple(ops), (0,), (1,))
    times = LatencySum(program, {row.key: row for row in rows}, Rates(rows), [])
    # 3 and 5 ns an entry: SUB takes their median. OTHER is in the constant.
    np.testing.assert_allclose(times(np, np.ones((1, 1))), [60.0, 80.0, 1800.0, 0.0])
    assert Rates([]).of("ADD") == 0.0
