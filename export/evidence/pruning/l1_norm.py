"""Filter pruning by L1 norms, with fine-tuning: what ours is compared with."""

import keras
import numpy as np

from keras_diffmask.export.evidence.pruning.widths import largest
from keras_diffmask.export.surgery import plan
from keras_diffmask.masking import gates


def prune_by_l1_norm(model: keras.Model, share: float) -> None:
    """Close the filters with the smallest L1 norms, the same part of each layer.

    The smallest part that meets the budget: norms of different layers do not
    compare. Layers that an Add ties lose the filters whose norms are smallest in
    sum.

    Args:
        model: a masked one with a gate per set of tied channels.
        share: MACs that are left, of the dense network's.

    Reference:
        Li, Kadav, Durdanovic, Samet and Graf, arXiv:1608.08710, section 3.1.
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

    close(largest(fits))


def l1_norms(model: keras.Model) -> dict[str, np.ndarray]:
    """Name of a gate -> sum of |kernel| of each of its units' filters.

    A depthwise kernel has no filters, but goes with those that it reads. To a unit of
    an LSTM belong its columns in the kernels of all four gates.
    """
    norms = {}
    for row in plan(model).rows:
        if row.protected:
            continue
        sums = [
            np.abs(kernel).reshape(-1, kernel.shape[-1] // row.total, row.total)
            for name in row.layers
            for kernel in _kernels(model.get_layer(name))
        ]
        norms[f"{row.name}_gate"] = np.sum([s.sum(axis=(0, 1)) for s in sums], axis=0)
    return norms


def _kernels(layer: keras.layers.Layer) -> list[np.ndarray]:
    """With the layer's units, once or several times, along the last axis."""
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return []
    owner = getattr(layer, "cell", layer)
    names = ("kernel", "recurrent_kernel")
    found = [getattr(owner, name, None) for name in names]
    return [keras.ops.convert_to_numpy(one) for one in found if one is not None]
