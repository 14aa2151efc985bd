"""TFLite metadata and a label file, as phones' tooling reads them.

The format is that of TensorFlow Lite Support's metadata schema 1.0.1 (identifier
"M001"): a flatbuffer in the file's own metadata under the name TFLITE_METADATA,
and a zip archive with the label file appended to the whole.
"""

import io
import re
import zipfile
from collections.abc import Sequence
from typing import Any

from keras_diffmask.errors import ArtifactError, InvalidArgumentError

LABEL_FILE = "labels.txt"
_NAME = "TFLITE_METADATA"
_IDENTIFIER = b"M001"
# AssociatedFileType: labels of an axis of a tensor.
_AXIS_LABELS = 2
_PARSER = "1.0.1"
# Where a phone's tooling breaks lines. Python's splitlines() does at more places.
_LINE_END = re.compile(r"\r\n|\r|\n")


def check_labels(labels: Any, sizes: Sequence[int]) -> tuple[str, ...]:
    """The labels as a tuple.

    Args:
        labels: a list of names of classes, in the order of the output's units.
        sizes: the last size of each output of the model.

    Raises:
        InvalidArgumentError: they are no list of one-line strings, or no output
            has as many units.
    """
    if isinstance(labels, (str, bytes)) or not isinstance(labels, Sequence):
        raise _refuse(f"a {type(labels).__name__}")
    for label in labels:
        if (
            not isinstance(label, str)
            or not label.strip()
            or len(_LINE_END.split(label)) > 1
        ):
            raise _refuse(f"{label!r} among them")
    if len(labels) not in sizes:
        raise InvalidArgumentError(
            f"as many labels as an output has units ({', '.join(map(str, sizes))})",
            f"{len(labels)} labels",
            "Pass one label per class, in the order of the model's outputs.",
        )
    return tuple(labels)


def _refuse(received: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        "labels as a list of strings, each of one line and not empty",
        received,
        "Pass labels=['cat', 'dog'].",
    )


def append_labels(content: bytes, labels: tuple[str, ...]) -> bytes:
    """Puts a zip archive with the label file behind a file.

    Args:
        content: a whole .tflite file.
        labels: one per class.
    """
    file = io.BytesIO()
    file.write(content)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_STORED) as archive:
        # A fixed date: the same model gives the same file.
        entry = zipfile.ZipInfo(LABEL_FILE, (1980, 1, 1, 0, 0, 0))
        archive.writestr(entry, "\n".join(labels) + "\n")
    return file.getvalue()


def labels_of(content: bytes) -> tuple[str, ...]:
    """The labels in a file, whoever wrote it; empty where it holds none.

    Raises:
        ArtifactError: the archive that is appended to the file is damaged.
    """
    if b"PK\x05\x06" not in content[-(1 << 16) :]:
        return ()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [n for n in archive.namelist() if n.endswith(".txt")]
            chosen = LABEL_FILE if LABEL_FILE in names else (names or [""])[0]
            text = archive.read(chosen).decode("utf-8") if chosen else ""
    except Exception as error:  # of zipfile, or of what it takes for unknown to it
        raise ArtifactError(
            "a .tflite file with a label file that can be read",
            f"an appended archive that is damaged ({error or type(error).__name__})",
            "Copy or export the file again.",
        ) from error
    lines = _LINE_END.split(text)
    return tuple(lines if lines[-1] else lines[:-1])


def phone_metadata(
    name: str,
    description: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    place: int | None,
) -> dict[str, bytes]:
    """The entry of metadata that phones' tooling reads.

    It names the model, says what it does, names its inputs and outputs, and which
    file holds the labels of an output. How inputs are to be normalized is not in it:
    the model alone does not tell.

    Args:
        name: what the model is called.
        description: what it does; may be empty.
        inputs: names of the inputs, in the file's order.
        outputs: names of the outputs, likewise.
        place: which output the labels belong to; None where there are none.

    Returns:
        Name of the entry -> its bytes.
    """
    import flatbuffers

    # Numbers are the fields' places in the schema.
    builder = flatbuffers.Builder(512)
    read = _vector(builder, [_tensor(builder, tensor) for tensor in inputs])
    written = _vector(
        builder, [_tensor(builder, t, i == place) for i, t in enumerate(outputs)]
    )
    graph = _table(builder, 7, {2: read, 3: written})
    root = _table(
        builder,
        8,
        {
            0: builder.CreateString(name),
            1: builder.CreateString(description),
            3: _vector(builder, [graph]),
            7: builder.CreateString(_PARSER),
        },
    )
    builder.Finish(root, _IDENTIFIER)
    return {_NAME: bytes(builder.Output())}


def _tensor(builder: Any, name: str, labelled: bool = False) -> int:
    fields = {0: builder.CreateString(name)}
    if labelled:
        label_file = _table(
            builder,
            4,
            {
                0: builder.CreateString(LABEL_FILE),
                1: builder.CreateString("Labels of the classes, one per line."),
            },
            {2: _AXIS_LABELS},
        )
        fields[6] = _vector(builder, [label_file])
    return _table(builder, 7, fields)


def _table(
    builder: Any,
    size: int,
    offsets: dict[int, int],
    numbers: dict[int, int] | None = None,
) -> int:
    builder.StartObject(size)
    for slot, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    for slot, number in (numbers or {}).items():
        builder.PrependInt8Slot(slot, number, 0)
    return int(builder.EndObject())


def _vector(builder: Any, items: list[int]) -> int:
    builder.StartVector(4, len(items), 4)
    for item in reversed(items):
        builder.PrependUOffsetTRelative(item)
    return int(builder.EndVector())
