"""One network of the table, dense or stripped, down to TFLM and Vela."""

import dataclasses
from typing import Any

import keras
import numpy as np

from keras_diffmask.budget import Budget
from keras_diffmask.errors import MissingDependencyError
from keras_diffmask.export.arena import tflm_arena_bytes
from keras_diffmask.export.artifact import Artifact
from keras_diffmask.export.emit import to_tflite
from keras_diffmask.export.evidence.report import Clock
from keras_diffmask.export.evidence.tiny.networks import NETWORKS
from keras_diffmask.export.flatbuffer import schema
from keras_diffmask.export.npu import vela
from keras_diffmask.export.runs import Figures
from keras_diffmask.export.surgery import plan, recalibrate, strip
from keras_diffmask.export.verification import verify
from keras_diffmask.masking import finalize, gates, mask_model

ACCELERATOR = "ethos-u55-128"
_CALIBRATION = 64


def run_trial(network: str, share: float | None, examples: int) -> Figures:
    """Builds, strips, converts, runs and counts.

    Args:
        network: a name of `tiny_networks.NETWORKS`.
        share: of the MACs that are left; None for the dense network.
        examples: how many random inputs TFLM and LiteRT are compared on.

    Returns:
        The figures, as plain data.
    """
    clock = Clock()
    keras.utils.set_random_seed(0)
    model = NETWORKS[network]()
    x = np.random.default_rng(0).standard_normal(
        (_CALIBRATION + examples, *model.input_shape[1:]), "float32"
    )
    if share is not None:
        model = stripped(model, share)
    # Else BatchNormalization would do nothing, and activations fade or grow.
    model = recalibrate(model, x[:_CALIBRATION], batch_size=_CALIBRATION)
    artifact = to_tflite(
        model, "int8", calibration=x[:_CALIBRATION], target="cortex-m", name=network
    )
    pair = verify(artifact, model, x[_CALIBRATION:], tflm=True).pair(
        "tflm", "litert-reference"
    )
    return {
        "macs": plan(model).macs[0],
        "file_bytes": artifact.nbytes,
        "weight_bytes": weight_bytes(artifact.content),
        "arena": tflm_arena_bytes(artifact.content),
        "recurrent": artifact.stateful,
        "examples": examples,
        "exact": pair.exact,
        "max_lsb": pair.max_lsb,
        "vela": _vela(artifact),
        "seconds": clock.seconds(),
    }


def stripped(model: keras.Model, share: float) -> keras.Model:
    """Fewer channels at random, always the same ones, as a budget would leave.

    Args:
        model: the dense network.
        share: of its MACs that is left.
    """
    masked = mask_model(model, budget=Budget(macs=share))
    generator = np.random.default_rng(1)
    for gate in gates(masked):
        variable: Any = gate.raw_logits
        logits = keras.ops.convert_to_numpy(variable)
        variable.assign(logits + 0.1 * generator.standard_normal(logits.shape))
    finalize(masked)
    return strip(masked)


def _vela(artifact: Artifact) -> dict[str, Any] | None:
    try:
        found = vela(artifact, ACCELERATOR)
    except MissingDependencyError:
        return None
    return {**dataclasses.asdict(found), "configuration": found.configuration}


def weight_bytes(content: bytes) -> int:
    """Bytes of the constants in a .tflite file: kernels, biases, shapes.

    And some 112 of the converter's own notes, which are a buffer as well.

    Args:
        content: the file.
    """
    model = schema().Model.GetRootAs(content, 0)
    return sum(model.Buffers(i).DataLength() for i in range(model.BuffersLength()))
