"""The comparison of a file with its model: figures, layers, refusals."""

import json
import re
import sys
from dataclasses import replace

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.errors import (
    ArtifactError,
    InvalidArgumentError,
    MissingDependencyError,
)
from keras_diffmask.export import tflm
from keras_diffmask.export.tensor_spec import TensorSpec
from keras_diffmask.export.verification import records
from keras_diffmask.export.verification.pairs import compare
from tests.export.verification.conftest import build, draw

layers = keras.layers
HAS_TFLM = tflm.has_tflm()
needs_tflm = pytest.mark.skipif(not HAS_TFLM, reason="tflite-micro is not installed")


@pytest.fixture(scope="module")
def found(artifact, model, x):
    return export.verify(artifact, model, x, simulation=model, per_layer=True)


def test_every_two_sides_are_compared(found):
    sides = ("keras", "simulation", "litert-reference", "litert", "tflm")
    assert found.sides == sides[: 5 if HAS_TFLM else 4]
    count = len(found.sides)
    assert len(found.pairs) == count * (count - 1) // 2
    assert found.samples == 90
    assert found.pair("litert", "keras") is found.pair("keras", "litert")
    with pytest.raises(InvalidArgumentError, match="'keras', 'simulation'"):
        found.pair("keras", "jax")


def test_a_model_agrees_with_itself(found):
    pair = found.pair("keras", "simulation")
    assert (pair.max_error, pair.rms_error, pair.max_lsb) == (0.0, 0.0, 0)
    assert (pair.argmax, pair.argmax_or_tie, pair.exact) == (1.0, 1.0, 1.0)


def test_figures_are_those_of_the_runs_themselves(found, artifact, model, x):
    ours = keras.ops.convert_to_numpy(model(x, training=False))
    theirs = artifact.run(x, reference_kernels=True)
    pair = found.pair("keras", "litert-reference")
    assert pair.max_error == pytest.approx(np.abs(ours - theirs).max(), rel=1e-5)
    assert 0 < pair.rms_error < 0.05 * np.sqrt(np.mean(ours**2))
    assert pair.argmax == np.mean(ours.argmax(-1) == theirs.argmax(-1))
    assert pair.argmax_or_tie >= pair.argmax
    scale = artifact.outputs[0].scale
    grid = np.round(ours / scale) - np.round(theirs / scale)
    assert pair.exact == pytest.approx(np.mean(grid == 0), abs=0.01)
    assert pair.exact < 1 and pair.within_1 <= pair.within_2 <= 1


@needs_tflm
def test_a_microcontroller_computes_what_the_plain_kernels_do(found):
    pair = found.pair("tflm", "litert-reference")
    assert pair.max_lsb <= 1
    assert pair.exact >= 0.99


def test_the_error_of_every_operator_that_is_a_layer(found, artifact):
    names = [layer.layer for layer in found.layers]
    # Each operator by the last of the layers that it stands for; the Flatten
    # is a RESHAPE of its own.
    assert [n for n in names if n != "flat"] == [
        "stem_relu",
        "branch_bn",
        "join_relu",
        "pool",
        "inner_conv",
        "head",
    ]
    assert len(names) + found.unmatched == len(artifact.ops)
    for layer in found.layers:
        assert 0.5 * layer.resolution < layer.relative_error < 0.06
    assert found.layers[-1].relative_error < 0.05


def test_a_layer_that_computes_wrong_is_found(model, artifact, x):
    """Another kernel in the branch: the error begins there, and not before."""
    other = build()
    kernel = other.get_layer("branch").kernel
    kernel.assign(kernel + 0.05 * draw(*kernel.shape, seed=9))
    errors = {
        layer.layer: layer.relative_error
        for layer in export.verify(artifact, other, x, per_layer=True).layers
    }
    assert errors["stem_relu"] < 0.02
    assert errors["branch_bn"] > 4 * errors["stem_relu"]


