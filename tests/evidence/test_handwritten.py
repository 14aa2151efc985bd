"""Stripped networks beside the same ones by hand: quickly, and what would show."""

import json

import keras
import numpy as np
import pytest

from keras_diffmask.errors import UnsupportedModelError
from keras_diffmask.export.cli import main
from keras_diffmask.export.evidence.handwritten import run as handwritten_run
from keras_diffmask.export.evidence.handwritten.trial import (
    STRIPPED,
    WRITTEN,
    operators,
)
from keras_diffmask.export.evidence.handwritten.widths import written
from keras_diffmask.export.evidence.tiny.networks import AT_WIDTHS, NETWORKS
from keras_diffmask.export.evidence.tiny.trial import stripped


@pytest.mark.parametrize("name", NETWORKS)
def test_written_at_the_widths_that_are_left_it_computes_the_same(name):
    keras.utils.set_random_seed(0)
    slim = stripped(NETWORKS[name](), 0.4)
    model, widths = written(name, slim)
    assert len(widths) == AT_WIDTHS[name][0] and min(widths) > 0
    assert model.count_params() == slim.count_params()
    x = np.random.default_rng(0).standard_normal((2, *slim.input_shape[1:]), "f4")
    own, other = (
        keras.ops.convert_to_numpy(one(x, training=False)) for one in (model, slim)
    )
    np.testing.assert_array_equal(own, other)


def test_widths_are_read_where_they_belong():
    widths = (3, 5, 7, 11, 13, 17)
    model = AT_WIDTHS["ResNet-8"][1](widths)
    assert written("ResNet-8", model)[1] == widths


def test_another_network_is_no_handwritten_one():
    model = AT_WIDTHS["2 LSTM"][1]((5, 6))
    with pytest.raises(UnsupportedModelError, match="of DS-CNN 5 layers"):
        written("DS-CNN", model)
    inputs = keras.Input((49, 10))
    x = keras.layers.LSTM(5, return_sequences=True, use_bias=False)(inputs)
    x = keras.layers.Dense(12)(keras.layers.LSTM(6)(x))
    with pytest.raises(UnsupportedModelError, match="weights of shapes"):
        written("2 LSTM", keras.Model(inputs, x))


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Of a quick run."""
    folder = tmp_path_factory.mktemp("hand") / "out"
    words = ["evidence", "handwritten", "--quick", "--out", str(folder), "--json"]
    assert main(words) == 0
    return json.loads((folder / "handwritten.json").read_text())


@pytest.mark.slow
def test_a_stripped_file_is_that_of_a_network_written_by_hand(report):
    one = report["figures"]["DS-CNN, int8"]
    slim, hand = one["operators"][STRIPPED], one["operators"][WRITTEN]
    assert slim == hand
    names = [name for name, _ in slim]
    assert names.count("CONV_2D") == 5 and names.count("DEPTHWISE_CONV_2D") == 4
    # The kernel of the first convolution, channels first as TFLite has them.
    assert slim[0][1][1] == ["INT8", [one["widths"][0], 10, 4, 1]]
    assert one["differing"] == 0 and one["values"] == 12 * handwritten_run.EXAMPLES
    assert abs(one["bytes"][STRIPPED] / one["bytes"][WRITTEN] - 1) < 0.02
    row = report["tables"][0]["rows"][0]
    assert row[1:3] == ["11, the same", "all the same"]


@pytest.mark.slow
def test_what_is_not_the_same_shows(report):
    one = report["figures"]["DS-CNN, int8"]
    wider = json.loads(json.dumps(one))
    wider["operators"][STRIPPED][0][1][1][1][0] += 1
    wider["operators"][STRIPPED].append(["RELU", []])
    wider["differing"] = 3
    cells = handwritten_run._row(wider, ())
    assert cells[:2] == ("12 instead of 11", "2 others") and cells[4] == "381 of 384"


def test_operators_tell_types_and_shapes():
    tensorflow = pytest.importorskip("tensorflow")

    kernel = tensorflow.constant(np.ones((16, 4), "f4"))
    product = tensorflow.function(
        lambda x: tensorflow.matmul(x, kernel), autograph=False
    )
    traced = product.get_concrete_function(tensorflow.TensorSpec((1, 16), "float32"))
    converter = tensorflow.lite.TFLiteConverter.from_concrete_functions([traced])
    ((name, seen),) = operators(converter.convert())
    assert name == "FULLY_CONNECTED"
    assert seen[:2] == [["FLOAT32", [1, 16]], ["FLOAT32", [4, 16]]]
    assert seen[-1] == ["FLOAT32", [1, 4]]
