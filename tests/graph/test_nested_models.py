"""Models inside of models, as transfer learning builds them."""

from pathlib import Path

import keras
import numpy as np
from keras import layers

import keras_diffmask as kd
from keras_diffmask import export
from tests.laws import alive


def _base() -> keras.Model:
    inputs = keras.Input((12, 12, 3), name="image")
    x = layers.Conv2D(8, 3, use_bias=False, name="stem")(inputs)
    x = layers.ReLU()(layers.BatchNormalization(name="norm")(x))
    x = layers.Conv2D(10, 3, activation="relu", name="deep")(x)
    return keras.Model(inputs, x, name="base")


def _transfer(base: keras.Model) -> keras.Model:
    """The idiom: preprocessing, a base held at inference, and a head."""
    inputs = keras.Input((12, 12, 3))
    x = layers.RandomFlip("horizontal")(inputs)
    x = layers.Rescaling(1 / 127.5, offset=-1)(x)
    x = base(x, training=False)
    x = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(x))
    x = layers.Dense(7, activation="relu", name="stem")(x)
    return keras.Model(inputs, layers.Dense(3)(x))


def _images(count: int = 8) -> np.ndarray:
    return (
        np.random.default_rng(0).uniform(0, 255, (count, 12, 12, 3)).astype("float32")
    )


def test_a_base_held_at_inference_stays_so(tmp_path: Path) -> None:
    base, x = _base(), _images()
    model = alive.enliven(_transfer(base), x)
    base.trainable = False
    before = alive.fingerprint(model)
    masked = kd.mask_model(model)
    assert np.array_equal(alive.run(model, x)[0], alive.run(masked, x)[0])
    # Two layers are called "stem": the inner one is numbered.
    names = {gate.name for gate in kd.gates(masked)}
    assert names == {"stem_1_gate", "deep_gate", "stem_gate"}
    assert not masked.get_layer("stem_1").trainable_variables
    moving = alive.array(masked.get_layer("norm").moving_mean).copy()
    masked.compile("adam", "mse")
    masked.fit(x, np.zeros((8, 3)), verbose=0)
    assert np.array_equal(moving, alive.array(masked.get_layer("norm").moving_mean))

    alive.decide(masked, 0.5)
    slim = export.strip(masked)
    assert slim.get_layer("stem_1").filters == 4 and slim.get_layer("stem").units == 3
    assert alive.distance(alive.run(masked, x), alive.run(slim, x)) <= 1e-5
    slim.save(tmp_path / "slim.keras")
    again = keras.saving.load_model(tmp_path / "slim.keras")
    assert alive.distance(alive.run(slim, x), alive.run(again, x)) <= 1e-6
    alive.assert_untouched(model, before)


def test_masked_layers_inside_a_model_are_stripped() -> None:
    inner = keras.Sequential([keras.Input((6,)), kd.layers.MaskedDense(8, "relu")])
    inputs = keras.Input((6,))
    model = keras.Model(inputs, layers.Dense(3)(inner(inputs)))
    gate = kd.gates(model)[0]
    gate.set_keep(np.arange(8) < 5)
    x = np.random.default_rng(0).normal(size=(4, 6)).astype("float32")
    slim = export.strip(model)
    assert [getattr(layer, "units", None) for layer in slim.layers] == [None, 5, 3]
    assert alive.distance(alive.run(model, x), alive.run(slim, x)) <= 1e-5