@pytest.mark.parametrize("quantization", ["int8", "int4"])
def test_every_operator_of_learned_integers_belongs_to_a_layer(x, quantization):
    """A layer and its quantizer are one: the file has no reals between them."""
    if quantization == "int4":
        pytest.importorskip("ai_edge_quantizer")
    model = kd.quantize_model(build(), quantization)
    model(draw(64, 10, 10, 3), training=True)
    found = export.verify(export.to_tflite(model), model, x, per_layer=True)
    names = [layer.layer for layer in found.layers]
    assert found.unmatched == 0
    ends = ["stem_relu", "branch_bn", "join_relu", "pool", "inner_conv", "flat", "head"]
    assert names == [name for name in ends if name in names]
    assert set(ends) - set(names) <= {"flat"}
    assert all(layer.relative_error < 0.05 for layer in found.layers)


def test_names_that_the_converter_numbers_anew(convert_names):
    """`conv2d` becomes conv2d_1, and `conv2d_1` becomes conv2d_1_2."""
    model, artifact, x = convert_names
    found = export.verify(artifact, model, x, per_layer=True)
    names = [layer.layer for layer in found.layers]
    assert names == ["conv2d", "conv2d_1", "conv2d_2", "dense", "reshape"]
    assert all(layer.relative_error < 0.05 for layer in found.layers)


@pytest.fixture(scope="module")
def convert_names():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 2))
    h = inputs
    for name in ("conv2d", "conv2d_1", "conv2d_2"):
        h = layers.Conv2D(4, 3, padding="same", activation="relu", name=name)(h)
    h = layers.Conv2D(4, 8, activation=None, name="dense")(h)
    model = keras.Model(inputs, layers.Reshape((4,), name="reshape")(h))
    x = draw(40, 8, 8, 2)
    return model, export.to_tflite(model, "int8", calibration=x, target="cortex-m"), x


def test_recurrent_models_are_reset_before_every_sequence():
    keras.utils.set_random_seed(1)
    inputs = keras.Input((7, 5))
    h = layers.LSTM(6, return_sequences=True, name="first")(inputs)
    outputs = layers.Dense(3, name="head")(layers.LSTM(4, name="second")(h))
    model = keras.Model(inputs, outputs)
    x = draw(50, 7, 5)
    whole = export.to_tflite(model, "int8", calibration=x, target="cortex-m")
    found = export.verify(whole, model, x, per_layer=True)
    names = [layer.layer for layer in found.layers]
    assert names == ["first", "second", "head"]
    pair = found.pair("keras", "litert-reference")
    assert pair.rms_error < 0.05 * np.sqrt(np.mean(np.square(whole.run(x))))
    if HAS_TFLM:
        assert found.pair("tflm", "litert-reference").max_lsb <= 2
    steps = export.to_tflite(model, "float32", streaming=True)
    live = export.verify(steps, model, x)
    assert live.pair("keras", "litert").max_error < 1e-5
    assert live.pair("keras", "litert").max_lsb is None
    with pytest.raises(ArtifactError, match="whole sequences with per_layer=True"):
        export.verify(steps, model, x, per_layer=True)


def test_ties_count_as_agreement():
    spec = TensorSpec("y", (1, 3), "int8", scale=0.5, zero_point=0)
    one = [np.array([[1.0, 0.5, 0.0], [1.0, 0.0, 0.0], [2.0, 0.0, 0.0]])]
    other = [np.array([[0.5, 1.0, 0.0], [0.0, 1.0, 0.0], [2.0, 0.0, 0.0]])]
    pair = compare("a", one, "b", other, [spec])
    assert pair.argmax == pytest.approx(1 / 3)
    assert pair.argmax_or_tie == pytest.approx(2 / 3)
    assert pair.max_lsb == 2
    assert pair.exact == pytest.approx(5 / 9)
    assert pair.within_1 == pytest.approx(7 / 9)
    assert pair.within_2 == 1.0
    assert pair.max_error == 1.0


