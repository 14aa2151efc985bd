"""A small model, its file with and without labels, and a file of others."""

import keras
import numpy as np
import pytest

from keras_diffmask import export

layers = keras.layers
LABELS = ["T-shirt", "Hose", "café", "bag"]
X = np.random.default_rng(4).standard_normal((40, 6)).astype("float32")


def build():
    keras.utils.set_random_seed(4)
    return keras.Sequential(
        [keras.Input((6,)), layers.Dense(8, "relu"), layers.Dense(4)], name="clothes"
    )


@pytest.fixture(scope="module")
def plain():
    return export.to_tflite(build(), "int8", calibration=X, target="cortex-m")


@pytest.fixture(scope="module")
def labelled():
    return export.to_tflite(
        build(),
        "int8",
        calibration=X,
        target="cortex-m",
        labels=LABELS,
        description="What one wears.",
    )


def by_others(name="x"):
    """As TensorFlow's converter leaves it.

    Args:
        name: what the input is called.
    """
    tf = pytest.importorskip("tensorflow")
    function = tf.function(lambda x: tf.nn.relu(x) + 1.0)
    spec = tf.TensorSpec((1, 6), tf.float32, name)
    traced = function.get_concrete_function(spec)
    return tf.lite.TFLiteConverter.from_concrete_functions([traced]).convert()
