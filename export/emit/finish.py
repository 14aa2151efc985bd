"""What is written into a file when all of its checks have passed."""

from keras_diffmask.export.flatbuffer import read_subgraphs
from keras_diffmask.export.metadata import (
    Fingerprint,
    append_labels,
    phone_metadata,
    stamp,
)


def finish(
    content: bytes,
    name: str,
    fingerprint: Fingerprint | None,
    labels: tuple[str, ...] = (),
    description: str | None = None,
) -> bytes:
    """Adds labels, metadata, the fingerprint of the calibration data, a checksum.

    Args:
        content: the converter's file, repaired and checked.
        name: what the model is called.
        fingerprint: of its calibration data; None where there were none.
        labels: names of the classes; empty for none.
        description: what the model does; None with no labels: no metadata for
            phones at all.

    Returns:
        The finished file.
    """
    if not labels and description is None:
        return stamp(content, fingerprint)
    graph = read_subgraphs(content)[0]
    widths = [graph.tensors[index].shape[-1:] for index in graph.outputs]
    entries = phone_metadata(
        name,
        description or "",
        graph.input_names,
        graph.output_names,
        widths.index((len(labels),)) if labels else None,
    )
    if not labels:
        return stamp(content, fingerprint, entries)
    return stamp(
        content, fingerprint, entries, lambda file: append_labels(file, labels)
    )
