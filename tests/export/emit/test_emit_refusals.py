"""Models and arguments that cannot be converted, each against its sentence."""

import keras
import numpy as np
import pytest

from keras_diffmask import export
from keras_diffmask.errors import InvalidArgumentError, UnsupportedModelError
from keras_diffmask.export.emit import convert as converting

layers = keras.layers


def dense():
    return keras.Sequential([keras.Input((3,)), layers.Dense(2)], name="tiny")


def x(*shape):
    return np.ones(shape, "float32")


@pytest.fixture(autouse=True)
def no_conversion(monkeypatch):
    """The conversion itself must not be reached, except where a test says so."""

    def fail(*arguments, **options):
        raise AssertionError("the bad input was let through")

    monkeypatch.setattr(converting, "_convert", fail)


# ----- arguments


def test_unknown_quantization():
    with pytest.raises(InvalidArgumentError, match="quantization='int2'"):
        export.to_tflite(dense(), "int2")


def test_unknown_target_lists_the_known_ones():
    with pytest.raises(
        InvalidArgumentError, match="'cortex-m', .*'host', or a Target; .*'toaster'"
    ):
        export.to_tflite(dense(), target="toaster")


# ----- models


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, inputs):
        return self.dense(inputs)


class CallsOtherwise(keras.Model):
    """Has a Functional graph and computes something else."""

    def call(self, inputs):
        return 2.0 * super().call(inputs)


class Custom(layers.Layer):
    def call(self, inputs):
        return inputs + 1.0


def subclassed():
    model = Subclassed()
    model(x(1, 3))
    return model


def calls_otherwise():
    inputs = keras.Input((3,))
    return CallsOtherwise(inputs, layers.Dense(2)(inputs))


def keras_2():
    kind = type("Functional", (), {"__module__": "tf_keras.src.engine.functional"})
    return kind()


def with_masks():
    masked = type("MaskedDense", (layers.Dense,), {})
    masked.__module__ = "keras_diffmask.layers.dense"
    return keras.Sequential([keras.Input((3,)), masked(2, name="first")])


def with_masks_inside():
    return keras.Sequential([keras.Input((3,)), with_masks()])


def with_nan():
    model = dense()
    model.layers[0].kernel.assign(np.full((3, 2), np.nan))
    return model


def in_float64():
    return keras.Sequential([keras.Input((3,)), layers.Dense(2, dtype="float64")])


class PeepholeCell(layers.LSTMCell):
    """What TFLite's operator could do, and Keras' cells can't."""


def masked_cell():
    cell = type("MaskedLSTMCell", (layers.LSTMCell,), {})
    cell.__module__ = "keras_diffmask.layers.lstm_cell"
    return cell(3, name="gated")


def recurrent(layer, steps=6):
    inputs = keras.Input((steps, 4))
    outputs = layer(inputs)
    return keras.Model(inputs, outputs)


BAD_MODELS = {
    "not a model": (lambda: "model.keras", "a Keras 3 model.*builtins.str"),
    "keras 2": (keras_2, "the Keras 2 .*Rebuild it with keras"),
    "subclassed": (subclassed, "the subclassed model"),
    "own call": (calls_otherwise, "the subclassed model"),
    "unbuilt": (
        lambda: keras.Sequential([layers.Dense(2)], name="raw"),
        "a built model; received .*'raw'",
    ),
    "masks": (with_masks, r"'first' \(MaskedDense\).*export.strip\(model\) first"),
    "masks inside": (with_masks_inside, "'first'.*export.strip"),
    "custom layer": (
        lambda: keras.Sequential([keras.Input((3,)), Custom(name="odd")]),
        "stock Keras layers only; received layer 'odd'",
    ),
    "NaN weights": (with_nan, "finite weights; received NaN or infinity in '.*kernel'"),
    "float64 weights": (in_float64, "float32 weights; received .*float64"),
    "dynamic sequence": (
        lambda: recurrent(layers.LSTM(3), steps=None),
        r"a fixed sequence length; .*Pass steps=.*Input\(\(steps, 4\)\)",
    ),
    "dynamic image": (
        lambda: keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(2, 3)]),
        "fixed input sizes; received .*None",
    ),
    "dynamic tokens": (
        lambda: keras.Sequential([keras.Input((None,)), layers.Embedding(9, 2)]),
        r"a fixed sequence length; .*Pass steps=.*Input\(\(steps,\)\)",
    ),
    "custom cell": (
        lambda: recurrent(layers.RNN(PeepholeCell(3), name="r")),
        "layer 'r' with a cell of class .*PeepholeCell.*LSTMCell if it computes",
    ),
    "masked cell": (
        lambda: recurrent(layers.RNN(masked_cell())),
        r"'gated' \(MaskedLSTMCell\), which still carries masks",
    ),
    "convolution inside": (
        lambda: keras.Sequential([keras.Input((6, 4, 2)), layers.ConvLSTM1D(3, 2)]),
        "of the kinds LSTM, GRU.*class ConvLSTM1D",
    ),
    "gates that mix units": (
        lambda: recurrent(layers.GRU(3, recurrent_activation="softmax", name="g")),
        "recurrent_activation that works on each unit alone.*'g'.*'softmax'",
    ),
}


@pytest.mark.parametrize("case", BAD_MODELS)
def test_bad_model(case):
    build, sentence = BAD_MODELS[case]
    with pytest.raises(UnsupportedModelError, match=sentence) as caught:
        export.to_tflite(build())
    assert "\n" not in str(caught.value)


def test_stateful_lstm():
    inputs = keras.Input(batch_shape=(1, 6, 4))
    model = keras.Model(inputs, layers.LSTM(3, stateful=True, name="l")(inputs))
    with pytest.raises(
        UnsupportedModelError, match="'l' with stateful=True.*streaming=True"
    ):
        export.to_tflite(model)


def given_mask():
    inputs = keras.Input((6, 4))
    return keras.Model(inputs, layers.LSTM(3, name="l")(layers.Masking()(inputs)))


def masked_tokens():
    inputs = keras.Input((6,), dtype="int32")
    h = layers.Embedding(9, 4, mask_zero=True)(inputs)
    return keras.Model(inputs, layers.GRU(3, name="g")(h))


def leaves_floats():
    inputs = keras.Input((6,))
    return keras.Model(inputs, layers.LayerNormalization()(layers.Dense(4)(inputs)))


def lacks_op():
    inputs = keras.Input((6,))
    return keras.Model(inputs, layers.Dense(4, activation="gelu")(inputs))


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (given_mask, "layer 'l' with a mask"),
        (masked_tokens, "layer 'g' with a mask"),
        (leaves_floats, "integer tensors only in an int8 file; .*DEQUANTIZE"),
        (lacks_op, "target 'cortex-m' has for int8; received GELU"),
    ],
)
def test_what_only_the_conversion_can_see(build, sentence, convert_here):
    keras.config.disable_traceback_filtering()  # as the worker does
    try:
        with pytest.raises(Exception, match=sentence) as caught:
            model = build()
            samples = [x(40, *t.shape[1:]).astype(t.dtype) for t in model.inputs]
            convert_here(model, samples)
    finally:
        keras.config.enable_traceback_filtering()
    assert type(caught.value).__module__ == "keras_diffmask.errors"
