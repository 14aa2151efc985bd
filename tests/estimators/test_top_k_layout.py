"""TopK: exactly k along the group axis of the final kernel layout, always."""

from typing import Any

import keras
import numpy as np
import pytest

from keras_diffmask import Gate, layers, schedules
from keras_diffmask.estimators import TopK
from keras_diffmask.estimators.rows import Rows
from tests.laws.masked_cases import array
from tests.reference import top_k as oracle

_CONV = {"filters": 6, "kernel_size": 3}
_IMAGE = (None, 5, 5, 8)
#: Layer, input shape, granularity, arguments of TopK -> the axes of the mask
#: over which it sums to k.
LAYOUTS: dict[str, tuple[Any, Any, str, dict[str, Any], tuple[int, ...]]] = {
    "dense": (layers.MaskedDense(6), (None, 8), "weight", {"k": 3}, (0,)),
    "dense_block": (layers.MaskedDense(6), (None, 8), "block:2x3", {"k": 3}, (0,)),
    "dense_input": (layers.MaskedDense(6), (None, 8), "input", {"k": 3}, (0,)),
    "dense_channel": (layers.MaskedDense(6), (None, 8), "channel", {"k": 3}, (0,)),
    "conv": (layers.MaskedConv2D(**_CONV), _IMAGE, "weight", {"k": 20}, (0, 1, 2)),
    "conv_kernel": (layers.MaskedConv2D(**_CONV), _IMAGE, "kernel", {"k": 5}, (2,)),
    "conv_positions": (
        layers.MaskedConv2D(**_CONV),
        _IMAGE,
        "weight",
        {"k": 4, "axes": (0, 1)},
        (0, 1),
    ),
    "conv_filters": (
        layers.MaskedConv2D(**_CONV),
        _IMAGE,
        "weight",
        {"k": 2, "axes": -1},
        (3,),
    ),
    "transposed": (
        layers.MaskedConv2DTranspose(**_CONV),
        _IMAGE,
        "weight",
        {"k": 20},
        (0, 1, 3),
    ),
    "transposed_kernel": (
        layers.MaskedConv2DTranspose(**_CONV),
        _IMAGE,
        "kernel",
        {"k": 5},
        (3,),
    ),
    "depthwise": (
        layers.MaskedDepthwiseConv2D(3, depth_multiplier=2),
        _IMAGE,
        "weight",
        {"k": 4},
        (0, 1),
    ),
    "volume": (
        layers.MaskedConv3D(4, 2),
        (None, 3, 3, 3, 5),
        "weight",
        {"k": 0.25},
        (0, 1, 2, 3),
    ),
}


def _layer(name: str, **more: Any) -> Any:
    prototype, shape, granularity, arguments, _ = LAYOUTS[name]
    moving = {
        "temperature": schedules.Linear(5.0, 0.5, steps=3),
        "noise_scale": schedules.Linear(2.0, 0.0, steps=3),
        "start": "random",
    }
    config = {**prototype.get_config(), "granularity": granularity}
    estimator = TopK(**{**arguments, **moving, **more})
    layer = type(prototype).from_config({**config, "estimator": estimator})
    layer.build(shape)
    return layer


@pytest.mark.parametrize("name", LAYOUTS)
def test_top_k_sums_to_k_over_the_group_axes_of_the_kernel(name: str) -> None:
    layer, axes = _layer(name), LAYOUTS[name][-1]
    gate = layer.gate
    k = gate.estimator.open_of(int(np.prod([gate.mask_shape[a] for a in axes])))
    masks = [array(gate(training=True)[0]) for _ in range(5)]
    masks.append(array(gate(training=False)[0]))
    for mask in masks:
        assert mask.shape == gate.mask_shape and set(np.unique(mask)) == {0.0, 1.0}
        assert np.all(mask.sum(axis=axes) == k)
    assert not np.array_equal(masks[0], masks[1])  # noise at the first steps
    assert np.array_equal(masks[4], masks[5])  # none once the schedule is over


@pytest.mark.parametrize(
    ("name", "tiles", "k"), [("conv", 4, 7), ("transposed", 2, 5), ("dense", 4, 1)]
)
def test_top_k_tiles_are_neighbouring_inputs_with_k_each(
    name: str, tiles: int, k: int
) -> None:
    gate = _layer(name, tiles=tiles, k=k).gate
    axes = LAYOUTS[name][-1]
    for training in (True, False):
        mask = array(gate(training=training)[0])
        for part in np.split(mask, tiles, axis=axes[-1]):
            assert np.all(part.sum(axis=axes) == k)


def test_reshaping_instead_of_transposing_breaks_the_count() -> None:
    """What a draft of the paper does: 1 to 9 kernels per filter instead of 5."""
    logits = np.random.default_rng(0).normal(0.0, 1.0, (64, 16))
    drawn = oracle.hard(logits, 5)
    sums = oracle.reshaped(drawn, (1, 1, 16, 64)).sum(axis=(0, 1, 2))
    assert sums.min() <= 2 and sums.max() >= 8 and np.all(drawn.sum(axis=1) == 5)
    gate = Gate((1, 1, 16, 64), TopK(5, noise_scale=0.0), min_keep=0)
    gate.build()
    gate.raw_logits.assign(logits.T.reshape(1, 1, 16, 64))
    for training in (True, False):
        mask = array(gate(training=training)[0])
        assert np.array_equal(mask[0, 0].T, drawn)


@pytest.mark.parametrize(
    ("shape", "axes", "tiles"),
    [((4,), (0,), 2), ((3, 5), (1,), 1), ((2, 3, 4, 5), (0, 1, 2), 2)],
)
def test_rows_join_undoes_split(
    shape: tuple[int, ...], axes: tuple[int, ...], tiles: int
) -> None:
    rows = Rows(shape, axes, tiles)
    tensor = np.arange(np.prod(shape), dtype="float32").reshape(shape)
    split = rows.split(keras.ops.convert_to_tensor(tensor))
    assert tuple(split.shape) == (rows.count, rows.competitors)
    assert np.array_equal(rows.join(split), tensor)