def test_table_json_and_picture(found, tmp_path):
    table = found.table()
    assert "keras, litert-reference" in table and "stem_relu" in table
    assert max(map(len, table.splitlines())) <= 118
    written = json.loads(found.save(tmp_path / "v.json").read_text())
    assert written == json.loads(json.dumps(found.to_dict()))
    assert written["format"] == "keras_diffmask.verification/1"
    assert found.plot(tmp_path / "v.png").read_bytes()[:4] == b"\x89PNG"
    bare = replace(found, layers=None)
    assert "stem_relu" not in bare.table()
    bare.plot(tmp_path / "bare.png")


def test_what_cannot_be_compared_is_refused(artifact, model, x):
    with pytest.raises(InvalidArgumentError, match="an Artifact; received .* bytes"):
        export.verify(artifact.content, model, x)
    with pytest.raises(InvalidArgumentError, match="model to be a Keras model"):
        export.verify(artifact, artifact, x)
    with pytest.raises(InvalidArgumentError, match="examples in x; received none"):
        export.verify(artifact, model, x[:0])
    with pytest.raises(InvalidArgumentError, match="shape .n, 10, 10, 3. for input"):
        export.verify(artifact, model, x[..., :2])
    holes = x.copy()
    holes[3, 0, 0, 0] = np.nan
    with pytest.raises(InvalidArgumentError, match="finite values in x .*'image'"):
        export.verify(artifact, model, holes)
    inputs = keras.Input((10, 10, 3))
    other = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(inputs)))
    with pytest.raises(InvalidArgumentError, match="outputs of the shapes of 'small'"):
        export.verify(artifact, other, x)
    small = keras.Sequential([keras.Input((4,)), layers.Dense(6)])
    with pytest.raises(InvalidArgumentError, match="simulation to take the file's"):
        export.verify(artifact, model, x, simulation=small)


def test_without_tflm(artifact, model, x, monkeypatch):
    assert export.verify(artifact, model, x[:2], tflm=False).notes == (
        "TFLM was not asked.",
    )
    monkeypatch.setitem(sys.modules, "tflite_micro", None)
    monkeypatch.setattr(tflm.importlib.util, "find_spec", lambda name: None)
    found = export.verify(artifact, model, x[:2])
    assert "tflm" not in found.sides
    assert "pip install --pre tflite-micro" in found.table()
    with pytest.raises(MissingDependencyError, match="tflite-micro"):
        export.verify(artifact, model, x[:2], tflm=True)


@needs_tflm
def test_what_tflm_lacks_is_said(x):
    inputs = keras.Input((10, 10, 3))
    h = layers.Dense(4, activation="gelu")(layers.Flatten()(inputs))
    model = keras.Model(inputs, h)
    artifact = export.to_tflite(model)
    found = export.verify(artifact, model, x[:3])
    (note,) = found.notes
    assert "TFLM cannot run the file" in note and "GELU" in note
    with pytest.raises(ArtifactError, match="a model that TFLM can run.*GELU"):
        export.verify(artifact, model, x[:3], tflm=True)


def _found(first, other, scale):
    spec = TensorSpec("scores", (1, 3), "int8", scale, 0)
    pair = compare("keras", [first], "litert", [other], [spec])
    return records.Verification(
        "m", "int8", len(first), (scale,), ("keras", "litert"), (pair,)
    )


def test_classes_that_only_tie_are_told():
    """A step so coarse that every output is the same integer."""
    scores = np.random.default_rng(0).normal(size=(200, 3))
    ruined = _found(scores, np.zeros_like(scores), scale=73.0)
    assert ruined.pairs[0].argmax_or_tie == 1.0
    assert re.search(
        r"keras, litert: 6\d% of the classes agree as ties alone", str(ruined)
    )
    sound = _found(scores, np.round(scores / 0.01) * 0.01, scale=0.01)
    assert "ties alone" not in str(sound) and "LSB columns" not in str(sound)


def test_values_beyond_the_range_are_told():
    scores = np.array([[0.0, 1.0, -14.0]])
    cut = _found(scores, np.array([[0.0, 1.0, -12.8]]), scale=0.1)
    assert cut.pairs[0].max_lsb == 0 and cut.pairs[0].max_error > 1
    assert "LSB columns compare integers: an output beyond" in str(cut)
