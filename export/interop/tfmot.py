"""From a Keras 2 model that tfmot pruned to a masked Keras 3 model."""

import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from keras_diffmask.errors import UnsupportedModelError
from keras_diffmask.export.dependencies import require_installed
from keras_diffmask.export.interop.architecture import (
    architecture,
    require_known_layers,
    vocabulary,
)
from keras_diffmask.export.interop.assemble import assembled
from keras_diffmask.export.interop.job import (
    NEEDED,
    Keras2Model,
    read_in_child,
)
from keras_diffmask.export.interop.silent import close_silent
from keras_diffmask.export.surgery import strip
from keras_diffmask.masking import MaskedModel, mask_model

#: How far outputs may be apart, relative to the largest of them if that is over 1.
TOLERANCE = 1e-5
NEXT_STEP = (
    "tfmot's magnitude pruning zeroes single weights and removes no channel by "
    "itself: to have channels go, train kd.mask_model(export.strip(masked), "
    "budget=kd.Budget(macs=0.5))"
)


@dataclass(frozen=True)
class Imported:
    """A model that was read, and what was found in it.

    Attributes:
        model: the masked model.
        closed: channels that could be closed.
        units: channels under gates.
        zeros: entries of kernels that are 0.
        weights: entries of kernels.
        scattered: zeros of kernels that a strip leaves.
        difference: the largest between its outputs and the Keras 2 model's.
    """

    model: MaskedModel
    closed: int
    units: int
    zeros: int
    weights: int
    scattered: int
    difference: float

    def __str__(self) -> str:
        return (
            f"{self.closed:,} of {self.units:,} channels of {self.model.name!r} could "
            f"be closed; {self.zeros:,} of {self.weights:,} weights are 0, "
            f"{self.scattered:,} of them in channels that stay"
        )


def from_tfmot(
    path: str | os.PathLike[str], timeout: float | None = None
) -> MaskedModel:
    """Read a Keras 2 model pruned by tensorflow-model-optimization as a masked one.

    The file is read in a process of its own, since importing tfmot turns
    `tf.keras` into Keras 2 for all of a process. Its layers become those of
    Keras 3 with the same weights; pruning wrappers are taken off, with their
    masks multiplied in. Gates come on its channels, and are closed where the
    zeros leave a channel at exactly 0, or leave nobody to read it. Closing
    them changes no output: the masked model's are compared with those of the
    Keras 2 model, on random inputs, to 1e-5. `export.strip` then takes these
    channels out.

    tfmot's magnitude pruning puts zeros into kernels one by one, and such
    zeros close no channel: where there are some, one warning counts them and
    says how to go on.

    Args:
        path: an `.h5` or `.keras` file that tf_keras wrote, or the folder of a
            SavedModel, with or without `prune_low_magnitude` wrappers.
        timeout: seconds after which the reader is killed; None waits for ever.

    Returns:
        A `MaskedModel`, not compiled.

    Raises:
        ArtifactError: there is no Keras 2 model, or tf_keras cannot read it.
        UnsupportedModelError: it has a layer, or a setting of one, that is not
            the same in Keras 3, which is named; its outputs would differ; or
            no channel of it can be removed.
        ConversionError: the reader died.
        MissingDependencyError: tfmot or tf_keras is not installed.

    Example:

    ```python
    masked = export.from_tfmot("pruned.h5")
    slim = export.strip(masked)
    ```
    """
    found = read_tfmot(path, timeout)
    if found.scattered:
        warnings.warn(f"{found}. {NEXT_STEP}.", stacklevel=2)
    return found.model


def read_tfmot(path: str | os.PathLike[str], timeout: float | None = None) -> Imported:
    """Read a model as `from_tfmot` does, and say what was found in it."""
    path = Path(path)
    named = architecture(path)
    require_known_layers(named)
    require_installed(NEEDED, "which reads what tfmot pruned", "tfmot")
    read = read_in_child(path, vocabulary(named), timeout)
    model = assembled(read.architecture, read.weights)
    _require_equal(model, read)
    masked = mask_model(model)
    closed, units = close_silent(model, masked)
    difference = _require_equal(masked, read)
    kernels = _kernels(model)
    return Imported(
        model=masked,
        closed=closed,
        units=units,
        zeros=_zeros(kernels),
        weights=sum(kernel.size for kernel in kernels),
        scattered=_zeros(_kernels(strip(masked))),
        difference=difference,
    )


def _require_equal(model: keras.Model, read: Keras2Model) -> float:
    """The largest difference to the Keras 2 model's outputs.

    Raises:
        UnsupportedModelError: it is too large.
    """
    given = read.inputs if len(read.inputs) > 1 else read.inputs[0]
    outputs = keras.tree.flatten(model(given, training=False))
    largest = 0.0
    for ours, theirs in zip(outputs, read.outputs, strict=True):
        apart = np.abs(keras.ops.convert_to_numpy(ours) - theirs).max(initial=0.0)
        scale = max(1.0, float(np.abs(theirs).max(initial=0.0)))
        largest = max(largest, float(apart))
        if not apart <= TOLERANCE * scale:
            raise UnsupportedModelError(
                f"outputs equal to the Keras 2 model's to {TOLERANCE:g}",
                f"a difference of {apart:.2g} in {model.name!r}",
                "Please report the layers of this model; until then rebuild it in "
                "Keras 3 and copy its weights layer by layer.",
            )
    return largest


def _kernels(model: keras.Model) -> list[np.ndarray]:
    arrays = map(keras.ops.convert_to_numpy, model.weights)
    return [array for array in arrays if array.ndim > 1]


def _zeros(kernels: list[np.ndarray]) -> int:
    return sum(int(np.sum(kernel == 0)) for kernel in kernels)
