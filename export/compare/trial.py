"""One training of the comparison: a method, a budget and a seed."""

import dataclasses
import time
from typing import Any

import keras
import numpy as np

from keras_diffmask.export.compare.methods import Method
from keras_diffmask.export.compare.network import network
from keras_diffmask.export.demo.datasets import Dataset
from keras_diffmask.export.demo.recipes import Recipe
from keras_diffmask.export.demo.reporter import Advance
from keras_diffmask.export.demo.training import score, train
from keras_diffmask.export.surgery import plan, strip
from keras_diffmask.masking import gates


@dataclasses.dataclass(frozen=True)
class Figures:
    """What one training came to.

    Args:
        test: accuracy of the stripped model on the test part, 0 to 1.
        validation: the same on the validation part.
        units: share of the gated units, channels or weights, that are kept.
        weights: share of the dense network's parameters that are left and are
            not 0.
        macs: share of its multiply-accumulates.
        epoch_seconds: wall time of one epoch, the median of all but the first.
    """

    test: float
    validation: float
    units: float
    weights: float
    macs: float
    epoch_seconds: float


def run_trial(
    method: Method | None,
    share: float,
    data: Dataset,
    recipe: Recipe,
    seed: int,
    advance: Advance,
) -> Figures:
    """Trains one network, strips it, and scores what is left.

    Args:
        method: the method, or None for the dense network.
        share: the budget.
        data: the data set.
        recipe: how to train.
        seed: seed of weights, batches and gates.
        advance: called after each epoch.
    """
    keras.utils.set_random_seed(seed)
    dense = network(data.input_shape, len(data.classes))
    steps = recipe.epochs * -(-len(data.x_train) // recipe.batch_size)
    model = dense if method is None else method.mask(dense, share, steps)
    ends = [time.monotonic()]

    def tick(remark: str) -> None:
        ends.append(time.monotonic())
        advance(remark)

    train(model, data, recipe, seed, tick)
    slim = model if method is None else strip(model)
    before, after = plan(model).macs
    seconds = np.diff(ends)
    return Figures(
        test=score(slim, data.x_test, data.y_test),
        validation=score(slim, data.x_val, data.y_val),
        units=_kept_units(model),
        weights=_non_zero(slim) / dense.count_params(),
        macs=after / before,
        epoch_seconds=float(np.median(seconds[1:] if len(seconds) > 1 else seconds)),
    )


def _kept_units(model: keras.Model) -> float:
    keeps = [gate.keep for gate in gates(model)]
    if not keeps:
        return 1.0
    return sum(int(k.sum()) for k in keeps) / sum(k.size for k in keeps)


def _non_zero(model: keras.Model) -> int:
    """Parameters, less the zeros inside of kernels."""
    kernels: list[Any] = [
        keras.ops.convert_to_numpy(weight)
        for weight in model.weights
        if len(weight.shape) > 1
    ]
    zeros = sum(int(np.sum(kernel == 0)) for kernel in kernels)
    return model.count_params() - zeros
