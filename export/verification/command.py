"""`verify`: the same inputs through every runtime, compared two by two."""

from itertools import combinations
from typing import Any

import numpy as np

from keras_diffmask.errors import ArtifactError, InvalidArgumentError
from keras_diffmask.export.artifact import Artifact
from keras_diffmask.export.dependencies import INSTALL_TFLM
from keras_diffmask.export.interpreter import match_inputs, run_batch
from keras_diffmask.export.tflm import has_tflm, run_tflm
from keras_diffmask.export.verification.layers import layer_errors
from keras_diffmask.export.verification.order import order_of
from keras_diffmask.export.verification.pairs import compare
from keras_diffmask.export.verification.records import Verification
from keras_diffmask.export.verification.sides import keras_outputs, last_steps

KERAS, SIMULATION, TFLM = "keras", "simulation", "tflm"
REFERENCE, DEFAULT = "litert-reference", "litert"

Sides = dict[str, tuple[np.ndarray, ...]]


def verify(
    artifact: Artifact,
    model: Any,
    x: Any,
    simulation: Any = None,
    per_layer: bool = False,
    tflm: bool | None = None,
) -> Verification:
    """Compares a .tflite file with its Keras model on every runtime there is.

    The same real inputs go through the float Keras model ("keras"), the model
    with fake quantization ("simulation") where one is given, LiteRT's plain
    kernels ("litert-reference"), its fast ones ("litert"), and TFLM's interpreter
    ("tflm"). State is reset before every sequence; of a streaming file the
    answers after the last steps count, those that the Keras model gives. A file of
    another converter may list inputs and outputs in another order than the model:
    they are paired by their names, and by their places where names do not decide,
    which a note then says.

    Args:
        artifact: the file.
        model: the float Keras model that it was made of.
        x: examples of the inputs, preprocessed as for training; one array, or a
            list in the file's order or a dict by name for several inputs. Some
            hundreds, for a share of 99.5 % to mean something.
        simulation: a Keras model whose plain call is the fake-quant simulation.
        per_layer: also compare the tensors inside of the file with the outputs of
            the model's layers, on the first 64 examples.
        tflm: whether to ask TFLM's interpreter; None: where it is installed and
            can run the file.

    Returns:
        A `Verification`: `.table()`, `.pair("tflm", "keras")`, `.save(path)`,
        `.plot(path)`.

    Raises:
        InvalidArgumentError: `x` or a model does not fit the file, or `x` holds
            NaN or no examples.
        MissingDependencyError: `tflm=True` without tflite-micro.
        ArtifactError: `tflm=True` and TFLM cannot run the file; or `per_layer` of
            a streaming one.

    Example:

    ```python
    found = export.verify(artifact, slim, x_test[:500], per_layer=True)
    print(found)
    found.pair("keras", "tflm").argmax_or_tie
    ```
    """
    arrays = _check(artifact, x, per_layer)
    sides = {KERAS: keras_outputs(model, arrays, artifact, "model")}
    if simulation is not None:
        sides[SIMULATION] = keras_outputs(simulation, arrays, artifact, "simulation")
    note = _run_file(artifact, arrays, tflm, sides)
    layers, unmatched = None, 0
    if per_layer:
        layers, unmatched = layer_errors(artifact, model, arrays)
    return Verification(
        name=artifact.name,
        quantization=artifact.quantization,
        samples=len(arrays[0]),
        lsb=tuple(spec.scale for spec in artifact.outputs),
        sides=tuple(sides),
        pairs=tuple(
            compare(a, sides[a], b, sides[b], artifact.outputs)
            for a, b in combinations(sides, 2)
        ),
        notes=(*order_of(artifact, model).notes, *filter(None, [note])),
        layers=layers,
        unmatched=unmatched,
    )


def _run_file(
    artifact: Artifact, arrays: list[np.ndarray], tflm: bool | None, sides: Sides
) -> str:
    """Adds what the runtimes answer; says why TFLM is not among them."""
    answers = {
        REFERENCE: run_batch(artifact, arrays, True, 1),
        DEFAULT: run_batch(artifact, arrays, False, 1),
    }
    note = ""
    if tflm is False:
        note = "TFLM was not asked."
    elif tflm is None and not has_tflm():
        note = f"TFLM was not asked. {INSTALL_TFLM}."
    else:
        try:
            answers[TFLM] = run_tflm(artifact, arrays)
        except ArtifactError as error:
            if tflm:
                raise
            note = f"TFLM cannot run the file: {error.received}."
    reference = sides[KERAS]
    for name, given in answers.items():
        # Integers beyond 8 bits come as they are: real values are compared.
        real = tuple(array.astype("float32") for array in given)
        sides[name] = last_steps(real, reference) if artifact.streaming else real
    return note


def _check(artifact: Any, x: Any, per_layer: bool) -> list[np.ndarray]:
    if not isinstance(artifact, Artifact):
        raise InvalidArgumentError(
            "an Artifact",
            f"an object of type {type(artifact).__name__}",
            "Pass what to_tflite returned, or Artifact.load(path).",
        )
    if per_layer and artifact.streaming:
        raise ArtifactError(
            "a file that takes whole sequences with per_layer=True",
            f"the streaming file {artifact.name!r}",
            "Leave per_layer out, or convert without streaming=True.",
        )
    arrays = match_inputs(artifact, x)
    if not len(arrays[0]):
        raise InvalidArgumentError("examples in x", "none", "Pass some hundreds.")
    for spec, array in zip(artifact.inputs, arrays, strict=True):
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise InvalidArgumentError(
                f"finite values in x for input '{spec.name}'",
                "NaN or infinity",
                "Clean the examples as for training.",
            )
    return arrays
