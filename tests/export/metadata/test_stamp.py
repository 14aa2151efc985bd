"""Checksum, fingerprint and labels inside of a .tflite file."""

import keras
import numpy as np
import pytest

from keras_diffmask import export
from keras_diffmask.errors import ArtifactError
from keras_diffmask.export.flatbuffer import schema
from keras_diffmask.export.metadata import (
    Fingerprint,
    InputRange,
    check_whole,
    fingerprint_of,
    is_streaming,
    stamp,
)
from keras_diffmask.export.metadata.repack import with_metadata
from tests.export.metadata.conftest import X, build, by_others

layers = keras.layers


# ----- the checksum


def test_what_was_saved_is_read_back(plain, labelled, tmp_path):
    for number, artifact in enumerate((plain, labelled)):
        path = artifact.save(tmp_path / f"{number}.tflite")
        loaded = export.Artifact.load(path)
        assert loaded.content == artifact.content
        assert loaded.calibration == artifact.calibration
        assert loaded.labels == artifact.labels


@pytest.mark.parametrize("which", ["plain", "labelled"])
def test_every_flipped_byte_is_an_error(which, request):
    content = request.getfixturevalue(which).content
    check_whole(content)
    generator = np.random.default_rng(5)
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= int(generator.integers(1, 256))
        with pytest.raises(ArtifactError, match="some were changed or lost"):
            check_whole(bytes(damaged))


@pytest.mark.parametrize("which", ["plain", "labelled"])
def test_every_cut_is_an_error(which, request, tmp_path):
    content = request.getfixturevalue(which).content
    path = tmp_path / "cut.tflite"
    for end in [*range(0, len(content), 97), *range(len(content) - 40, len(content))]:
        path.write_bytes(content[:end])
        with pytest.raises(ArtifactError, match=r"cut\.tflite"):
            export.Artifact.load(path)


def test_bytes_behind_the_end_are_an_error(plain, tmp_path):
    path = tmp_path / "long.tflite"
    path.write_bytes(plain.content + b"\0")
    with pytest.raises(ArtifactError, match="some were changed or lost"):
        export.Artifact.load(path)


def test_a_file_of_others_has_no_checksum(tmp_path):
    path = tmp_path / "theirs.tflite"
    path.write_bytes(by_others())
    loaded = export.Artifact.load(path)
    assert loaded.calibration is None and loaded.labels == ()


@pytest.mark.parametrize("name", ["keras_diffmask_input", "keras_diffmask"])
def test_an_input_named_like_the_stamp_makes_no_file_ours(name, tmp_path):
    path = tmp_path / "theirs.tflite"
    path.write_bytes(by_others(name))
    assert name.encode() in path.read_bytes()
    assert [spec.name for spec in export.Artifact.load(path).inputs] == [name]


def test_a_stamp_does_not_make_the_file_longer(plain):
    content = by_others()
    stamped = stamp(content, plain.calibration)
    assert len(stamped) == len(content)
    assert fingerprint_of(stamped) == plain.calibration
    check_whole(stamped)


def test_a_stamp_where_the_converter_left_no_room(plain):
    # As a file of another writer: no remarks of its own, a short description.
    kinds = schema()
    model = kinds.ModelT.InitFromObj(kinds.Model.GetRootAs(by_others(), 0))
    model.metadata, model.description = None, "x"
    import flatbuffers

    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    content = stamp(bytes(builder.Output()), plain.calibration)
    check_whole(content)
    assert fingerprint_of(content) == plain.calibration
    artifact = export.Artifact.from_content(content, "theirs")
    np.testing.assert_array_equal(artifact.run(X[:3]), np.maximum(X[:3], 0) + 1)


def test_stamping_twice_is_stamping_once(plain):
    again = stamp(plain.content, plain.calibration)
    assert again == plain.content


def test_a_new_writing_changes_no_answer(plain):
    again = with_metadata(plain.content, {"note": b"hello"})
    other = export.Artifact.from_content(again, "again")
    np.testing.assert_array_equal(other.run(X), plain.run(X))
    assert other.ops == plain.ops and other.inputs == plain.inputs


# ----- the fingerprint


def test_fingerprint_of_the_data(plain):
    known = plain.calibration
    assert known.count == 40 and known.steps == 0
    (only,) = known.ranges
    assert only == InputRange(
        float(X.min()), float(X.max()), float(np.float32(X.mean(dtype="float64")))
    )
    import hashlib

    assert known.sha256 == hashlib.sha256(X.tobytes()).hexdigest()
    assert f"calibrated with 40 examples, {X.min():.4g} to" in plain.summary()
    assert known.sha256[:12] in str(plain)


def test_other_data_have_another_fingerprint():
    changed = X.copy()
    changed[7, 3] += 1e-3
    assert Fingerprint.of([X]) == Fingerprint.of([X.copy()])
    assert Fingerprint.of([X]) != Fingerprint.of([changed])
    assert Fingerprint.of([X]) != Fingerprint.of([X[:39]])


@pytest.mark.parametrize("inputs", [1, 2, 4, 5, 9])
def test_fingerprint_crosses_bytes(inputs):
    known = Fingerprint.of([X * (k + 1) for k in range(inputs)])
    assert Fingerprint.from_bytes(known.to_bytes()) == known
    assert Fingerprint.from_bytes(known.to_bytes()[:-1]) is None
    assert Fingerprint.from_bytes(b"") is None


def test_more_inputs_than_there_is_room_for(plain):
    known = Fingerprint.of([X] * 9)
    content = stamp(plain.content, known)
    check_whole(content)
    assert fingerprint_of(content) == known


def test_without_calibration_there_is_none(tmp_path):
    artifact = export.to_tflite(build())
    assert artifact.calibration is None
    loaded = export.Artifact.load(artifact.save(tmp_path / "model.tflite"))
    assert loaded.calibration is None
    assert "calibrated" not in loaded.summary()


def test_streaming_is_kept_beside_the_checksum():
    inputs = keras.Input((5, 3))
    model = keras.Model(inputs, layers.LSTM(4)(inputs))
    x = np.random.default_rng(4).standard_normal((40, 5, 3)).astype("float32")
    artifact = export.to_tflite(model, "int8", calibration=x, streaming=True)
    assert artifact.streaming and is_streaming(artifact.content)
    assert artifact.calibration == Fingerprint.of([x], streaming=True)
    assert artifact.calibration.steps == 5
    check_whole(artifact.content)
