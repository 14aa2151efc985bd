"""The finished file: specs, saving whole or not at all, damaged files."""

import dataclasses
import os

import keras
import numpy as np
import pytest

from keras_diffmask import export
from keras_diffmask.errors import ArtifactError, InvalidArgumentError
from keras_diffmask.export.artifact import Agreement, TensorSpec
from tests.export.files_of_others import with_loop, with_variable


@pytest.fixture(scope="module")
def artifact():
    keras.utils.set_random_seed(0)
    a, b = keras.Input((3,), name="a"), keras.Input((4,), name="b")
    h = keras.layers.Concatenate()([b, a])
    outputs = [keras.layers.Dense(2)(h), keras.layers.Dense(5)(h)]
    model = keras.Model([a, b], outputs, name="pair")
    x = np.random.default_rng(0).standard_normal((40, 7)).astype("float32")
    return export.to_tflite(model, "int8", calibration=[x[:, :3], x[:, 3:]])


def test_describes_itself(artifact):
    assert artifact.name == "pair"
    assert artifact.target == "host"
    assert artifact.quantization == "int8"
    assert [spec.name for spec in artifact.inputs] == ["a", "b"]
    assert [spec.shape for spec in artifact.outputs] == [(1, 2), (1, 5)]
    assert artifact.nbytes == len(artifact.content)
    assert "content" not in repr(artifact)


def test_save_and_load(artifact, tmp_path):
    path = artifact.save(tmp_path / "model.tflite")
    assert path.read_bytes() == artifact.content
    assert [file.name for file in tmp_path.iterdir()] == ["model.tflite"]
    loaded = export.Artifact.load(path)
    assert loaded.name == "model"
    assert loaded.content == artifact.content
    assert (loaded.inputs, loaded.outputs) == (artifact.inputs, artifact.outputs)
    assert (loaded.ops, loaded.quantization) == (artifact.ops, "int8")
    assert loaded.target is None and loaded.agreement is None


def test_save_replaces_the_old_file_only_when_done(artifact, tmp_path, monkeypatch):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"old")

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(ArtifactError, match="No space left on device"):
        artifact.save(path)
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["model.tflite"]


@pytest.mark.parametrize("path", ["missing/model.tflite", "file/model.tflite", "."])
def test_unwritable_path(artifact, tmp_path, path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ArtifactError, match="a path that can be written; received"):
        artifact.save(tmp_path / path)
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_load_missing(tmp_path):
    with pytest.raises(ArtifactError, match="can be read; .*No such file"):
        export.Artifact.load(tmp_path / "model.tflite")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"short",
        b"\0" * 64,
        b"PK\3\4" + b"x" * 99,
        # A .keras file of a masked model, and a script, speak of this library.
        b"PK\3\4" + b"x" * 99 + b'"registered_name": "keras_diffmask>Gate"',
        b"from keras_diffmask import export\nprint('kd1-0123abcd')\n",
    ],
)
def test_load_something_else(tmp_path, content):
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"identifier 'TFL3'.*model\.tflite"):
        export.Artifact.load(path)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.9, 0.99])
def test_load_truncated(artifact, tmp_path, share):
    path = tmp_path / "model.tflite"
    path.write_bytes(artifact.content[: int(share * artifact.nbytes)])
    with pytest.raises(ArtifactError, match=r"model\.tflite"):
        export.Artifact.load(path)


def test_damage_of_files_without_a_checksum_is_told(artifact):
    # Of others' files: in these bytes LiteRT's verifier is not asked yet.
    theirs = artifact.content.replace(b"kd1-", b"none")
    theirs = theirs.replace(b"keras_diffmask", b"of_somebodyels")
    read = refused = 0
    for place in range(0, len(theirs), 3):
        damaged = bytearray(theirs)
        damaged[place] ^= 0x81
        try:
            export.Artifact.from_content(bytes(damaged), "theirs")
            read += 1
        except ArtifactError as error:
            assert "\n" not in str(error)
            refused += 1
    assert read > 100 and refused > 100


def test_run_takes_lists_and_names(artifact):
    a, b = np.ones((6, 3), "float32"), np.zeros((6, 4), "float32")
    first = artifact.run([a, b])
    second = artifact.run({"b": b, "a": a})
    assert [out.shape for out in first] == [(6, 2), (6, 5)]
    for left, right in zip(first, second, strict=True):
        np.testing.assert_array_equal(left, right)
    assert [out.shape for out in artifact.run([a[:0], b[:0]])] == [(0, 2), (0, 5)]


