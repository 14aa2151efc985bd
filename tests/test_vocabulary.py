"""Lookups keep the vocabulary that they were adapted to, in every copy."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.errors import UnsupportedModelError
from tests.laws.alive import array

tf = pytest.importorskip("tensorflow", reason="Keras' lookups are TensorFlow's")
WORDS, NUMBERS = np.array(["b a", "c b", "d d c"]), np.array([7, 5, 9, 9])


@pytest.fixture(autouse=True)
def tensorflow_only() -> None:
    if keras.backend.backend() != "tensorflow":
        pytest.skip("models with lookups run under TensorFlow")


LOOKUPS: dict[str, tuple[type, dict[str, Any], np.ndarray]] = {
    "integers": (layers.IntegerLookup, {}, NUMBERS),
    "integers_one_hot": (layers.IntegerLookup, {"output_mode": "one_hot"}, NUMBERS),
    "strings": (layers.StringLookup, {"mask_token": "", "num_oov_indices": 2}, WORDS),
    "strings_tf_idf": (layers.StringLookup, {"output_mode": "tf_idf"}, WORDS),
    "text": (layers.TextVectorization, {"output_sequence_length": 3}, WORDS),
    "text_tf_idf": (
        layers.TextVectorization,
        {"output_mode": "tf_idf", "max_tokens": 12, "pad_to_max_tokens": True},
        WORDS,
    ),
}


def _behind(h: Any, inputs: Any) -> keras.Model:
    h = layers.Flatten()(keras.ops.cast(h, "float32"))
    return keras.Model(inputs, layers.Dense(2)(layers.Dense(6, name="hidden")(h)))


@pytest.mark.parametrize("is_nested", [False, True])
@pytest.mark.parametrize("name", LOOKUPS)
def test_masked_and_stripped_look_up_the_same(name: str, is_nested: bool) -> None:
    kind, settings, data = LOOKUPS[name]
    lookup = kind(**settings)
    lookup.adapt(data)
    inputs = keras.Input((1,), dtype="string" if data is WORDS else "int64")
    model = _behind(lookup(inputs), inputs)
    if is_nested:
        again = keras.Input((1,), dtype=inputs.dtype)
        model = keras.Model(again, layers.Dense(2)(model(again)))
    x = tf.constant(data[:3].reshape(-1, 1))
    masked = kd.mask_model(model)
    np.testing.assert_allclose(array(masked(x)), array(model(x)), rtol=1e-6)
    gate = kd.gates(masked)[0]
    gate.set_keep(np.arange(gate.units) > 0)
    slim = export.strip(masked)
    np.testing.assert_allclose(array(slim(x)), array(masked(x)), rtol=1e-5, atol=1e-6)
    assert slim.get_layer("hidden").units == 5


def test_a_lookup_that_was_never_adapted_is_copied_as_it_is() -> None:
    inputs = keras.Input((1,), dtype="int64")
    model = _behind(layers.IntegerLookup()(inputs), inputs)
    assert export.strip(model).layers[1].get_vocabulary() == [-1]


@keras.saving.register_keras_serializable("tests_vocabulary")
class Late(layers.Layer):
    """Makes its lookup only when it is built."""

    def build(self, shape: Any) -> None:
        self.lookup = layers.IntegerLookup()

    def call(self, inputs: Any) -> Any:
        return self.lookup(inputs)


def test_a_lookup_that_a_copy_lacks_is_refused_by_name() -> None:
    inputs = keras.Input((1,), dtype="int64")
    late = Late(name="late")
    model = _behind(late(inputs), inputs)
    export.strip(model)
    late.lookup.adapt(NUMBERS)
    with pytest.raises(UnsupportedModelError, match=r"inside of 'late' \(Late\)"):
        export.strip(model)
