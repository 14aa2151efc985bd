"""Filter pruning by L1 norms, with fine-tuning: what ours is compared with."""

import keras
import numpy as np

from keras_diffmask.export.evidence.resnet.widths import largest
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