@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        (np.ones((6, 3)), "2 input arrays"),
        ([np.ones((6, 3)), np.ones((6, 3))], r"shape \(n, 4\) for input 'b'"),
        ([np.ones((6, 3)), np.ones((5, 4))], "same number of examples"),
        ({"a": np.ones((6, 3))}, r"the keys \['a', 'b'\]"),
    ],
)
def test_run_refuses_what_does_not_fit(artifact, x, sentence):
    with pytest.raises(InvalidArgumentError, match=sentence):
        artifact.run(x)


def test_quantize_rounds_then_clips():
    spec = TensorSpec("x", (1, 4), "int8", scale=0.5, zero_point=3)
    q = spec.quantize(np.array([0.0, 0.3, 1e6, -1e6]))
    assert q.dtype == np.int8
    assert q.tolist() == [3, 4, 127, -128]
    assert spec.dequantize(q).tolist() == [0.0, 0.5, 62.0, -65.5]


@pytest.fixture(scope="module")
def single():
    inputs = keras.Input((6,), name="x")
    model = keras.Model(inputs, keras.layers.Dense(2)(inputs), name="single")
    x = np.random.default_rng(0).standard_normal((40, 6)).astype("float32")
    return export.to_tflite(model, "int8", calibration=x)


def test_one_row_as_a_nested_list(single):
    two = single.run([[0.5] * 6] * 2)
    np.testing.assert_array_equal(single.run([[0.5] * 6]), two[:1])
    np.testing.assert_array_equal(single.run([np.full((2, 6), 0.5)]), two)
    with pytest.raises(InvalidArgumentError, match=r"received shape \(1, 5\)"):
        single.run([[0.5] * 5])
    with pytest.raises(InvalidArgumentError, match="an array for input 'x'"):
        single.run([[0.5] * 6, [0.5] * 5])


@pytest.mark.parametrize("bad", [1j, "a", None])
def test_run_refuses_what_is_no_number(single, bad):
    with pytest.raises(InvalidArgumentError, match="real numbers for 'x'; received"):
        single.run(np.array([[bad] * 6]))


def test_nan_has_no_integer(single):
    x = np.zeros((3, 6), "float32")
    x[1, 2] = np.nan
    with pytest.raises(InvalidArgumentError, match="made int8; received NaN in 1 of"):
        single.run(x)
    with pytest.raises(InvalidArgumentError, match="received NaN"):
        single.inputs[0].quantize(x)
    x[1, 2] = np.inf
    assert np.isfinite(single.run(x)).all()
    assert TensorSpec("x", (1, 6), "float32").quantize(x * np.nan).dtype == np.float32


def test_operators_of_all_subgraphs():
    loop = export.Artifact.from_content(with_loop(), "loop")
    assert loop.ops == ("WHILE",) and {"LESS", "SIN", "TANH"} <= set(loop.other_ops)
    assert loop.all_ops == loop.ops + loop.other_ops
    assert loop.quantization == "float32" and not loop.stateful
    inside = dataclasses.replace(loop, other_ops=("SVDF", "TOPK_V2"))
    assert inside.stateful
    fits = export.report([inside], arena=False).models[0].fits
    reasons = {fit.target: fit.reason for fit in fits}
    assert reasons["cortex-m"] == "no kernel for TOPK_V2"


@pytest.mark.parametrize("plain", [False, True])
def test_resource_variables_begin_anew_with_each_example(plain):
    """LiteRT's reset leaves them alone."""
    artifact = export.Artifact.from_content(with_variable(), "var")
    assert artifact.has_resources and artifact.stateful
    assert "make a new interpreter before every" in artifact.state_note
    found = artifact.run(np.ones((3, 4)), reference_kernels=plain)
    np.testing.assert_array_equal(found, np.full((3, 4), 2.0))


def test_relative_error():
    assert Agreement(1, 0.0, 1.0, 4.0).relative_error == 0.25
    assert Agreement(1, 0.0, 0.0, 0.0).relative_error == 0.0
    assert Agreement(1, 0.0, 1.0, 0.0).relative_error == float("inf")
