"""One stripped network beside the same written by hand, as files."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_diffmask.errors import MissingDependencyError
from keras_diffmask.export.emit import to_tflite
from keras_diffmask.export.emulation import count_instructions
from keras_diffmask.export.evidence.handwritten.widths import written
from keras_diffmask.export.evidence.report import Clock
from keras_diffmask.export.evidence.tiny.networks import NETWORKS
from keras_diffmask.export.evidence.tiny.trial import stripped
from keras_diffmask.export.flatbuffer import read_subgraphs
from keras_diffmask.export.runs import Figures
from keras_diffmask.export.surgery import recalibrate

_CALIBRATION = 64
STRIPPED, WRITTEN = "stripped", "written by hand"


def run_trial(
    network: str,
    share: float,
    quantization: str | None,
    cores: Sequence[str],
    examples: int,
) -> Figures:
    """Strips, writes the same by hand, converts both and compares the files.

    Args:
        network: a name of `tiny_networks.NETWORKS`.
        share: of the MACs that are left.
        quantization: as for `to_tflite`.
        cores: to emulate, where QEMU is there; none otherwise.
        examples: random inputs that both are asked with.

    Returns:
        The figures, as plain data.
    """
    clock = Clock()
    keras.utils.set_random_seed(0)
    slim = stripped(NETWORKS[network](), share)
    x = np.random.default_rng(0).standard_normal(
        (_CALIBRATION + examples, *slim.input_shape[1:]), "float32"
    )
    slim = recalibrate(slim, x[:_CALIBRATION], batch_size=_CALIBRATION)
    model, widths = written(network, slim)
    files = {
        name: to_tflite(one, quantization, calibration=x[:_CALIBRATION], name=network)
        for name, one in ((STRIPPED, slim), (WRITTEN, model))
    }
    ops = {name: operators(file.content) for name, file in files.items()}
    answers = [np.asarray(file.run(x[_CALIBRATION:])) for file in files.values()]
    return {
        "widths": list(widths),
        "parameters": {
            STRIPPED: slim.count_params(), WRITTEN: model.count_params()
        },
        "operators": ops,
        "bytes": {name: file.nbytes for name, file in files.items()},
        "examples": examples,
        "differing": int(np.sum(answers[0] != answers[1])),
        "values": answers[0].size,
        "instructions": _instructions(
            {name: file.content for name, file in files.items()}, cores
        ),
        "seconds": clock.seconds(),
    }  # fmt: skip


def operators(content: bytes) -> list[list[Any]]:
    """The operators of a .tflite file in their order, by what a runtime sees.

    Args:
        content: the file.

    Returns:
        Of each its name, and type and shape of all that goes in and comes out; an
        input that is left out is None.
    """
    found: list[list[Any]] = []
    for graph in read_subgraphs(content):
        tensors = graph.tensors
        for op in graph.ops:
            seen = [
                None if i < 0 else [tensors[i].dtype, list(tensors[i].shape)]
                for i in (*op.inputs, *op.outputs)
            ]
            found.append([op.name, seen])
    return found


def _instructions(
    files: dict[str, bytes], cores: Sequence[str]
) -> dict[str, dict[str, int]] | None:
    try:
        counts = count_instructions(files, cores, ("xnnpack",), 1)
    except MissingDependencyError:
        return None
    return {
        name: {core: counts.count(name, core).instructions for core in cores}
        for name in files
    }
