"""Granularities against NumPy loops: which mask element covers which kernel entry."""

from typing import Any

import keras
import numpy as np
import pytest

from keras_diffmask import granularity, layers
from keras_diffmask.errors import InvalidArgumentError
from tests.reference.granularity import element_of, expanded, mask_shape_of

#: Kernel -> its shape, its axis of inputs, and that of units.
KERNELS: dict[str, tuple[tuple[int, ...], int, int]] = {
    "dense": ((5, 7), -2, -1),
    "conv1d": ((3, 5, 7), -2, -1),
    "conv2d": ((3, 2, 5, 7), -2, -1),
    "conv3d": ((2, 1, 3, 5, 7), -2, -1),
    "conv1d_transpose": ((3, 7, 5), -1, -2),
    "conv2d_transpose": ((3, 2, 7, 5), -1, -2),
    "conv3d_transpose": ((2, 1, 3, 7, 5), -1, -2),
    "square_transpose": ((2, 2, 6, 6), -1, -2),
    "one_by_one": ((1, 1, 1, 1), -2, -1),
}
#: Blocks that divide the kernel, that do not, and that are larger than it.
BLOCKS = ("block:1x1", "block:5x7", "block:4x4", "block:2x3", "block:3x1", "block:9x9")
LEVELS = ("weight", "kernel", "input", *BLOCKS)

every_kernel = pytest.mark.parametrize("kernel", KERNELS)
every_level = pytest.mark.parametrize("level", LEVELS)


@every_level
@every_kernel
def test_mask_shape(kernel: str, level: str) -> None:
    shape, inputs, units = KERNELS[kernel]
    ours = granularity.mask_shape(level, shape, inputs, units)
    assert ours == mask_shape_of(level, shape, inputs, units)
    assert granularity.mask_shape(level, shape, inputs % len(shape), units) == ours


@every_level
@every_kernel
def test_expand(kernel: str, level: str) -> None:
    """Every element has a value of its own, so none can be mistaken for another."""
    shape, inputs, units = KERNELS[kernel]
    size = mask_shape_of(level, shape, inputs, units)
    mask = np.arange(1.0, np.prod(size) + 1, dtype="float32").reshape(size)
    expected = expanded(level, mask, shape, inputs, units)
    tensor = keras.ops.convert_to_tensor(mask)
    factor = granularity.expand(level, tensor, shape, inputs, units)
    factor = keras.ops.convert_to_numpy(factor)
    assert factor.ndim == len(shape)
    assert np.array_equal(np.broadcast_to(factor, shape), expected)


@every_level
@every_kernel
def test_reduce(kernel: str, level: str) -> None:
    shape, inputs, units = KERNELS[kernel]
    values = np.random.default_rng(0).uniform(0.1, 1.0, shape)
    size = mask_shape_of(level, shape, inputs, units)
    totals, counts = np.zeros(size), np.zeros(size)
    for entry in np.ndindex(*shape):
        element = element_of(level, entry, inputs, units)
        totals[element] += values[entry]
        counts[element] += 1
    assert counts.min() > 0
    ours = granularity.reduce(level, values, inputs, (units,))
    np.testing.assert_allclose(ours, totals / counts, rtol=1e-12)


@pytest.mark.parametrize("axes", [(-1,), (-2,), (-2, -1), (0,)])
def test_reduce_to_channels(axes: tuple[int, ...]) -> None:
    """Units that lie along two axes are counted with the last the fastest."""
    values = np.random.default_rng(1).uniform(size=(3, 4, 5))
    names = "abc"
    gated = [axis % 3 for axis in axes]
    equation = f"{names}->{''.join(names[axis] for axis in gated)}"
    sums = np.einsum(equation, values).reshape(-1)
    expected = sums / (60 / len(sums))
    ours = granularity.reduce("channel", values, None, axes)
    np.testing.assert_allclose(ours, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("neuron", "channel"),
        ("block", "block:4x4"),
        ("block:16x1", "block:16x1"),
        *((name, name) for name in granularity.NAMES if name != "block"),
    ],
)
def test_words(word: str, name: str) -> None:
    assert granularity.get(word) == name
    assert granularity.kind(name) == name.split(":")[0]


@pytest.mark.parametrize(
    "word",
    ["Weight", "filter", "", None, 4, "block:0x4", "block:4", "block:4x4x4", "block:x4"]
    + ["block:-1x4", "block: 4x4", "weight:4x4"],
)
def test_unknown_word_is_refused_with_those_that_work(word: Any) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        granularity.get(word, ("weight", "block", "channel"))
    assert str(caught.value) == (
        "Expected granularity to be one of weight, block, block:4x4, channel, neuron; "
        f"received granularity={word!r}. Pass one of these names, with any numbers in "
        "the place of 4x4."
    )


