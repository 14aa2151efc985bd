"""What a file and its arena came to, and what could only be guessed of them."""

import warnings
from dataclasses import dataclass
from typing import Any

from keras_diffmask.costs.decided import Decided
from keras_diffmask.costs.latency import Latency
from keras_diffmask.costs.latency_table import LatencyTable
from keras_diffmask.graph import ChannelGraph


@dataclass(frozen=True)
class Measured:
    """What one conversion of the dense model found.

    `flash` and `ram` follow a model's weights and activations exactly; what is
    around them in the file, such as the names of its tensors, they know only
    on average. The dense model's file tells.

    Args:
        flash: bytes of the dense model's .tflite file, or None.
        ram: bytes of its arena, or None.
        latency: what `export.measure_latency` returned, or None. A `latency`
            can't be counted without.

    Example:

    >>> import keras_diffmask as kd
    >>> dense = kd.costs.Measured(flash=41_872, ram=71_552)
    >>> budget = kd.Budget(flash="24 KiB", ram="48 KiB", measured=dense)
    """

    flash: int | None = None
    ram: int | None = None
    latency: LatencyTable | None = None


def warn_of_unknown(cost: Any, graph: ChannelGraph) -> None:
    """Say which layers a cost counts without knowing what becomes of them.

    Args:
        cost: a cost, or None; of those that count the graph all is known.
        graph: the graph it was written for.
    """
    if not isinstance(cost, Decided):
        return
    names = cost.fixed if isinstance(cost, Latency) else cost.program.unknown
    if not names:
        return
    classes = {step.name: type(step.layer).__name__ for step in graph.steps}
    layers = ", ".join(f"{name} ({classes[name]})" for name in dict.fromkeys(names))
    if isinstance(cost, Latency):
        told = (
            f"latency does not know what pruning does to {layers}, and counts the time "
            "that the dense model needs. Compare with export.benchmark."
        )
    else:
        told = (
            f"{cost.name} does not know what {layers} becomes on the device, and "
            "counts one operator with its weights at one byte each. Compare with the "
            "file that export.to_tflite writes."
        )
    warnings.warn(told, stacklevel=2)
