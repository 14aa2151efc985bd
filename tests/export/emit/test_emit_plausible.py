"""Calibration data that are not what the model was trained on."""

import re

import keras
import numpy as np
import pytest

from keras_diffmask.export.emit.plausible import warnings_about
from tests.export.emit import layer_kinds
from tests.laws.alive import MODELS

layers = keras.layers
PIXELS = np.random.default_rng(3).integers(0, 256, (64, 8, 8, 3)).astype("float32")
# Of a photograph most pixels are no round numbers after scaling.
SCALED = PIXELS / 255


def image_model(*first, activation="relu"):
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            *first,
            layers.Conv2D(8, 3, activation=activation, name="conv"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3),
        ],
        name="images",
    )


def rescaling():
    return image_model(layers.Rescaling(1 / 255, name="scale"))


def to_plus_minus_one():
    return image_model(layers.Rescaling(1 / 127.5, -1.0, name="scale"))


def normalization_of(data):
    first = layers.Normalization(name="standard")
    first.adapt(data)
    return image_model(first)


def trained_batch_normalization(data):
    """One whose statistics are those of the data."""
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(8, 3, use_bias=False),
            layers.BatchNormalization(name="norm", momentum=0.0),
            layers.ReLU(),
            layers.Dense(3),
        ]
    )
    model(data, training=True)
    return model


def inside_of_a_model(data):
    inner = trained_batch_normalization(data)
    inputs = keras.Input((8, 8, 3))
    return keras.Model(inputs, layers.Dense(2)(inner(inputs)))


FITS = {
    "numbers to 1": (image_model, SCALED),
    "bytes, scaled inside": (rescaling, PIXELS),
    "bytes, scaled to plus and minus 1": (to_plus_minus_one, PIXELS),
    "normalized bytes": (lambda: normalization_of(PIXELS), PIXELS),
    "normalized numbers": (lambda: normalization_of(SCALED), SCALED),
    "trained on bytes": (lambda: trained_batch_normalization(PIXELS), PIXELS),
    "trained on numbers": (lambda: trained_batch_normalization(SCALED), SCALED),
    "trained inside": (lambda: inside_of_a_model(SCALED), SCALED),
    "three times as dark": (lambda: trained_batch_normalization(SCALED), SCALED / 3),
    "untrained statistics": (
        lambda: image_model(layers.BatchNormalization()),
        SCALED,
    ),
    "one-hot": (
        image_model,
        np.eye(3, dtype="float32")[PIXELS[..., 0].astype(int) % 3],
    ),
}
ODD = {
    "bytes for numbers": (image_model, PIXELS, "0 to 255, look like the bytes of"),
    "numbers for bytes": (
        rescaling, SCALED, "0 to 1, are scaled by 0.00392 in layer 'scale', to at most",
    ),
    "numbers for bytes to 1": (to_plus_minus_one, SCALED, "'scale', to at most 0.0078"),
    "normalized, numbers": (
        lambda: normalization_of(PIXELS), SCALED, "'standard' values that .* 1/25. of",
    ),
    "normalized, bytes": (
        lambda: normalization_of(SCALED), PIXELS, "'standard' .* 25. times as wide",
    ),
    "trained on bytes": (
        lambda: trained_batch_normalization(PIXELS), SCALED, "'norm' .* over 1/2.. of",
    ),
    "trained on numbers": (
        lambda: trained_batch_normalization(SCALED), PIXELS, "'norm' .* 2.. times",
    ),
    "trained inside": (
        lambda: inside_of_a_model(SCALED), PIXELS, "'norm' .* 2.. times",
    ),
    "saturated": (
        lambda: image_model(activation="tanh"), PIXELS + 0.5,
        "saturate .* of the tanh in layer 'conv'",
    ),
    "constant": (image_model, np.full((40, 8, 8, 3), 0.5, "float32"), "are all 0.5"),
}  # fmt: skip


@pytest.mark.parametrize("case", FITS)
def test_what_fits_is_not_reported(case):
    build, data = FITS[case]
    assert warnings_about(build(), [data]) == []


@pytest.mark.parametrize("case", ODD)
def test_what_does_not_fit_is_one_sentence(case):
    build, data, sentence = ODD[case]
    (said,) = warnings_about(build(), [data])
    assert re.search(sentence, said), said
    assert "\n" not in said
    assert said.endswith("pass inputs preprocessed exactly as for training.")


def test_gates_of_a_recurrent_layer():
    keras.utils.set_random_seed(3)
    inputs = keras.Input((6, 9))
    model = keras.Model(inputs, layers.LSTM(8, name="memory")(inputs))
    x = np.random.default_rng(3).standard_normal((40, 6, 9)).astype("float32")
    assert warnings_about(model, [x]) == []
    (said,) = warnings_about(model, [x * 1000])
    assert "of the gates of layer 'memory'" in said


def test_looking_changes_nothing():
    """A state, or statistics: `training=True` may be written into the graph."""
    inputs = keras.Input(batch_shape=(1, 6, 9))
    norm = layers.BatchNormalization()
    h = norm(layers.Dense(4)(inputs), training=True)
    model = keras.Model(inputs, layers.LSTM(8, stateful=True)(h))
    x = np.random.default_rng(3).standard_normal((40, 6, 9)).astype("float32")
    before = [np.array(variable) for variable in model.variables]
    assert warnings_about(model, [x]) == []
    for old, variable in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(old, np.array(variable))


@pytest.mark.parametrize("name", MODELS)
def test_no_false_alarm_in_the_zoo(name):
    entry = MODELS[name]
    if not entry.stock:
        pytest.skip("a layer that is no stock layer is refused before")
    x = entry.inputs(batch=40)
    arrays = x if isinstance(x, list) else [x]
    keras.utils.set_random_seed(3)
    model = entry.build()
    assert warnings_about(model, arrays) == []


def test_no_false_alarm_for_any_kind_of_layer():
    for name in layer_kinds.KINDS:
        model, x = layer_kinds.build(name)
        assert warnings_about(model, [x]) == [], name


@pytest.mark.parametrize(("factor", "is_told"), [(16.0, True), (4.0, False)])
def test_sixteen_shades_beside_numbers_to_one(factor, is_told):
    """The digits of scikit-learn, not divided: 16 times as wide as in training."""
    told = warnings_about(trained_batch_normalization(SCALED), [factor * SCALED])
    assert bool(told) == is_told
    if is_told:
        assert re.search(r"layer 'norm' values that spread 1[56] times as", told[0])
