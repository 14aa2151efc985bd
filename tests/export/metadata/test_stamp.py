"""Checksum, fingerprint and labels inside of a .tflite file."""

import io
import json
import shutil
import struct
import subprocess
import zipfile

import keras
import numpy as np
import pytest

from keras_diffmask import export
from keras_diffmask.errors import ArtifactError, InvalidArgumentError
from keras_diffmask.export.flatbuffer import schema
from keras_diffmask.export.metadata import (
    Fingerprint,
    InputRange,
    check_labels,
    check_whole,
    fingerprint_of,
    is_streaming,
    labels_of,
    stamp,
)
from keras_diffmask.export.metadata.phone import LABEL_FILE
from keras_diffmask.export.metadata.repack import with_metadata

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


def by_others():
    """As TensorFlow's converter leaves it."""
    tf = pytest.importorskip("tensorflow")
    function = tf.function(lambda x: tf.nn.relu(x) + 1.0)
    spec = tf.TensorSpec((1, 6), tf.float32)
    traced = function.get_concrete_function(spec)
    return tf.lite.TFLiteConverter.from_concrete_functions([traced]).convert()


def test_a_file_of_others_has_no_checksum(tmp_path):
    path = tmp_path / "theirs.tflite"
    path.write_bytes(by_others())
    loaded = export.Artifact.load(path)
    assert loaded.calibration is None and loaded.labels == ()


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


# ----- labels


def test_labels_are_read_back(labelled, plain):
    assert labelled.labels == tuple(LABELS)
    assert plain.labels == ()
    assert "labels: T-shirt, Hose, café, bag" in labelled.summary()


def test_labels_are_a_zip_archive(labelled, tmp_path):
    with zipfile.ZipFile(io.BytesIO(labelled.content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [LABEL_FILE]
        assert archive.read(LABEL_FILE).decode().splitlines() == LABELS
    if shutil.which("unzip"):
        path = labelled.save(tmp_path / "model.tflite")
        done = subprocess.run(
            ["unzip", "-p", path, LABEL_FILE], capture_output=True, check=False
        )
        assert done.stdout.decode().splitlines() == LABELS


def metadata_of(content):
    """The fields of TFLITE_METADATA, read by hand: offsets, no schema."""
    model = schema().Model.GetRootAs(content, 0)
    entries = {}
    for k in range(model.MetadataLength()):
        entry = model.Metadata(k)
        entries[entry.Name().decode()] = bytes(
            model.Buffers(entry.Buffer()).DataAsNumpy()
        )
    return entries["TFLITE_METADATA"]


def field(data, table, slot):
    """Where a field of a table is stored; None where it is absent."""
    vtable = table - struct.unpack_from("<i", data, table)[0]
    size = struct.unpack_from("<H", data, vtable)[0]
    place = 4 + 2 * slot
    offset = struct.unpack_from("<H", data, vtable + place)[0] if place < size else 0
    return table + offset if offset else None


def follow(data, place):
    return place + struct.unpack_from("<I", data, place)[0]


def text(data, table, slot):
    start = follow(data, field(data, table, slot))
    size = struct.unpack_from("<I", data, start)[0]
    return data[start + 4 : start + 4 + size].decode()


def items(data, table, slot):
    start = follow(data, field(data, table, slot))
    count = struct.unpack_from("<I", data, start)[0]
    return [follow(data, start + 4 + 4 * k) for k in range(count)]


def test_metadata_have_the_fields_of_the_schema(labelled):
    data = metadata_of(labelled.content)
    assert data[4:8] == b"M001"
    root = follow(data, 0)
    assert text(data, root, 0) == "clothes"
    assert text(data, root, 1) == "What one wears."
    assert text(data, root, 7) == "1.0.1"
    (graph,) = items(data, root, 3)
    (read,), (written,) = items(data, graph, 2), items(data, graph, 3)
    assert text(data, read, 0) == labelled.inputs[0].name
    assert text(data, written, 0) == labelled.outputs[0].name
    (file,) = items(data, written, 6)
    assert text(data, file, 0) == LABEL_FILE
    assert data[field(data, file, 2)] == 2  # TENSOR_AXIS_LABELS
    assert field(data, read, 6) is None


def test_a_labelled_file_still_runs(labelled, plain):
    np.testing.assert_array_equal(labelled.run(X), plain.run(X))
    runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime")
    interpreter = runtime.Interpreter.from_bytes(labelled.content, arena_size=50_000)
    interpreter.set_input(labelled.inputs[0].quantize(X[:1]), 0)
    interpreter.invoke()
    ours = labelled.outputs[0].dequantize(interpreter.get_output(0))
    step = labelled.outputs[0].scale
    assert np.abs(ours - plain.run(X[:1], reference_kernels=True)).max() <= 1.01 * step


def test_labels_of_the_output_that_has_as_many_units():
    inputs = keras.Input((6,))
    outputs = [layers.Dense(2)(inputs), layers.Dense(4)(inputs)]
    model = keras.Model(inputs, outputs, name="two")
    artifact = export.to_tflite(model, labels=LABELS)
    data = metadata_of(artifact.content)
    (graph,) = items(data, follow(data, 0), 3)
    first, second = items(data, graph, 3)
    assert field(data, first, 6) is None
    assert text(data, items(data, second, 6)[0], 0) == LABEL_FILE


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (LABELS[:3], r"as an output has units \(4\); received 3 labels"),
        ("bags", "list of strings, .*received a str"),
        (7, "received a int"),
        ([*LABELS[:3], ""], "received '' among them"),
        ([*LABELS[:3], "two\nlines"], r"received 'two\\nlines' among them"),
        ([*LABELS[:3], 4], "received 4 among them"),
    ],
)
def test_bad_labels(labels, sentence):
    with pytest.raises(InvalidArgumentError, match=sentence):
        export.to_tflite(build(), labels=labels)
    with pytest.raises(InvalidArgumentError, match=sentence):
        check_labels(labels, [4])


def test_bad_description():
    with pytest.raises(InvalidArgumentError, match="description as a string"):
        export.to_tflite(build(), description=3)


def test_a_damaged_archive_of_others():
    file = io.BytesIO()
    file.write(by_others())
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("classes.txt", "one\ntwo\n")
    content = file.getvalue()
    assert labels_of(content) == ("one", "two")
    with pytest.raises(ArtifactError, match="appended archive that is damaged"):
        labels_of(content.replace(b"one\ntwo", b"one\ntvo"))


def test_facts_are_plain_data(labelled):
    from dataclasses import asdict

    facts = asdict(labelled.calibration)
    assert json.loads(json.dumps(facts))["count"] == 40
