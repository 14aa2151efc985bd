"""Which of a file's inputs and outputs is which of the model's, told by names.

This library's files have the model's order; TensorFlow's own converter may list
them in another one.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from keras_diffmask import keras_internals
from keras_diffmask.errors import UnsupportedModelError
from keras_diffmask.export.artifact import Artifact

# What Keras calls tensors that nobody named: a counter, and another one later.
_COUNTED = re.compile(r"keras_tensor(_\d+)?")


@dataclass(frozen=True)
class Order:
    """How the two orders go together.

    Args:
        inputs: per input of the model, its place in the file.
        outputs: per output of the file, its place in the model.
        notes: what names did not decide.
    """

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    notes: tuple[str, ...] = ()


def order_of(artifact: Artifact, model: Any) -> Order:
    """Pairs a file with a model; place by place where names do not decide."""
    theirs = [_plain(spec.name) for spec in artifact.inputs]
    known, unsure = _decide("inputs", theirs, _input_names(model, len(theirs)))
    inputs = tuple(theirs.index(name) for name in known) or range(len(theirs))
    theirs = [_plain(spec.name) for spec in artifact.outputs]
    known, more = _decide("outputs", theirs, _output_names(model, len(theirs)))
    outputs = tuple(map(known.index, theirs)) if known else range(len(theirs))
    # What this library wrote has the model's order, whatever the names.
    notes = unsure + more if artifact.target is None else ()
    return Order(tuple(inputs), tuple(outputs), notes)


def _decide(
    what: str, theirs: Sequence[str], candidates: Sequence[Sequence[str]]
) -> tuple[Sequence[str], tuple[str, ...]]:
    """The model's names that are the file's too, or none and why."""
    if len(theirs) == 1:
        return (), ()
    for known in candidates:
        if (
            sorted(known) == sorted(theirs)
            and len(set(theirs)) == len(theirs)
            and not any(map(_COUNTED.fullmatch, theirs))
        ):
            return known, ()
    names = ", ".join(theirs)
    return (), (
        f"The file's {what} ({names}) were paired with the model's by their places: "
        "the names do not say which is which.",
    )


def _input_names(model: Any, count: int) -> list[list[str]]:
    inner = _functional(model)
    numbers = [f"input_{k}" for k in range(count)]
    if inner is None or len(inner.inputs) != count:
        return [numbers]
    tensors = [_plain(tensor.name) for tensor in inner.inputs]
    return [tensors, _keys(inner.input, count), numbers]


def _output_names(model: Any, count: int) -> list[list[str]]:
    inner = _functional(model)
    # First: a layer may be called output_1 and be the first output.
    numbers = [f"output_{k}" for k in range(count)]
    if inner is None or len(inner.outputs) != count:
        return [numbers]
    makers = map(keras_internals.maker_of, inner.outputs)
    layers = [_plain(getattr(maker, "name", "")) for maker in makers]
    return [numbers, layers, _keys(inner.output, count)]


def _functional(model: Any) -> Any:
    try:
        return keras_internals.as_functional(model)
    except UnsupportedModelError:
        return None


def _keys(structure: Any, count: int) -> list[str]:
    """The keys of a dict of tensors, in the order in which Keras flattens it."""
    packed = keras.tree.pack_sequence_as(structure, list(range(count)))
    if not isinstance(packed, dict) or len(packed) != count:
        return []
    return [_plain(str(key)) for key in sorted(packed, key=packed.__getitem__)]


def _plain(name: str) -> str:
    """As a signature has it: TensorFlow accepts only identifiers there."""
    return re.sub(r"[^A-Za-z0-9_]", "_", name)
