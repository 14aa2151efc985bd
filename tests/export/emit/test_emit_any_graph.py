"""What is stripped of any graph is an ordinary model: it trains on, and converts."""

import keras
import numpy as np
import pytest

from keras_diffmask import export
from tests.laws import alive
from tests.laws.alive import MODELS

pytestmark = pytest.mark.skipif(not alive.TENSORFLOW, reason="emitting is TensorFlow's")

NAMES = [
    "transformer_block",
    "u_net",
    "pixel_shuffle",
    "dense_net",
    "depthwise_and_separable",
    "operators",
    "one_dimensional",
    "two_towers",
]


def _stripped(name: str) -> tuple[keras.Model, keras.Model]:
    _, masked = alive.pair(name)
    alive.decide(masked, 0.5)
    return masked, export.strip(masked)


@pytest.mark.parametrize("name", NAMES)
def test_stripped_graph_trains_on(name: str) -> None:
    _, slim = _stripped(name)
    x = MODELS[name].inputs()
    before = alive.run(slim, x)
    slim.compile(keras.optimizers.SGD(1e-3), "mse")
    wanted = [np.zeros_like(y) for y in before]
    slim.fit(x, wanted if len(wanted) > 1 else wanted[0], verbose=0)
    assert alive.distance(before, alive.run(slim, x)) > 0


@pytest.mark.parametrize("name", NAMES)
def test_stripped_graph_converts(name: str) -> None:
    masked, slim = _stripped(name)
    x = MODELS[name].inputs()
    artifact = export.to_tflite(slim, "float32")
    expected = alive.run(masked, x)[0]
    outputs = np.asarray(artifact.run(x))
    assert np.abs(outputs - expected).max() <= 1e-5 * max(1, np.abs(expected).max())
