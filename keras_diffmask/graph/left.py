"""What a proof leaves of each layer's units, and of its weights."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from keras_diffmask.graph.proof import Proof
from keras_diffmask.graph.rule import Cut, Step


def parameters_left(proof: Proof) -> dict[str, int]:
    """Layer -> entries of its weights in the smaller model, if it is there.

    Asked of the weights themselves: a layer without a bias gets one where a
    constant is folded into it.
    """
    found = {}
    for step, left in shrunk_weights(proof):
        arrays = list(left.values()) if isinstance(left, dict) else left
        sizes = [np.size(array) for array in arrays]
        found[step.name] = sum(sizes) if sizes else step.layer.count_params()
    return found


def shrunk_weights(
    proof: Proof, change: Callable[[Cut], Cut] = lambda what: what
) -> Iterator[tuple[Step, Any]]:
    """The weights that each layer keeps, as `Rule.shrink` says; empty where all.

    Args:
        proof: what may go. Its model's layers are asked for their weights now.
        change: what is to be cut -> what is to be cut instead.
    """
    for step in {id(step.layer): step for step in reversed(proof.live)}.values():
        what = what_stays(proof, step, str)
        if not step.rule.vanishes(step, what) and hasattr(step.layer, "count_params"):
            yield step, step.rule.shrink(step, change(what))[1]


def what_stays(proof: Proof, step: Step, free_name: Callable[[str], str]) -> Cut:
    """What a proof leaves of the units of one call."""
    indices = range(len(step.inputs))
    return Cut(
        kept=proof.kept,
        units=proof.graph.units,
        constants=[proof.value(step, index) for index in indices],
        rows=proof.rows(step),
        gone=[(id(step), index) in proof.cut_inputs for index in indices],
        free_name=free_name,
    )
