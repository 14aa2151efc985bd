"""Labels and metadata for phones inside of a .tflite file."""

import io
import json
import shutil
import struct
import subprocess
import zipfile
from dataclasses import asdict

import keras
import numpy as np
import pytest

from keras_diffmask import export
from keras_diffmask.errors import ArtifactError, InvalidArgumentError
from keras_diffmask.export.flatbuffer import schema
from keras_diffmask.export.metadata import check_labels, labels_of
from keras_diffmask.export.metadata.phone import LABEL_FILE, append_labels
from tests.export.metadata.conftest import LABELS, X, build, by_others

layers = keras.layers


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
        ([*LABELS[:3], "two\rlines"], r"received 'two\\rlines' among them"),
        ([*LABELS[:3], 4], "received 4 among them"),
    ],
)
def test_bad_labels(labels, sentence):
    with pytest.raises(InvalidArgumentError, match=sentence):
        export.to_tflite(build(), labels=labels)
    with pytest.raises(InvalidArgumentError, match=sentence):
        check_labels(labels, [4])


def test_what_only_python_breaks_a_line_at():
    labels = ("a\u2028b", "c\x0cd", "x\x85y", "\u00e9")
    assert check_labels(labels, [4]) == labels
    assert labels_of(append_labels(by_others(), labels)) == labels


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
    facts = asdict(labelled.calibration)
    assert json.loads(json.dumps(facts))["count"] == 40
