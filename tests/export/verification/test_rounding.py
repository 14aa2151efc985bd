"""Where TFLM and LiteRT's plain kernels are equal bit for bit, and where not.

A product of an integer sum and a scale can be rounded once, or twice: to 31 bits
and then to 8. Convolutions are rounded alike by both; LiteRT 2 rounds the sums of
FULLY_CONNECTED once, TFLM twice. The day that this changes, this file says so.
"""

import math

import keras
import numpy as np
import pytest

from keras_diffmask import export
from keras_diffmask.export.flatbuffer import read_subgraphs
from keras_diffmask.export.interpreter import make_interpreter
from keras_diffmask.export.tflm import has_tflm, run_tflm
from tests.export.verification.conftest import draw

layers = keras.layers
pytestmark = pytest.mark.skipif(not has_tflm(), reason="tflite-micro is not installed")


def test_convolutions_are_equal_bit_for_bit():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((12, 12, 3))
    h = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(inputs)
    h = layers.ReLU()(layers.BatchNormalization()(h))
    skip = h
    h = layers.DepthwiseConv2D(3, padding="same", activation="relu6")(h)
    h = layers.Add()([layers.Conv2D(8, 1)(h), skip])
    h = layers.Concatenate()([layers.MaxPooling2D()(h), layers.AveragePooling2D(2)(h)])
    model = keras.Model(inputs, layers.GlobalAveragePooling2D()(h))
    x = draw(300, 12, 12, 3)
    artifact = export.to_tflite(model, "int8", calibration=x[:64], target="cortex-m")
    pair = export.verify(artifact, model, x).pair("tflm", "litert-reference")
    assert (pair.max_lsb, pair.exact, pair.argmax) == (0, 1.0, 1.0)


@pytest.fixture(scope="module")
def dense():
    """The artifact, exact sums times scale, and what both runtimes answer."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((64,))
    model = keras.Model(inputs, layers.Dense(10, use_bias=False)(inputs))
    x = draw(3000, 64)
    artifact = export.to_tflite(model, "int8", calibration=x[:64], target="cortex-m")
    graph = read_subgraphs(artifact.content)[0]
    (op,) = graph.ops
    data, kernel = (graph.tensors[i] for i in op.inputs[:2])
    interpreter = make_interpreter(artifact.content, True)
    interpreter.allocate_tensors()
    weights = interpreter.get_tensor(kernel.index).astype("int64")
    spec = artifact.outputs[0]
    rows = artifact.inputs[0].quantize(x).astype("int64") - int(data.zero_point[0])
    product = float(np.float32(data.scale[0] * kernel.scale[0])) / spec.scale
    answers = {
        "litert": spec.quantize(artifact.run(x, reference_kernels=True)),
        "tflm": spec.quantize(run_tflm(artifact, x)[0]),
    }
    return rows @ weights.T, product, spec.zero_point, answers


def fixed_point(product):
    fraction, exponent = math.frexp(product)
    return round(fraction * (1 << 31)), -exponent


def once(sums, product):
    multiplier, shift = fixed_point(product)
    places = 31 + shift
    return (sums * multiplier + (1 << (places - 1))) >> places


def twice(sums, product):
    multiplier, shift = fixed_point(product)
    # Both times a half is rounded away from 0.
    wide = sums * multiplier
    wide += np.where(wide >= 0, 1 << 30, 1 - (1 << 30))
    high = np.sign(wide) * (np.abs(wide) >> 31)
    rest, half = high & ((1 << shift) - 1), (1 << shift) >> 1
    return (high >> shift) + (rest > half - 1 + (high < 0))


@pytest.mark.parametrize(
    ("runtime", "ours", "other"), [("litert", once, twice), ("tflm", twice, once)]
)
def test_sums_of_a_dense_layer(dense, runtime, ours, other):
    sums, product, zero_point, answers = dense

    def share_of_others(rounded):
        wanted = np.clip(rounded(sums, product) + zero_point, -128, 127)
        return np.mean(answers[runtime] != wanted)

    # Not quite 0: the last bit of the product of scales is the runtime's secret.
    assert share_of_others(ours) <= 1e-4
    assert share_of_others(other) > 5e-4
    assert np.abs(answers["litert"].astype(int) - answers["tflm"]).max() == 1
