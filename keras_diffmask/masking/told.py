"""Calls whose kernels read gated channels, and know them by their place."""

from collections.abc import Iterator

import keras

from keras_diffmask.graph import ChannelGraph, Step
from keras_diffmask.layers import STOCK_TO_MASKED
from keras_diffmask.masking.groups import Placement

_RECURRENT = (keras.layers.RNN, keras.layers.Bidirectional)


def told_steps(graph: ChannelGraph, placement: Placement) -> Iterator[Step]:
    """The calls to be told which of their inputs are closed.

    The scale of a quantized kernel must not hang on weights that read closed
    channels, for those go in the strip.

    Args:
        graph: the channel graph of the model.
        placement: its gates.

    Yields:
        Steps of layers that have a masked form.
    """
    for step in graph.steps:
        if _knows_its_inputs(step):
            roots = graph.units.root(step.inputs[0].reshape(-1))
            if placement.gates_of(roots):
                yield step


def _knows_its_inputs(step: Step) -> bool:
    masked = STOCK_TO_MASKED.get(type(step.layer))
    if masked is None or not step.inputs:
        return False
    if not getattr(masked, "read_axes", {}) and not isinstance(step.layer, _RECURRENT):
        return False
    # One id per channel, the same at every place and time.
    ids = step.inputs[0]
    return ids.size == max(ids.shape, default=0)
