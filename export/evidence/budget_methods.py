"""Ways to a network of so many MACs: ours, a narrower one, and L1 norms."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_diffmask.budget import Budget
from keras_diffmask.export.benchmarking.networks import resnet8
from keras_diffmask.export.surgery import plan
from keras_diffmask.masking import gates, mask_model

OURS, NARROW, L1 = "ours", "narrowed", "L1 norm"
METHODS = (OURS, NARROW, L1)
#: Part of the epochs after which L1 norms decide, as our search does.
HALF = 0.5
#: Steps in which a width is looked for: every channel of the widest layer counts.
_WIDTHS = 256

Trained = tuple[keras.Model, tuple[keras.callbacks.Callback, ...]]


def dense(shape: tuple[int, ...], classes: int) -> Trained:
    """The whole ResNet-8, and no callbacks."""
    return resnet8(shape, classes), ()


def ours(shape: tuple[int, ...], classes: int, share: float) -> Trained:
    """Gates under a budget of MACs, with the default settings."""
    return mask_model(resnet8(shape, classes), budget=Budget(macs=share)), ()


def narrowed(shape: tuple[int, ...], classes: int, share: float) -> Trained:
    """Every layer narrowed by the same factor, the largest that the budget allows."""
    before = plan(resnet8(shape, classes)).macs[0]

    def macs(width: float) -> float:
        return plan(resnet8(shape, classes, width)).macs[0]

    width = _largest(lambda width: macs(width) <= share * before)
    return resnet8(shape, classes, width), ()


def by_l1_norm(
    shape: tuple[int, ...], classes: int, share: float, epochs: int
) -> Trained:
    """Trained dense, then each layer loses the filters of the smallest L1 norms.

    The same part of every layer goes, the smallest part that meets the budget:
    norms of different layers do not compare. Layers that an Add ties lose the
    filters whose norms are smallest in sum.

    Reference:
        Li, Kadav, Durdanovic, Samet and Graf, arXiv:1608.08710, section 3.1.
    """
    model = mask_model(resnet8(shape, classes), "straight_through")
    for gate in gates(model):
        gate.set_keep(np.ones(gate.units, bool))
    return model, (_L1Pruning(share, int(HALF * epochs)),)


class _L1Pruning(keras.callbacks.Callback):
    """Closes filters at the start of one epoch; what follows is the fine-tuning."""

    def __init__(self, share: float, epoch: int) -> None:
        super().__init__()
        self._share, self._at = share, epoch

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == self._at:
            prune_by_l1_norm(self.model, self._share)


def prune_by_l1_norm(model: keras.Model, share: float) -> None:
    """Close the filters with the smallest L1 norms, the same part of each layer.

    Args:
        model: a masked one with a gate per set of tied channels.
        share: MACs that are left, of the dense network's.
    """
    scores = l1_norms(model)

    def close(width: float) -> None:
        for gate in gates(model):
            kept = max(1, int(width * gate.units))
            order = np.argsort(-scores[gate.name], kind="stable")
            gate.set_keep(np.isin(np.arange(gate.units), order[:kept]))

    def fits(width: float) -> bool:
        close(width)
        before, after = plan(model).macs
        return after <= share * before

    close(_largest(fits))


def l1_norms(model: keras.Model) -> dict[str, np.ndarray]:
    """Name of a gate -> sum of |kernel| of each of its units' filters."""
    norms = {}
    for row in plan(model).rows:
        if row.protected:
            continue
        kernels = [
            np.abs(keras.ops.convert_to_numpy(model.get_layer(name).kernel))
            for name in row.layers
        ]
        sums = [kernel.reshape(-1, kernel.shape[-1]).sum(axis=0) for kernel in kernels]
        norms[f"{row.name}_gate"] = np.sum(sums, axis=0)
    return norms


def _largest(fits: Callable[[float], bool]) -> float:
    """The largest width that fits; what fits, fits when it is narrower as well."""
    low, high = 0, _WIDTHS
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle / _WIDTHS) else (low, middle - 1)
    return low / _WIDTHS