def test_word_that_does_not_fit_is_refused_where_it_is_asked() -> None:
    with pytest.raises(InvalidArgumentError, match="one of weight, block, block:4x4"):
        granularity.get("kernel", granularity.MATRIX)


# -- in the layers -----------------------------------------------------------------


@pytest.mark.parametrize("level", ["input", "block:2x3"])
def test_layer_covers_the_kernel_as_the_words_say(level: str) -> None:
    """A transposed convolution keeps its inputs where others keep their units."""
    for layer_class, axes in (
        (layers.MaskedConv2D, (-2, -1)),
        (layers.MaskedConv2DTranspose, (-1, -2)),
    ):
        layer = layer_class(7, 2, granularity=level)
        layer.build((None, 4, 4, 5))
        shape = tuple(layer.kernel.shape)
        assert layer.gate.mask_shape == mask_shape_of(level, shape, *axes)
        rng = np.random.default_rng(2)
        mask = rng.uniform(size=layer.gate.mask_shape).astype("float32")
        ((variable, value),) = layer.masked_weights(mask)
        assert variable is layer.kernel
        kernel = keras.ops.convert_to_numpy(layer.kernel)
        expected = kernel * expanded(level, mask, shape, *axes)
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(value), expected)


@pytest.mark.parametrize(
    "layer_class", [layers.MaskedConv1D, layers.MaskedConv2D, layers.MaskedConv3D]
)
def test_input_of_a_grouped_convolution_is_refused(layer_class: Any) -> None:
    layer = layer_class(6, 2, groups=3, granularity="input", name="fork")
    shape = (None, *(4 for _ in range(layer.rank)), 3)
    with pytest.raises(InvalidArgumentError) as caught:
        layer.build(shape)
    assert str(caught.value) == (
        "Expected groups=1 in 'fork' for a gate per input channel: with more, one row "
        "of the kernel reads another channel in every group; received groups=3. Pass "
        'granularity="kernel", or mask the channels of the layer before.'
    )
    by_kernel = layer_class(6, 2, groups=3, granularity="kernel")
    by_kernel.build(shape)
    assert by_kernel.gate.mask_shape == (*(1 for _ in range(layer.rank)), 1, 6)


@pytest.mark.parametrize(
    ("equation", "output_shape", "shape", "axes"),
    [
        ("abc,cd->abd", (4, 5), (None, 4, 3), (1,)),
        ("abc,ecd->abed", (4, 2, 5), (None, 4, 3), (0, 2)),
        ("abc,dc->adb", (5, 4), (None, 4, 3), (0,)),
        ("abgc,dgc->abgd", (4, 3, 5), (None, 4, 3, 2), (0, 1)),
        ("...c,cd->...d", 5, (None, 4, 3), (1,)),
        ("abc,c->abc", (4, 3), (None, 4, 3), (0,)),
        ("abc,bc->a", (), (None, 4, 3), ()),
    ],
)
def test_units_of_an_equation(
    equation: str, output_shape: Any, shape: tuple, axes: tuple[int, ...]
) -> None:
    """What is summed over competes: the axes that kernel and output share do not."""
    layer = layers.MaskedEinsumDense(equation, output_shape, granularity="weight")
    layer.build(shape)
    assert layer.gate.unit_axes == axes
    again = type(layer.gate).from_config(layer.gate.get_config())
    assert again.unit_axes == axes


UNIT_AXES = {
    layers.MaskedDense: (-1,),
    layers.MaskedConv2D: (-1,),
    layers.MaskedConv2DTranspose: (-2,),
    layers.MaskedDepthwiseConv2D: (-2, -1),
    layers.MaskedSeparableConv2D: (-1,),
}


@pytest.mark.parametrize("layer_class", UNIT_AXES)
def test_units_of_a_kernel(layer_class: Any) -> None:
    is_image = layer_class is not layers.MaskedDense
    size: dict[str, Any] = {"kernel_size": 2} if is_image else {}
    if layer_class is not layers.MaskedDepthwiseConv2D:
        size["units" if not is_image else "filters"] = 4
    for level in ("weight", "kernel"):
        if level in layer_class.granularities:
            layer = layer_class(granularity=level, **size)
            layer.build((None, 4, 4, 3) if is_image else (None, 3))
            assert layer.gate.unit_axes == UNIT_AXES[layer_class]
